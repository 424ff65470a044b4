package controller

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/forecast"
	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/policy"
)

// distrusted is a forecaster that says a hundred times the load and is not
// trusted; the load seen and its margin are a tenth over it.
type distrusted struct{}

func (distrusted) Forecast(ctx context.Context, s metrics.Series, h forecast.Horizon) (forecast.Prediction, error) {
	p, err := flatForecaster{100}.Forecast(ctx, s, h)
	if err != nil {
		return p, err
	}
	margin, err := flatForecaster{1.1}.Forecast(ctx, s, h)
	p.Reactive, p.Trusted, p.Why = margin.Points, false, "it was wrong"
	return p, err
}

func TestAForecastThatIsNotTrustedIsNotUsedInEitherDirection(t *testing.T) {
	snap := loaded(6, 2e6)
	p := testPolicy(policy.Recommend)
	p.Spec.Consumers = []policy.Consumer{{
		Group: "billing", Target: policy.Target{Kind: "Deployment", Name: "billing"}, PerReplica: 20e3, Max: 12,
	}}
	c := newLoop(t, Config{
		Policy: p, Clock: &testClock{start}, Forecaster: always(distrusted{}), Observer: fixed(snap),
		History: flatHistory{func() cluster.Snapshot { return snap }},
	})
	d, err := c.Tick(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Proposals) > 0 {
		t.Errorf("proposes %+v", d.Proposals)
	}
	in := d.Forecasts[0]
	if in.Trusted || in.Why != "it was wrong" || in.Model != lastValueModel || in.Quantiles["0.95"] > 1.2*in.Now {
		t.Errorf("the decision says %+v", in)
	}
	notes := strings.Join(d.Notes, "\n")
	for _, want := range []string{"topic_bytes_in is sized by the load seen", "group billing is sized by the load seen", "it was wrong"} {
		if !strings.Contains(notes, want) {
			t.Errorf("%q is not in the notes:\n%s", want, notes)
		}
	}
}

func TestOneGlitchOfAReadingScalesNothing(t *testing.T) {
	times, clock := 1.0, &testClock{start}
	// What exporters say of the topics; Kafka's own offsets say what they did.
	observe := func() cluster.Snapshot {
		s := loaded(6, 2e6)
		s.TakenAt = clock.now
		for i := range s.Topics[0].Partitions {
			l := &s.Topics[0].Partitions[i].Load
			l.BytesInPerSecond *= cluster.BytesPerSecond(times)
			l.MessagesInPerSecond *= cluster.MessagesPerSecond(times)
		}
		return s
	}
	calm := observe()
	p := testPolicy(policy.Recommend)
	p.Spec.Consumers = []policy.Consumer{{
		Group: "billing", Target: policy.Target{Kind: "Deployment", Name: "billing"}, PerReplica: 20e3, Max: 12,
	}}
	for name, forecaster := range map[string]Forecaster{"with a forecast": always(flatForecaster{1}), "without one": nil} {
		c := newLoop(t, Config{
			Policy: p, Clock: clock, Forecaster: forecaster,
			Observer: observerFunc(func(context.Context) (cluster.Snapshot, error) { return observe(), nil }),
			History:  flatHistory{func() cluster.Snapshot { return calm }},
		})
		for i := range 6 {
			if times = 1; i == 3 {
				times = 25
			}
			clock.now = clock.now.Add(time.Minute)
			d, err := c.Tick(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range d.Proposals {
				if !x.ScaleIn() || i == 3 {
					t.Errorf("%s, round %d: proposes %+v", name, i, x)
				}
			}
			doubted := strings.Contains(strings.Join(d.Notes, "\n"), "is not believed")
			if doubted != (i == 3) {
				t.Errorf("%s, round %d: notes %q", name, i, d.Notes)
			}
		}
	}
}

func TestASurgeRaisesTheForecastByWhatItIsAboveIt(t *testing.T) {
	p := &prediction{p: forecast.Prediction{
		Trusted: true, Step: time.Hour, Quantiles: []float64{0.95},
		Points: []forecast.Point{{Time: start, Values: []float64{10}}, {Time: start.Add(time.Hour), Values: []float64{200}}},
	}}
	for name, c := range map[string]struct {
		readings    []float64
		witness     float64
		now, excess float64
		links       float64
		doubted     bool
		whyMustHave string
	}{
		"what was expected":                   {readings: []float64{9}, now: 9},
		"a little above, once":                {readings: []float64{11}, now: 11},
		"a little above, twice":               {readings: []float64{11, 11}, now: 11, excess: 1},
		"three times, once":                   {readings: []float64{30}, now: 10, doubted: true, whyMustHave: "nothing else shows it"},
		"three times, twice":                  {readings: []float64{30, 30}, now: 30, excess: 20},
		"three times, and something shows it": {readings: []float64{30}, witness: 29, now: 30, excess: 20},
		"twice, and offsets say that it is not": {readings: []float64{20, 20, 20, 20}, witness: 10, now: 10, doubted: true,
			whyMustHave: "offsets"},
		"absurd, and it stays":      {readings: []float64{3000, 3000}, now: 3000, excess: 90},
		"more than the links carry": {readings: []float64{3000, 3000}, links: 10, now: 20, excess: 10, doubted: true, whyMustHave: "links"},
	} {
		fs := &forecasts{surges: map[string]int{}, seen: map[string]float64{}}
		var b belief
		for _, r := range c.readings {
			b = fs.believe("in", p, start, r, c.witness, c.links)
		}
		if b.now != c.now || b.excess != c.excess || (b.why != "") != c.doubted || !strings.Contains(b.why, c.whyMustHave) {
			t.Errorf("%s: %+v", name, b)
		}
	}
}
