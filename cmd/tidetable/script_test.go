package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"tidetable": func() {
			os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
		},
	})
}

// Each script is one promise of the command line. The exit code of a command
// that fails is told apart by its one line on stderr.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script"})
}

func TestExitCodesTellFoundFromBadInput(t *testing.T) {
	policy := t.TempDir() + "/policy.yaml"
	doc := "apiVersion: tidetable.io/v1alpha1\nkind: KafkaCapacityPolicy\nspec:\n  prometheus: {url: 'http://127.0.0.1:1', timeout: 1s}\n"
	if err := os.WriteFile(policy, []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		args []string
		want int
	}{
		"done":           {[]string{"version"}, exitDone},
		"nobody answers": {[]string{"controller", "--once", "--policy", policy}, exitFound},
		"unknown flag":   {[]string{"plan", "--nonesuch"}, exitBadInput},
		"no such file":   {[]string{"explain", policy + ".gone"}, exitBadInput},
		"no policy":      {[]string{"controller"}, exitBadInput},
	}
	for name, tc := range tests {
		var out, errs bytes.Buffer
		if got := run(t.Context(), tc.args, strings.NewReader(""), &out, &errs); got != tc.want {
			t.Errorf("%s: exit %d, want %d: %s", name, got, tc.want, errs.String())
		}
		if tc.want == exitBadInput && strings.Count(strings.TrimSpace(errs.String()), "\n") > 0 {
			t.Errorf("%s: more than one line: %s", name, errs.String())
		}
	}
}
