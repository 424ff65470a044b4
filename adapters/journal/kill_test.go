//go:build unix

package journal

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test binary be the process that is killed.
func TestMain(m *testing.M) {
	if path := os.Getenv("TIDETABLE_JOURNAL_VICTIM"); path != "" {
		victim(path)
		return
	}
	os.Exit(m.Run())
}

// victim writes as fast as it can and says which entry is acknowledged.
func victim(path string) {
	j, err := Open(path, Options{RotateBytes: 64 << 10})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(3)
	}
	fmt.Println(j.Head().Seq)
	for i := 0; ; i++ {
		if _, err := j.Append(context.Background(), KindDecision, "victim", testDecision(i)); err != nil {
			fmt.Println("error", err)
			os.Exit(3)
		}
		fmt.Println(j.Head().Seq)
	}
}

// TestKillNineLeavesAChainThatVerifies kills a writer at 100 random moments,
// rotations among them. Every entry that was acknowledged must be there, and
// the next writer must be able to go on.
func TestKillNineLeavesAChainThatVerifies(t *testing.T) {
	kills := 100
	if testing.Short() {
		kills = 15
	}
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	rng := rand.New(rand.NewPCG(9, 9))
	var entries uint64
	for i := range kills {
		acknowledged := killedWriter(t, path, time.Duration(rng.IntN(12_000))*time.Microsecond)
		r, err := Verify(t.Context(), path, VerifyOptions{})
		if err != nil {
			t.Fatalf("kill %d: %v", i, err)
		}
		if !r.OK {
			t.Fatalf("kill %d: %v", i, r.Broken)
		}
		if r.Last.Seq < acknowledged {
			t.Fatalf("kill %d: entry %d was acknowledged, and the journal ends at %d", i, acknowledged, r.Last.Seq)
		}
		entries = r.Entries
	}
	j, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	j.Close()
	r := mustVerify(t, path, VerifyOptions{})
	t.Logf("%d kills, %d entries in %d files, %d torn lines marked", kills, entries, len(r.Files), r.Kinds[KindRecovery])
}

// killedWriter runs a victim, kills it some time after it has opened the
// journal, and returns the last entry it acknowledged.
func killedWriter(t *testing.T, path string, after time.Duration) (acknowledged uint64) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), "TIDETABLE_JOURNAL_VICTIM="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	sc := bufio.NewScanner(out)
	for first := true; sc.Scan(); first = false {
		if strings.HasPrefix(sc.Text(), "error") {
			cmd.Process.Kill()
			cmd.Wait()
			t.Fatal(sc.Text())
		}
		// A line may itself be cut off by the kill; then it is no number, or
		// a smaller one.
		if n, err := strconv.ParseUint(sc.Text(), 10, 64); err == nil {
			acknowledged = max(acknowledged, n)
		}
		if first {
			time.AfterFunc(after, func() { cmd.Process.Kill() })
		}
	}
	cmd.Wait()
	return acknowledged
}
