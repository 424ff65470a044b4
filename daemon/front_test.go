package daemon

import (
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidetable/tidetable/adapters/journal"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/controller"
	"github.com/tidetable/tidetable/policy"
)

// A loop that cannot be started must be seen: for 35 minutes livez and readyz
// answered 200 beside a policy that nothing served.
func TestReadyzTellsHowManyLoopsShouldRunAndDo(t *testing.T) {
	f := NewFront(FrontConfig{Standby: true}, slog.New(slog.DiscardHandler))
	ask := func(path string) (int, string) {
		w := httptest.NewRecorder()
		f.handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w.Code, w.Body.String()
	}
	if code, text := ask("/readyz"); code != 200 || !strings.Contains(text, "0 of 0 loops run") {
		t.Errorf("a process that does not lead: %d %s", code, text)
	}
	f.Want(2)
	if code, text := ask("/readyz"); code != 503 || !strings.Contains(text, "none of 2 loops runs") {
		t.Errorf("none of two loops: %d %s", code, text)
	}
	if code, _ := ask("/livez"); code != 200 {
		t.Errorf("livez is %d: a restart would not help", code)
	}
	if code, text := ask("/metrics"); code != 200 || !strings.Contains(text, "tidetable_loops_wanted 2") || !strings.Contains(text, "tidetable_loops_running 0") {
		t.Errorf("the metrics do not tell: %d", code)
	}
}

// A loop that its journal freezes sees its cluster, and a restart would not help:
// livez and readyz answer 200, and readyz says what is wrong.
func TestReadyzSaysThatALoopIsFrozenByItsJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	j, err := journal.Open(path, journal.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	p := policy.Policy{Metadata: policy.Metadata{Name: "claims"}}
	p.Spec.Brokers = policy.Brokers{Target: policy.Target{Kind: "StatefulSet", Name: "kafka"}, Min: 3, Max: 6}
	loop, err := controller.New(controller.Config{
		Policy: p, Observer: fileObserver{cluster.Snapshot{Version: 1, TakenAt: time.Now(), ClusterID: "c"}}, Journal: j, Watchers: []controller.Watcher{j},
	})
	if err != nil {
		t.Fatal(err)
	}
	f := NewFront(FrontConfig{}, slog.New(slog.DiscardHandler))
	defer f.Serving(loop)()
	ask := func(path string) (int, string) {
		w := httptest.NewRecorder()
		f.handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w.Code, w.Body.String()
	}
	tick := func() {
		t.Helper()
		if _, err := loop.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	tick()
	if code, text := ask("/readyz"); code != 200 || strings.Contains(text, "no step") {
		t.Errorf("a journal that can be written: %d %s", code, text)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	tick() // its decision cannot be recorded
	tick()
	if code, text := ask("/readyz"); code != 200 || !strings.Contains(text, "no step is taken: frozen by journal") {
		t.Errorf("a journal that was taken away: %d %s", code, text)
	}
	if code, text := ask("/livez"); code != 200 {
		t.Errorf("livez: %d %s", code, text)
	}
}
