package act

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/test/e2e/testbed"
)

// surge is the load of the surge: nearly four times the most that history ever
// saw, and more than three brokers carry.
const surge = 3.9 * low

// lever is a load that has always gone up and down below the low of the
// followed day, until it is switched.
type lever struct{ on atomic.Bool }

func (l *lever) shape(began time.Time) (past, now testbed.Shape) {
	past = testbed.Day(0.4*low, low, day, time.Duration(began.UnixNano())%day)
	return past, func(at time.Time) float64 {
		if l.on.Load() {
			return surge
		}
		return past(at)
	}
}

// TestASurgeIsAnsweredWithinTwoTicksAndNothingScalesInWithoutPrometheus: a step
// of the load that no history knows is answered by the reactive guard, whatever
// the model says; and when the load has gone, Prometheus is killed in
// mid-scale-in: what is not known lets no broker go.
func TestASurgeIsAnsweredWithinTwoTicksAndNothingScalesInWithoutPrometheus(t *testing.T) {
	testbed.RequireKubernetes(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	l := &lever{}
	b := newBedWith(ctx, t, setup{shape: l.shape, journal: true})
	b.wants(ctx, t, wish{stabilisation: "15s", throttle: "1MB/s"})
	b.run(t)
	w := watch(ctx, t, b)
	b.steady(ctx, t)

	t.Run("surge", func(t *testing.T) { b.surge(ctx, t, l, newResult(t, rowSurge)) })
	if t.Failed() {
		return
	}
	t.Run("Prometheus", func(t *testing.T) { b.prometheusGoneInScaleIn(ctx, t, l, time.Minute, newResult(t, rowPromIn)) })
	w.end(t)
	w.stepsWere(t, 3, 4, 3)
	b.nothingForbidden(t)
}

// steady waits until the load has been seen as it is for a while, and its
// forecast is trusted.
func (b *bed) steady(ctx context.Context, t *testing.T) {
	t.Helper()
	b.await(ctx, t, "three quiet ticks", func(ctx context.Context) error {
		all, err := b.decisions(ctx)
		if err != nil || len(all) < 3 {
			return fmt.Errorf("%d decisions so far, %w", len(all), err)
		}
		for _, d := range all[len(all)-3:] {
			if d.Reason != decision.ReasonSteady || float64(d.Seen.BytesIn) < 0.3*low {
				return fmt.Errorf("%s: %s", d.Reason, d.Outcome)
			}
			if i := slices.IndexFunc(d.Forecasts, func(f decision.ForecastSummary) bool { return !f.Trusted }); i >= 0 {
				return fmt.Errorf("the forecast of %s is not trusted: %s", d.Forecasts[i].Signal, d.Forecasts[i].Why)
			}
		}
		return nil
	})
}

// ticksUntil is how many ticks it took from the first that saw something to the
// first that did something, that first one counted; and when both were.
func ticksUntil(ds []decision.Decision, sees, does func(decision.Decision) bool) (ticks int, seen, done time.Time) {
	first := slices.IndexFunc(ds, sees)
	if first < 0 {
		return 0, seen, done
	}
	acted := slices.IndexFunc(ds, does)
	if acted < 0 {
		return 0, ds[first].Time, done
	}
	return acted - first + 1, ds[first].Time, ds[acted].Time
}

// scaled tells whether a decision made something of a kind larger, in fact.
func scaled(kind decision.ProposalKind) func(decision.Decision) bool {
	return func(d decision.Decision) bool {
		return slices.ContainsFunc(d.Actions, func(a decision.Action) bool {
			p := d.Proposals[a.Proposal]
			return a.Error == "" && !a.DryRun && p.Kind == kind && p.To > p.From
		})
	}
}

func sees(bytesIn float64) func(decision.Decision) bool {
	return func(d decision.Decision) bool { return float64(d.Seen.BytesIn) > bytesIn }
}

// surge switches the load up: the guard must have scaled the consumers and the
// brokers within two ticks of the first tick that could see that they are too
// few; Prometheus' rates need a few scrapes to show it.
func (b *bed) surge(ctx context.Context, t *testing.T, l *lever, r *result) {
	l.on.Store(true)
	at := time.Now()
	t.Logf("the load goes from %.0f to %.0f kB/s at once", low/1e3, surge/1e3)
	b.await(ctx, t, "more brokers and more consumers are wanted", func(ctx context.Context) error {
		s, err := b.sizes(ctx)
		if err == nil && (s.brokers != 4 || s.consumers < 6) {
			err = fmt.Errorf("the sizes are %+v", s)
		}
		return err
	})
	// The decision is written down after it has been acted on.
	var ds []decision.Decision
	b.await(ctx, t, "the journal to have it", func(ctx context.Context) error {
		var err error
		if ds, err = b.since(ctx, at); err == nil && !(slices.ContainsFunc(ds, scaled(decision.ScaleBrokers)) && slices.ContainsFunc(ds, scaled(decision.ScaleConsumers))) {
			err = fmt.Errorf("%d decisions since, none of which scaled brokers and consumers", len(ds))
		}
		return err
	})
	// Two consumers carry 150 records a second, 120 of them at 80 %.
	twoConsumers := 0.8 * 2 * perReplica * recordBytes
	for _, of := range []struct {
		what  string
		kind  decision.ProposalKind
		above float64
	}{{"consumers", decision.ScaleConsumers, twoConsumers}, {"brokers", decision.ScaleBrokers, oldCapacity}} {
		ticks, seen, done := ticksUntil(ds, sees(of.above), scaled(of.kind))
		if ticks > 2 || done.IsZero() {
			t.Errorf("%s were scaled %d ticks after the first that saw more than %.0f kB/s, want within two", of.what, ticks, of.above/1e3)
		}
		r.fact("%s scaled out %s after the step, in tick %d of those that could see it (first seen after %s)", of.what,
			done.Sub(at).Round(100*time.Millisecond), max(1, ticks), seen.Sub(at).Round(100*time.Millisecond))
	}
	b.sized(ctx, t, 4)
	if n, err := b.Kafka.ReplicasOn(ctx, 3); err != nil || n == 0 {
		t.Errorf("the fourth broker holds %d replicas after its operation, %v", n, err)
	}
	r.fact("the fourth broker was filled %s after the step", time.Since(at).Round(time.Second))
}

// prometheusGoneInScaleIn lets the surge end, and kills Prometheus as soon as
// the scale-in has begun.
func (b *bed) prometheusGoneInScaleIn(ctx context.Context, t *testing.T, l *lever, span time.Duration, r *result) {
	l.on.Store(false)
	b.inPhase(ctx, t, leaving, "a scale-in")
	must(t, b.Prometheus.Process().Kill())
	gone := time.Now()
	b.holdsFor(ctx, t, "no broker is let go while Prometheus is gone", span, func(ctx context.Context) error {
		s, err := b.sizes(ctx)
		if err == nil && s.brokers != 4 {
			err = fmt.Errorf("%d brokers are wanted", s.brokers)
		}
		return err
	})
	b.heldThrough(ctx, t, gone, r)
	must(t, b.Prometheus.Start(ctx))
	back := time.Now()
	b.sized(ctx, t, 3)
	r.fact("gone for %s, then back: three brokers %s later", span, time.Since(back).Round(time.Second))
}

// leaving tells whether an operation takes brokers away and has not let their
// pods go.
func leaving(op *decision.Operation) bool {
	return op.To < op.From && slices.Contains([]decision.Phase{decision.Cordoning, decision.Draining, decision.Proving}, op.Phase)
}

// heldThrough looks at every decision since a part was gone: once that was
// noticed, nothing was made smaller, and each says what is not known.
func (b *bed) heldThrough(ctx context.Context, t *testing.T, gone time.Time, r *result) {
	t.Helper()
	ds, err := b.since(ctx, gone)
	must(t, err)
	blind := 0
	for _, d := range ds {
		if len(d.Seen.Stale) == 0 && d.Reason != decision.ReasonObservationFailed {
			continue
		}
		blind++
		for _, a := range d.Actions {
			if p := d.Proposals[a.Proposal]; p.ScaleIn() && a.Error == "" {
				t.Errorf("%s on missing data: %s", a.Done, d.ID)
			}
		}
	}
	if blind < 1 { // a look at brokers that stand still takes most of a minute
		t.Errorf("%d of %d decisions say that something is not known, want at least one", blind, len(ds))
	}
	r.fact("%d ticks without it held, and said what is not known", blind)
}
