//go:build peers

// Package dist_test tries what is shipped beside the programs on a real
// systemd.
package dist_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// exposure is what systemd-analyze security may give the unit, in tenths.
const exposure = 15

func TestExposure(t *testing.T) {
	out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--no-pager",
		"--threshold="+strconv.Itoa(exposure), "./vdpd.service").CombinedOutput()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	t.Log(lines[len(lines)-1])
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestUnit installs the programs and the unit in a container that has the
// programs of this machine and nothing else of it, boots that, and runs
// testdata/unit.sh in it.
func TestUnit(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil { // accounts of the container look into it
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", dir, "vdpd/cmd/vdpd", "vdpd/cmd/vdp")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	copyFile(t, "vdpd.sysusers", filepath.Join(dir, "vdpd.sysusers"), 0o644, nil)
	copyFile(t, "testdata/unit.sh", filepath.Join(dir, "unit.sh"), 0o755, nil)
	// The container's /usr is that of this machine, read-only.
	copyFile(t, "vdpd.service", filepath.Join(dir, "vdpd.service"), 0o644, strings.NewReplacer("/usr/bin/", "/run/try/"))
	write(t, filepath.Join(dir, "try.service"), `[Unit]
SuccessAction=exit
FailureAction=exit
[Service]
Type=oneshot
ExecStart=/run/try/unit.sh
`, 0o644)

	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	container := exec.CommandContext(ctx, "systemd-nspawn", "--quiet", "--boot", "--directory=/", "--volatile=yes",
		"--register=no", "--keep-unit", "--private-network", "--console=pipe",
		fmt.Sprintf("--machine=vdpd-%d", os.Getpid()), "--bind="+dir+":/run/try",
		"--bind-ro="+filepath.Join(dir, "vdpd.service")+":/run/systemd/system/vdpd.service",
		"--bind-ro="+filepath.Join(dir, "try.service")+":/run/systemd/system/try.service",
		"systemd.unit=basic.target", "systemd.wants=try.service")
	out, err := container.CombinedOutput()
	said, _ := os.ReadFile(filepath.Join(dir, "log"))
	t.Logf("unit.sh:\n%s", said)
	if err != nil || !strings.HasSuffix(string(said), "all is well\n") {
		t.Errorf("container: %v\n%s", err, out)
	}
}

func copyFile(t *testing.T, from, to string, mode os.FileMode, change *strings.Replacer) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	if change != nil {
		text = change.Replace(text)
	}
	write(t, to, text, mode)
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}
