package initdir

import (
	"os"
	"testing"
)

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
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s is not what init writes (%v); it should be:\n%s", path, err, want)
		}
	}
}
