package backtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tidetable/tidetable/forecast"
	"github.com/tidetable/tidetable/metrics"
)

var monday = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

func noisy(days int, step time.Duration, seed uint64) metrics.Series {
	r := rand.New(rand.NewPCG(seed, 1))
	s := metrics.Series{Start: monday, Step: step, Values: make([]float64, int(time.Duration(days)*24*time.Hour/step)),
		Labels: metrics.Labels{"column": "value"}}
	for i := range s.Values {
		x := float64(i) * float64(step) / float64(24*time.Hour)
		s.Values[i] = 100 + 40*math.Sin(2*math.Pi*x) + 5*r.NormFloat64()
		if r.IntN(50) == 0 {
			s.Values[i] = math.NaN()
		}
	}
	return s
}

// said collects everything that was predicted, as text, by origin.
func said(t *testing.T, s metrics.Series, o Options) (map[time.Time]string, Result) {
	t.Helper()
	out := map[time.Time]string{}
	r, err := Run(context.Background(), forecast.New(forecast.Options{}), s, o, func(f Forecast) error {
		out[f.Origin] = fmt.Sprint(f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out, r
}

func TestNothingLeaksFromTheFuture(t *testing.T) {
	for _, step := range []time.Duration{5 * time.Minute, time.Hour} {
		s := noisy(20, step, 1)
		o := Options{Every: 3 * time.Hour, From: 0.6}
		before, _ := said(t, s, o)
		for _, cut := range []float64{0.6, 0.73, 0.9} {
			i := int(cut * float64(len(s.Values)))
			changed := s
			changed.Values = slices.Clone(s.Values)
			for j := i + 1; j < len(changed.Values); j++ {
				switch j % 3 {
				case 0:
					changed.Values[j] = 1e6
				case 1:
					changed.Values[j] = math.NaN()
				default:
					changed.Values[j] = 0
				}
			}
			after, _ := said(t, changed, o)
			same, differ := 0, 0
			for at, text := range before {
				if !at.After(s.TimeAt(i)) {
					if after[at] != text {
						t.Fatalf("%v: changing what lies after %v changed what was said at %v", step, s.TimeAt(i), at)
					}
					same++
				} else if after[at] != text {
					differ++
				}
			}
			if same == 0 || differ == 0 {
				t.Fatalf("%v: %d origins before the cut, %d forecasts after it changed: the test shows nothing", step, same, differ)
			}
		}
	}
}

func TestOneOriginEqualsAForecastFromThere(t *testing.T) {
	// What a backtest says at an origin is what the engine would have said then,
	// having taken the same samples one by one.
	s := noisy(16, 30*time.Minute, 2)
	all, _ := said(t, s, Options{Every: 12 * time.Hour})
	for at, text := range all {
		st := forecast.New(forecast.Options{}).NewState(s.Start, s.Step)
		first := int(0.7*float64(len(s.Values))) - 1
		st.Load(s.Values[:first])
		for _, v := range s.Upto(at).Values[first:] {
			st.Observe(v)
		}
		p, err := st.Predict(forecast.Horizon{Ahead: 24 * time.Hour, Quantiles: []float64{0.05, 0.5, 0.95}})
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(p) != text {
			t.Fatalf("origin %v differs", at)
		}
	}
}

func TestSameInputSameBytesOnAnyNumberOfCores(t *testing.T) {
	var series []metrics.Series
	for k := range 6 {
		series = append(series, noisy(12, 15*time.Minute, uint64(k)))
	}
	run := func(cores int) string {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
		texts := make([]bytes.Buffer, len(series))
		e := forecast.New(forecast.Options{})
		var wg sync.WaitGroup
		for k, s := range series {
			wg.Go(func() {
				r, err := Run(context.Background(), e, s, Options{Candidates: true}, func(f Forecast) error {
					fmt.Fprintln(&texts[k], f)
					return nil
				})
				fmt.Fprintln(&texts[k], r, err)
			})
		}
		wg.Wait()
		var all bytes.Buffer
		for k := range texts {
			all.Write(texts[k].Bytes())
		}
		return all.String()
	}
	one := run(1)
	for _, cores := range []int{1, 2, 8} {
		if run(cores) != one {
			t.Fatalf("%d cores give other bytes than one", cores)
		}
	}
}

func TestScoresOfAKnownForecaster(t *testing.T) {
	// A pure sine: yesterday is exact, and the ensemble finds that out.
	s := noisy(14, 30*time.Minute, 3)
	for i := range s.Values {
		s.Values[i] = 100 + 40*math.Sin(2*math.Pi*float64(i)/48)
	}
	_, r := said(t, s, Options{Candidates: true})
	if r.Origins != 17 && r.Origins != 16 {
		t.Errorf("got %d origins, want one every 6 h of 4.2 days", r.Origins)
	}
	for _, x := range r.Scores {
		if (x.Model == "yesterday" || x.Model == Ensemble) && x.WAPE > 1e-3 {
			t.Errorf("%s at %v: WAPE %v on an exact rhythm", x.Model, x.Horizon, x.WAPE)
		}
		if x.Model == "naive" && x.Horizon == 24*time.Hour && x.WAPE < 0.2 {
			t.Errorf("naive: WAPE %v is too good to be true", x.WAPE)
		}
		if x.Points == 0 {
			t.Errorf("%s at %v has no points", x.Model, x.Horizon)
		}
	}
}

func TestShortSeriesSaysSo(t *testing.T) {
	s := noisy(1, 5*time.Minute, 4)
	_, err := Run(context.Background(), forecast.New(forecast.Options{}), s, Options{}, nil)
	if !errors.Is(err, forecast.ErrTooShort) {
		t.Errorf("got %v, want ErrTooShort", err)
	}
}

func TestBadOptionsAreRefused(t *testing.T) {
	s := noisy(5, time.Hour, 5)
	for name, o := range map[string]Options{
		"from above one": {From: 1.5}, "negative from": {From: -1}, "negative every": {Every: -time.Hour},
		"horizon under a step": {Ahead: time.Minute},
	} {
		if _, err := Run(context.Background(), forecast.New(forecast.Options{}), s, o, nil); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestCancelledRunStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := Run(ctx, forecast.New(forecast.Options{}), noisy(10, time.Hour, 6), Options{}, nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}
