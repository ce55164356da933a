//go:build peers

package smime

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vdpd/triage"
)

// peer runs the program with stdin and returns what it prints.
func peer(t *testing.T, stdin []byte, program string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, log.Bytes())
	}
	return out.Bytes()
}

func path(name string) string { return filepath.Join("testdata", name) }

// texts of sizes around those at which programs cut what they stream.
func texts() [][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	var list [][]byte
	for _, size := range []int{1, 15, 16, 4095, 4096, 4097, 1_000_000} {
		b := make([]byte, size)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		list = append(list, b)
	}
	return append(list, []byte("Content-Type: text/plain\r\n\r\nZoë\r\n"))
}

func TestPeersOpenSSLSigns(t *testing.T) {
	for _, whole := range texts() {
		for _, by := range []string{"rita", "ec"} {
			for _, options := range []string{"", "-stream -indef", "-md sha512", "-keyid", "-noattr", "-nosmimecap"} {
				name := fmt.Sprintf("%d octets by %s %s", len(whole), by, options)
				args := append(strings.Fields("cms -sign -binary -outform DER "+options),
					"-signer", path(by+".pem"), "-inkey", path(by+".key.pem"), "-certfile", path("issuer.pem"))
				content, v, err := Unwrap(peer(t, whole, "openssl", append(args, "-nodetach")...), pool(t, "root"), 1<<22, time.Now())
				if err != nil || v.State != triage.SigValid || !bytes.Equal(content, whole) {
					t.Errorf("%s: %d octets, %+v, %v", name, len(content), v, err)
				}
				p7s := peer(t, whole, "openssl", args...)
				checkVerdict(t, name, Verify(whole, p7s, pool(t, "root"), time.Now()), triage.SigValid, "")
				altered := append(bytes.Clone(whole), 'x')
				checkVerdict(t, name, Verify(altered, p7s, pool(t, "root"), time.Now()), triage.SigInvalid, "does not fit")
			}
		}
	}
}

func TestPeersOpenSSLEncrypts(t *testing.T) {
	for _, whole := range texts() {
		for _, cipher := range []string{"-aes-128-cbc", "-aes-192-cbc", "-aes-256-cbc", "-des3", "-aes-128-gcm", "-aes-192-gcm", "-aes-256-gcm"} {
			for _, options := range []string{"", "-stream -indef", "-keyid", "-keyopt rsa_padding_mode:oaep", "-keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha512 -keyopt rsa_mgf1_md:sha384"} {
				name := fmt.Sprintf("%d octets %s %s", len(whole), cipher, options)
				args := append(strings.Fields("cms -encrypt -binary -outform DER "+cipher), "-recip", path("own.pem"))
				o, err := Open(peer(t, whole, "openssl", append(args, strings.Fields(options)...)...), own(t), 1<<22)
				if err != nil || !bytes.Equal(o.Content, whole) || o.Integrity != strings.HasSuffix(cipher, "gcm") {
					t.Errorf("%s: %v, %v", name, o, err)
				}
			}
		}
	}
}

// GnuPG's gpgsm, as KMail uses it, sends BER throughout.
func TestPeersGpgsm(t *testing.T) {
	home, err := os.MkdirTemp("", "gpgsm") // the agent's socket needs a short path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		peer(t, nil, "gpgconf", "--homedir", home, "--kill", "all")
		os.RemoveAll(home)
	})
	root := bytes.TrimSpace(peer(t, nil, "openssl", "x509", "-in", path("root.pem"), "-noout", "-fingerprint", "-sha1"))
	_, fingerprint, _ := strings.Cut(string(root), "=")
	passphrase := filepath.Join(home, "passphrase")
	for name, text := range map[string]string{"trustlist.txt": fingerprint + " S relax\n", "passphrase": "x\n"} {
		if err := os.WriteFile(filepath.Join(home, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	gpgsm := func(stdin []byte, args ...string) []byte {
		t.Helper()
		return peer(t, stdin, "sh", append([]string{"-c", `exec gpgsm --passphrase-fd 3 "$@" 3<"$0"`, passphrase, "--homedir", home, "--batch", "--no-tty",
			"--disable-dirmngr", "--disable-crl-checks", "--pinentry-mode", "loopback"}, args...)...)
	}
	for _, name := range []string{"root", "issuer", "own"} {
		gpgsm(file(t, name+".pem"), "--import")
	}
	p12 := filepath.Join(home, "rita.p12")
	peer(t, nil, "openssl", "pkcs12", "-export", "-legacy", "-inkey", path("rita.key.pem"), "-in", path("rita.pem"), "-passout", "pass:x", "-out", p12)
	gpgsm(nil, "--import", p12)
	for i, whole := range texts() {
		if i%3 > 0 {
			continue // gpgsm and its agent are slow
		}
		name := fmt.Sprintf("%d octets", len(whole))
		content, v, err := Unwrap(gpgsm(whole, "-u", "rita@researcher.example", "--sign"), pool(t, "root"), 1<<22, time.Now())
		if err != nil || v.State != triage.SigValid || !bytes.Equal(content, whole) {
			t.Errorf("%s: %d octets, %+v, %v", name, len(content), v, err)
		}
		p7s := gpgsm(whole, "-u", "rita@researcher.example", "--detach-sign")
		checkVerdict(t, name, Verify(whole, p7s, pool(t, "root"), time.Now()), triage.SigValid, "")
		o, err := Open(gpgsm(whole, "-r", "security@identity.example", "--encrypt"), own(t), 1<<22)
		if err != nil || !bytes.Equal(o.Content, whole) {
			t.Errorf("%s: %v, %v", name, o, err)
		}
	}
}
