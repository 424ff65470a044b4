package testbed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// tidetable builds the command under test once per test binary. The file is
// left to the sweep of abandoned folders: it must outlive single tests.
var tidetable = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", fmt.Sprintf("%s%d-bin-", dirPrefix, os.Getpid()))
	if err != nil {
		return "", fmt.Errorf("creating a folder: %w", err)
	}
	path := filepath.Join(dir, "tidetable")
	build := exec.Command("go", "build", "-o", path, "./cmd/tidetable")
	build.Dir = filepath.Dir(filepath.Dir(moduleDir()))
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building tidetable: %w\n%s", err, out)
	}
	return path, nil
})

// Tidetable is the path of the command under test, built from this checkout.
func Tidetable(t testing.TB) string {
	t.Helper()
	path, err := tidetable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Result is how a command ended.
type Result struct {
	Stdout, Stderr []byte
	Exit           int
}

// Run runs tidetable to its end. Only a command that could not be run fails
// the test; the exit code is the caller's to judge.
func (tb *Testbed) Run(ctx context.Context, t testing.TB, args ...string) Result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, Tidetable(t), args...)
	cmd.Dir = tb.Dir
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || ctx.Err() != nil) {
		t.Fatalf("running tidetable %q: %v\n%s", args, errors.Join(err, ctx.Err()), stderr.Bytes())
	}
	return Result{stdout.Bytes(), stderr.Bytes(), cmd.ProcessState.ExitCode()}
}

// Tidetable starts a long-running tidetable, its output in a log file of that
// name. It is killed with the testbed.
func (tb *Testbed) Tidetable(t testing.TB, name string, env []string, args ...string) *Process {
	t.Helper()
	p, err := tb.processes.start(name, tb.Dir, env, Tidetable(t), args...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ExitCode is the code a process ended with; -1 while it runs or when a signal
// ended it.
func (p *Process) ExitCode() int {
	if p.Running() {
		return -1
	}
	return p.cmd.ProcessState.ExitCode()
}
