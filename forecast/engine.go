package forecast

import (
	"context"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidetable/tidetable/metrics"
)

// Options tune an Engine. The zero value is right for most: seasons are found
// from the data and there are no events.
type Options struct {
	// MaxAhead is the longest horizon intervals are calibrated for; zero stands
	// for 24 hours. A longer request gets the last calibration.
	MaxAhead time.Duration
	// Events are known events and holidays. A calendar that does not pass its
	// Check must not be given.
	Events *Calendar
	// Zone is whose wall clock the load follows when clocks change; nil stands
	// for the calendar's, and where that is UTC or not there either, for the one
	// that a change in the history shows.
	Zone *time.Location
}

func (o *Options) zone() *time.Location {
	if o.Zone == nil && o.Events != nil {
		return o.Events.Zone
	}
	return o.Zone
}

// Engine is the Forecaster that needs no tuning: it tries every candidate on
// the series' own past, weighs them per horizon by how they did, and
// calibrates its quantiles on its own errors. It remembers the series it has
// seen, so that a series that only grew costs its new samples. It is safe for
// concurrent use.
type Engine struct {
	opts Options

	mu    sync.Mutex
	known map[string]*remembered
	calls int64
}

// remembered is a series' state and enough to know the series again.
type remembered struct {
	mu    sync.Mutex
	state *State
	tail  []float64 // the last values it was fed, ending at state.End()
	used  int64
}

// New makes an Engine.
func New(opts Options) *Engine {
	if opts.MaxAhead <= 0 {
		opts.MaxAhead = defaultAhead
	}
	return &Engine{opts: opts, known: map[string]*remembered{}}
}

// Forecast predicts every step after the end of s up to h.Ahead. It answers
// ErrTooShort when s does not show two seasons.
//
// A series it has seen before (same signal, labels and step, and the same last
// values where the two overlap) is caught up with; any other is replayed from
// its beginning.
func (e *Engine) Forecast(ctx context.Context, s metrics.Series, h Horizon) (Prediction, error) {
	if err := checkHorizon(s.Step, h); err != nil {
		return Prediction{}, err
	}
	if err := ctx.Err(); err != nil {
		return Prediction{}, err
	}
	r := e.recall(s)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state == nil || !r.continues(s) {
		r.state = e.NewState(s.Start, s.Step)
		r.state.Load(s.Values)
	} else {
		r.state.catchUp(s)
	}
	r.tail = slices.Clone(s.Values[max(0, len(s.Values)-comparedTail):])
	return r.state.Predict(h)
}

// Explain forecasts like Forecast and says why.
func (e *Engine) Explain(ctx context.Context, s metrics.Series, h Horizon) (Prediction, Explanation, error) {
	p, err := e.Forecast(ctx, s, h)
	if err != nil {
		return Prediction{}, Explanation{}, err
	}
	r := e.recall(s)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state == nil {
		return Prediction{}, Explanation{}, ErrTooShort
	}
	x, err := r.state.Explain(h.Ahead)
	return p, x, err
}

// recall finds or makes the place where the state of a series is kept.
func (e *Engine) recall(s metrics.Series) *remembered {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls++
	k := key(s)
	r := e.known[k]
	if r == nil {
		if len(e.known) >= maxRemembered {
			e.forgetOldest()
		}
		r = &remembered{}
		e.known[k] = r
	}
	r.used = e.calls
	return r
}

func (e *Engine) forgetOldest() {
	var oldest string
	at := int64(math.MaxInt64)
	for k, r := range e.known {
		if r.used < at {
			oldest, at = k, r.used
		}
	}
	delete(e.known, oldest)
}

func key(s metrics.Series) string {
	names := make([]string, 0, len(s.Labels))
	for n := range s.Labels {
		names = append(names, n)
	}
	slices.Sort(names)
	var b strings.Builder
	b.WriteString(string(s.Signal))
	b.WriteByte(0)
	b.WriteString(s.Step.String())
	for _, n := range names {
		b.WriteByte(0)
		b.WriteString(n)
		b.WriteByte(0)
		b.WriteString(s.Labels[n])
	}
	return b.String()
}

// continues says whether s is the remembered series grown by some samples: on
// the same grid, and with the same values where the state ends. A series
// without labels is anybody's, so its values must prove it.
func (r *remembered) continues(s metrics.Series) bool {
	st := r.state
	if s.Step != st.step || st.n == 0 || s.Start.Before(st.start) {
		return false
	}
	d := st.End().Sub(s.Start)
	i := int(d / s.Step)
	if d%s.Step != 0 || d < 0 || i >= len(s.Values) || i+1 < len(r.tail) {
		return false
	}
	for k := range r.tail {
		a, b := r.tail[len(r.tail)-1-k], s.Values[i-k]
		if a != b && !(math.IsNaN(a) && math.IsNaN(b)) {
			return false
		}
	}
	return true
}

// Ensemble is the name of the mix of all candidates.
const Ensemble = "ensemble"
