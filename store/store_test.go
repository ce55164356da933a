package store_test

import (
	"testing"
	"time"

	"vdpd/store"
	"vdpd/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, storetest.Harness{
		Open: func(t *testing.T, dir string, now func() time.Time) storetest.Engine {
			s, err := store.Open(dir, storetest.Key(), store.Options{Create: true, Now: now})
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
		Kill: func(t *testing.T, dir string) string { return storetest.Kill(t, dir) },
	})
}
