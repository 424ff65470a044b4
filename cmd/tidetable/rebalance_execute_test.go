package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/policy"
	"github.com/tidetable/tidetable/rebalance"
)

func TestRebalanceExecuteSaysWhatIsWrongInOneLine(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	fine := write("fine.json", `{"version":1,"partitions":[{"topic":"t","partition":0,"replicas":[1,2,3]}]}`)
	for _, c := range []struct {
		args string
		want string
	}{
		{"execute --plan " + fine, "--bootstrap: is missing"},
		{"execute --bootstrap 127.0.0.1:1 --plan " + filepath.Join(dir, "none.json"), "none.json"},
		{"execute --bootstrap 127.0.0.1:1 --plan " + write("cut.json", `{"version":1,`), "reading reassignment"},
		{"execute --bootstrap 127.0.0.1:1 --plan " + write("old.json", `{"version":7,"partitions":[]}`), "version: 7"},
		{"execute --bootstrap 127.0.0.1:1 --plan " + write("twice.json", `{"version":1,"partitions":[{"topic":"t","partition":0,"replicas":[1,1]}]}`), "partitions[0].replicas[1]"},
		{"execute --bootstrap 127.0.0.1:1 --throttle fast --plan " + fine, "--throttle"},
		{"execute --bootstrap 127.0.0.1:1 --tls-ca " + fine + " --plan " + fine, "PEM"},
		{"execute --bootstrap 127.0.0.1:1 --sasl-mechanism PLAIN --plan " + fine, "password file"},
		{"cancel", "--bootstrap: is missing"},
		{"status", "--bootstrap: is missing"},
		{"status --output yaml", "yaml"},
	} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), append([]string{"rebalance"}, strings.Fields(c.args)...), strings.NewReader(""), &stdout, &stderr)
		if code != exitBadInput || stdout.Len() > 0 {
			t.Errorf("%s: exit %d, stdout %q", c.args, code, stdout.String())
		}
		if msg := strings.TrimSpace(stderr.String()); strings.Contains(msg, "\n") || !strings.Contains(msg, c.want) {
			t.Errorf("%s: says %q, want one line with %q", c.args, msg, c.want)
		}
	}
}

func TestRebalanceStatusAndCancelWithoutARun(t *testing.T) {
	fake, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"rebalance", "status", "--bootstrap", fake.ListenAddrs()[0], "--output", "json"}, nil, &stdout, &stderr); code != exitDone {
		t.Fatalf("exit %d: %s", code, stderr.String())
	}
	var s struct {
		State   rebalance.State `json:"state"`
		Percent float64         `json:"percent"`
	}
	if err := json.Unmarshal(stdout.Bytes(), &s); err != nil || s.State != rebalance.Idle {
		t.Errorf("status %q, %v", stdout.String(), err)
	}
	stderr.Reset()
	if code := run(t.Context(), []string{"rebalance", "cancel", "--bootstrap", fake.ListenAddrs()[0]}, nil, &stdout, &stderr); code != exitFound ||
		!strings.Contains(stderr.String(), "nothing to cancel") {
		t.Errorf("exit %d: %s", code, stderr.String())
	}
}

func TestParseRate(t *testing.T) {
	for in, want := range map[string]cluster.BytesPerSecond{"50MB": 50e6, "1.5GB/s": 1.5e9, "800000": 800000, "1KiB": 1024} {
		if got, err := policy.ParseRate(in); err != nil || got != want {
			t.Errorf("%s: %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "fast", "0", "-5MB", "5 apples"} {
		if _, err := policy.ParseRate(in); err == nil {
			t.Errorf("%q is taken for a rate", in)
		}
	}
}
