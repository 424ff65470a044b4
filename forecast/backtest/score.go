package backtest

import (
	"math"
	"slices"
	"time"

	"github.com/tidetable/tidetable/forecast"
	"github.com/tidetable/tidetable/metrics"
)

// topLevel is the level of the upper quantile that is judged.
const topLevel = 0.95

// scorer adds up, per model and horizon, what was issued against what came.
type scorer struct {
	s        metrics.Series
	scale    float64
	horizons []time.Duration
	steps    []int // per horizon
	single   bool  // score candidates too
	mid, top int   // columns of the median and the 0.95 quantile, -1 if not asked for

	names []string
	sums  map[string][]forecast.Accuracy
	bands map[string]*bands
}

func newScorer(s metrics.Series, first int, o Options) *scorer {
	sc := &scorer{s: s, scale: dayScale(s, first+1), horizons: horizons(s.Step, o.Ahead), single: o.Candidates,
		mid: slices.Index(o.Quantiles, 0.5), top: slices.Index(o.Quantiles, topLevel),
		sums: map[string][]forecast.Accuracy{}, bands: map[string]*bands{}}
	for _, h := range sc.horizons {
		sc.steps = append(sc.steps, int(h/s.Step))
	}
	return sc
}

func (sc *scorer) tallies(model string) []forecast.Accuracy {
	t := sc.sums[model]
	if t == nil {
		t = make([]forecast.Accuracy, len(sc.horizons))
		sc.sums[model] = t
		sc.names = append(sc.names, model)
	}
	return t
}

// take scores what was issued at origin index i. The outcomes it reads lie after
// the origin; they never reach the forecaster.
func (sc *scorer) take(i int, p Forecast, st *forecast.State) {
	if sc.mid >= 0 {
		t := sc.tallies(Ensemble)
		for a, pt := range p.Points {
			top := math.NaN()
			if sc.top >= 0 {
				top = pt.Values[sc.top]
			}
			sc.add(t, i, a+1, pt.Values[sc.mid], top)
		}
	}
	if !sc.single {
		return
	}
	for e, path := range st.PredictCandidates(len(p.Points)) {
		if path == nil {
			continue
		}
		name := st.Candidates()[e]
		b := sc.bands[name]
		if b == nil {
			b = newBands(sc.steps)
			sc.bands[name] = b
		}
		b.learn(sc.s.Values, i)
		t := sc.tallies(name)
		for a, v := range path {
			sc.add(t, i, a+1, v, v+b.offset(a+1))
		}
		b.issue(i, path)
	}
}

func (sc *scorer) add(t []forecast.Accuracy, i, ahead int, mid, top float64) {
	if i+ahead >= len(sc.s.Values) {
		return
	}
	y := sc.s.Values[i+ahead]
	if math.IsNaN(y) {
		return
	}
	for k, h := range sc.steps {
		if ahead <= h {
			t[k].Add(forecast.Issued{Median: mid, Upper: top, Level: topLevel}, y)
		}
	}
}

// scores lists the ensemble first and then the candidates by their error at
// the longest horizon.
func (sc *scorer) scores() []Score {
	last := len(sc.horizons) - 1
	slices.SortStableFunc(sc.names, func(a, b string) int {
		if (a == Ensemble) != (b == Ensemble) {
			if a == Ensemble {
				return -1
			}
			return 1
		}
		x, y := sc.sums[a][last], sc.sums[b][last]
		switch u, v := x.MAE(), y.MAE(); {
		case u < v:
			return -1
		case u > v:
			return 1
		}
		return 0
	})
	var out []Score
	for _, name := range sc.names {
		for k, h := range sc.horizons {
			t := sc.sums[name][k]
			if t.Outcomes == 0 {
				continue
			}
			out = append(out, Score{
				Model: name, Horizon: h, Points: t.Outcomes, WAPE: t.WAPE(), MASE: t.MAE() / sc.scale,
				Pinball95: t.PinballOverMean(), Coverage95: t.Coverage(),
			})
		}
	}
	return out
}

// bands give a candidate, which says one number, a 0.95 quantile by split
// conformal prediction: the quantile of its own earlier errors, per horizon.
type bands struct {
	steps   []int
	errors  [][]float64 // per horizon, sorted
	waiting []waiting
}

type waiting struct {
	origin int
	path   []float64
}

// bandErrors bounds the errors kept per horizon.
const bandErrors = 2000

func newBands(steps []int) *bands { return &bands{steps: steps, errors: make([][]float64, len(steps))} }

func (b *bands) issue(origin int, path []float64) {
	b.waiting = append(b.waiting, waiting{origin, path})
}

// learn takes the errors of what was issued long enough before now.
func (b *bands) learn(values []float64, now int) {
	k := 0
	for _, w := range b.waiting {
		if w.origin+len(w.path) > now {
			break
		}
		k++
		from := 1
		for j, h := range b.steps {
			// A few steps of each stretch are enough: neighbours say the same.
			for a := from; a <= h && a <= len(w.path); a += 1 + (h-from)/4 {
				if e := values[w.origin+a] - w.path[a-1]; !math.IsNaN(e) && len(b.errors[j]) < bandErrors {
					i, _ := slices.BinarySearch(b.errors[j], e)
					b.errors[j] = slices.Insert(b.errors[j], i, e)
				}
			}
			from = h + 1
		}
	}
	b.waiting = b.waiting[k:]
}

// offset is the 0.95 quantile of the known errors at a distance; NaN while
// fewer than 20 are known.
func (b *bands) offset(ahead int) float64 {
	for j, h := range b.steps {
		if ahead <= h {
			n := len(b.errors[j])
			if n < 20 {
				return math.NaN()
			}
			return b.errors[j][min(n-1, int(0.95*float64(n+1)))]
		}
	}
	return math.NaN()
}
