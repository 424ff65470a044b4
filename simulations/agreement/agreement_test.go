package agreement

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/controller/gates"
	"github.com/tidetable/tidetable/forecast"
	"github.com/tidetable/tidetable/internal/files"
	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/metrics/archive"
	"github.com/tidetable/tidetable/policy"
	"github.com/tidetable/tidetable/simulations"
	"github.com/tidetable/tidetable/simulations/scenario"
)

func TestScratch(t *testing.T) {
	dir := os.Getenv("AGREE")
	data, err := os.ReadFile(filepath.Join(dir, "x", "scenario.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := scenario.Decode(data, "scenario.yaml", scenario.Sources{
		Dir: filepath.Join(dir, "x"),
		Trace: func(path string) ([]metrics.Series, error) {
			f, err := files.Open(path, nil, 0)
			if err != nil {
				return nil, err
			}
			defer f.Close()
			t, err := archive.ReadTrace(f)
			return t.Series, err
		},
		Snapshot: func(path string) (cluster.Snapshot, error) {
			f, err := files.Open(path, nil, 0)
			if err != nil {
				return cluster.Snapshot{}, err
			}
			defer f.Close()
			return archive.ReadSnapshot(f)
		},
		Policy: func(path string) (policy.Policy, error) { return policy.Load(path, nil) },
	})
	if err != nil {
		t.Fatal(err)
	}
	p.Policies = []string{"tidetable", "keda-lag"}
	r, err := simulations.Compare(context.Background(), p, simulations.Options{
		Forecaster: func() forecast.Forecaster { return forecast.New(forecast.Options{}) }, Gates: gates.All, Points: int(p.Duration / p.Tick),
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"ahead", "lag"} {
		text, err := os.ReadFile(filepath.Join(dir, name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var d Day
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatal(err)
		}
		targets := []string{"billing"}
		if i == 0 {
			targets = append(targets, "brokers")
		}
		s := Of(r.Runs[i], p.StartTime(), time.Duration(d.TickSeconds*1e9), "billing", targets...)
		rep := Judge(d, s)
		rep.Write(os.Stdout, false)
		t.Log(rep.Err())
		out, _ := json.Marshal(s)
		os.WriteFile(filepath.Join(dir, name+".sim.json"), out, 0o644)
	}
}
