package testbed

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestVictim is run by the test below in a process of its own: it starts a
// child, says its id and waits to be killed.
func TestVictim(t *testing.T) {
	if os.Getenv("TIDETABLE_TESTBED_VICTIM") == "" {
		t.Skip("only TestChildrenDieWithAKilledTest runs this")
	}
	// The folder is the killer's, who lives to remove it.
	p, err := newProcessTable(os.Getenv("TIDETABLE_TESTBED_VICTIM")).start("sleeper", "", nil, "sleep", "600")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("child", p.PID())
	<-p.Done()
}

func TestChildrenDieWithAKilledTest(t *testing.T) {
	victim := exec.Command(os.Args[0], "-test.run=^TestVictim$")
	victim.Env = append(os.Environ(), "TIDETABLE_TESTBED_VICTIM="+t.TempDir())
	out, err := victim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	child := 0
	for lines := bufio.NewScanner(out); child == 0 && lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "child "); ok {
			if child, err = strconv.Atoi(text); err != nil {
				t.Fatal(err)
			}
		}
	}
	if child == 0 {
		t.Fatal("the victim started no child")
	}
	if err := victim.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = victim.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := Poll(ctx, "the child to die", 50*time.Millisecond, func(context.Context) error {
		// A zombie that nobody has waited for yet is dead too.
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", child))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return nil
		}
		return errors.New("it lives")
	}); err != nil {
		_ = syscall.Kill(child, syscall.SIGKILL)
		t.Fatal(err)
	}
}

func TestStoppedProcessIsKilledWhenItDoesNotEnd(t *testing.T) {
	p, err := newProcessTable(t.TempDir()).start("stubborn", "", nil, "sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.1; done")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := Poll(ctx, "the trap", 20*time.Millisecond, func(context.Context) error {
		if !strings.Contains(string(tail(p.Log, 100)), "up") {
			return errors.New("not set")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	short, cancelShort := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancelShort()
	if err := p.Stop(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("stopping a stubborn process: got %v, want the deadline", err)
	}
	if p.Running() {
		t.Error("it runs on")
	}
}

func TestTwoPoolsNeverShareAPort(t *testing.T) {
	a, b := newPortPool(), newPortPool()
	defer a.release()
	defer b.release()
	seen := map[int]bool{}
	for i := range 400 {
		pool := a
		if i%2 == 1 {
			pool = b
		}
		port, err := pool.take()
		if err != nil {
			t.Fatal(err)
		}
		if seen[port] {
			t.Fatalf("port %d was handed out twice", port)
		}
		seen[port] = true
	}
}

func TestMissingPartsAreAllNamed(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv(CacheEnv, t.TempDir())
	a, err := FindArtifacts()
	if err == nil {
		t.Fatal("nothing is missing on an empty machine")
	}
	text := fmt.Sprint(err, a.kubernetesMissing())
	for _, want := range []string{"java", "Apache Kafka", "JMX exporter", "prometheus", "etcd", "control plane", "make testbed-deps"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q does not name %s", text, want)
		}
	}
}
