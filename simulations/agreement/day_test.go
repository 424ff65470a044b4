package agreement

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/controller"
	"github.com/tidetable/tidetable/controller/gates"
	"github.com/tidetable/tidetable/internal/files"
	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/metrics/archive"
	"github.com/tidetable/tidetable/policy"
	"github.com/tidetable/tidetable/simulations"
	"github.com/tidetable/tidetable/simulations/scenario"
)

// The day was recorded on real brokers; testdata/day/README.md says how. The
// production loop, given the simulated world, does what it did in the real one.
func TestASimulationTellsTheDayThatWasRecorded(t *testing.T) {
	dir := filepath.Join("testdata", "day")
	ahead := read[Day](t, filepath.Join(dir, "ahead.json"))
	byLag := read[struct {
		Day
		LaterSeconds float64 `json:"laterSeconds"` // than the loop
	}](t, filepath.Join(dir, "bylag.json"))
	text, err := os.ReadFile(filepath.Join(dir, "scenario.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := scenario.Decode(text, "scenario.yaml", sources(dir))
	if err != nil {
		t.Fatal(err)
	}
	// The loop's own decisions are its forecaster's and gates' of that day: where
	// those are changed for good, they may come a little sooner or later here. The
	// test on real brokers, which records anew, allows one tick.
	r := told(t, p, "tidetable", ahead, "brokers", "billing")
	if len(r.Unmatched) > 0 || r.Ticks > 5 || r.MovedError > 0.1 {
		t.Errorf("tidetable:\n%s", shown(r))
	}
	r = told(t, p.Later(seconds(byLag.LaterSeconds)), "keda-lag", byLag.Day, "billing")
	if err := r.Err(); err != nil {
		t.Errorf("keda-lag: %v\n%s", err, shown(r))
	}
}

func shown(r Report) string {
	var s strings.Builder
	r.Write(&s, false)
	return s.String()
}

func told(t *testing.T, p *scenario.Experiment, policy string, happened Day, targets ...string) Report {
	t.Helper()
	p.Policies = []string{policy}
	r, err := simulations.Compare(context.Background(), p, simulations.Options{
		Forecaster: controller.NewForecaster, Gates: gates.All, Points: int(p.Duration / p.Tick),
	})
	if err != nil {
		t.Fatal(err)
	}
	return Judge(happened, Of(r.Runs[0], p.StartTime(), seconds(happened.TickSeconds), "billing", targets...))
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func read[T any](t *testing.T, path string) (out T) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func sources(dir string) scenario.Sources {
	return scenario.Sources{
		Dir: dir,
		Trace: func(path string) ([]metrics.Series, error) {
			t, err := opened(path, archive.ReadTrace)
			return t.Series, err
		},
		Snapshot: func(path string) (cluster.Snapshot, error) { return opened(path, archive.ReadSnapshot) },
		Policy:   func(path string) (policy.Policy, error) { return policy.Load(path, nil) },
	}
}

func opened[T any](path string, read func(io.Reader) (T, error)) (out T, err error) {
	f, err := files.Open(path, nil, 0)
	if err != nil {
		return out, err
	}
	defer f.Close()
	return read(f)
}
