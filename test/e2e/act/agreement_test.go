package act

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/controller"
	"github.com/tidetable/tidetable/controller/gates"
	"github.com/tidetable/tidetable/metrics"
	traces "github.com/tidetable/tidetable/metrics/archive"
	"github.com/tidetable/tidetable/policy"
	"github.com/tidetable/tidetable/simulations"
	"github.com/tidetable/tidetable/simulations/agreement"
	"github.com/tidetable/tidetable/simulations/scenario"
	"github.com/tidetable/tidetable/test/e2e/testbed"
)

// rebalancePause is how long a group stands still while its members change. The
// members of the testbed balance cooperatively: they go on reading what they
// keep. Zero would be the scenario's default.
const rebalancePause = 100 * time.Millisecond

// kedaTick is how often the HPA looks.
const kedaTick = 15 * time.Second

// day is what happened under one of the two policies, from when it began. The
// brokers are tidetable's, so their changes and moves count for it only. The lag
// counts for the other: a group that is never behind shows only what it has read
// and not yet committed.
func (r *recorded) day(group string) agreement.Day {
	d, start := agreement.Day{TickSeconds: kedaTick.Seconds()}, r.ByLag
	if group == aheadGroup {
		d.TickSeconds, d.MovedBytes, start = interval.Seconds(), r.MovedBytes, r.First
	}
	at := func(i int) float64 { return r.Samples[i].At.Sub(start).Seconds() }
	for i := range r.Samples[1:] {
		was, is := r.Samples[i], r.Samples[i+1]
		if a, b := was.Brokers.Want, is.Brokers.Want; a != b && group == aheadGroup {
			d.Scalings = append(d.Scalings, agreement.Scaling{At: at(i + 1), Target: "brokers", From: a, To: b})
		}
		if a, b := was.Groups[group].Pods.Want, is.Groups[group].Pods.Want; a != b {
			d.Scalings = append(d.Scalings, agreement.Scaling{At: at(i + 1), Target: aheadGroup, From: a, To: b})
		}
	}
	if group == aheadGroup {
		return d
	}
	d.Lag.StepSeconds = 1
	for i, s := range r.Samples { // every second takes the first look at or after it
		for float64(len(d.Lag.Values)) <= at(i) {
			d.Lag.Values = append(d.Lag.Values, float64(s.Groups[group].Lag))
		}
	}
	return d
}

// consumerStart is what most consumers took from being asked for to being
// ready.
func (r *recorded) consumerStart() time.Duration {
	var took []time.Duration
	for _, group := range []string{aheadGroup, lagGroup} {
		var asked time.Time
		for i := range r.Samples[1:] {
			was, is := r.Samples[i].Groups[group].Pods, r.Samples[i+1].Groups[group].Pods
			if is.Want > was.Want {
				asked = r.Samples[i+1].At
			}
			if !asked.IsZero() && is.Ready >= is.Want {
				took = append(took, r.Samples[i+1].At.Sub(asked))
				asked = time.Time{}
			}
		}
	}
	if len(took) == 0 {
		return time.Second
	}
	slices.Sort(took)
	return max(took[len(took)/2], 500*time.Millisecond).Round(100 * time.Millisecond) // as finely as was looked
}

var startupLine = regexp.MustCompile(`(?m)^  startup: \{(.*)\}$`)

// simulated runs the journal's scenario under both policies, with the start
// times of consumers as they were measured.
func (r *recorded) simulated(ctx context.Context, t *testing.T) (ahead, lag agreement.Day) {
	t.Helper()
	dir := filepath.Join(r.Dir, "exported")
	file := func(name string) string { return filepath.Join(r.Dir, name) }
	export := exec.CommandContext(ctx, testbed.Tidetable(t), "simulate", "export", file("journal.jsonl"),
		"--snapshot", file("start.json"), "--traces", file("end.traces.csv"), "--policy", file("policy.yaml"), "--dir", dir)
	if out, err := export.CombinedOutput(); err != nil {
		t.Fatalf("exporting the journal: %v: %s", err, out)
	}
	path := filepath.Join(dir, "scenario.yaml")
	text, err := os.ReadFile(path)
	must(t, err)
	if !startupLine.Match(text) {
		t.Fatalf("the journal does not tell how long a broker took to join:\n%s", text)
	}
	text = startupLine.ReplaceAll(text, fmt.Appendf(nil, "  startup: {$1, consumer: %s, rebalancePause: %s}", r.consumerStart(), rebalancePause))
	must(t, os.WriteFile(path, text, 0o644))
	p, err := scenario.Decode(text, path, sources(dir))
	must(t, err)
	run := func(p *scenario.Experiment, policy string) simulations.Run {
		p.Policies = []string{policy}
		result, err := simulations.Compare(ctx, p, simulations.Options{
			Forecaster: controller.NewForecaster, Gates: gates.All, Points: int(p.Duration / p.Tick),
		})
		must(t, err)
		return result.Runs[0]
	}
	ahead = agreement.Of(run(p, "tidetable"), p.StartTime(), interval, aheadGroup, "brokers", aheadGroup)
	later := p.Later(r.ByLag.Sub(p.StartTime()).Round(time.Millisecond))
	lag = agreement.Of(run(later, "keda-lag"), later.StartTime(), kedaTick, aheadGroup, aheadGroup)
	return ahead, lag
}

func sources(dir string) scenario.Sources {
	return scenario.Sources{
		Dir: dir,
		Trace: func(path string) ([]metrics.Series, error) {
			text, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			t, err := traces.ReadTrace(bytes.NewReader(text))
			return t.Series, err
		},
		Snapshot: func(path string) (cluster.Snapshot, error) {
			text, err := os.ReadFile(path)
			if err != nil {
				return cluster.Snapshot{}, err
			}
			return traces.ReadSnapshot(bytes.NewReader(text))
		},
		Policy: func(path string) (policy.Policy, error) { return policy.Load(path, nil) },
	}
}
