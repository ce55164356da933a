package initdir

import (
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write the example anew")

// TestExample: the example that is packaged is what init writes below /etc
// where nothing is known.
func TestExample(t *testing.T) {
	p := plan{Dir: "/etc/vdpd", System: true}
	for _, name := range []string{"vdpd.toml", "policy.toml"} {
		want, err := p.render(name)
		if err != nil {
			t.Fatal(err)
		}
		path := "../../vdpd/dist/example/" + name
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s is not what init writes (%v); it should be:\n%s", path, err, want)
		}
	}
}
