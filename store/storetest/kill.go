package storetest

import (
	"os"
	"testing"
)

// Kill returns a copy of a store's directory as it is now: what a process that
// has it open would leave if it were killed here. It copies what the kernel
// has, synced or not, as a killed process leaves it.
func Kill(t testing.TB, dir string) string {
	t.Helper()
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return copied
}
