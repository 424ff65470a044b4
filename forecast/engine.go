package forecast

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/tidetable/tidetable/metrics"
)

// Options tune an Engine. The zero value is right for most: seasons are found
// from the data and there are no events.
type Options struct {
	// MaxAhead is the longest horizon that will be asked for; zero stands for
	// 24 hours, and a longer request is answered with the last calibration
	// widened.
	MaxAhead time.Duration
}

// Engine is the Forecaster that needs no tuning: it tries every candidate on
// the series' own past, weighs them per horizon by how they did, and
// calibrates its quantiles on its own errors.
type Engine struct {
	opts Options
}

// New makes an Engine.
func New(opts Options) *Engine {
	if opts.MaxAhead <= 0 {
		opts.MaxAhead = 24 * time.Hour
	}
	return &Engine{opts: opts}
}

// Forecast replays the series and predicts every step up to h.Ahead.
func (e *Engine) Forecast(ctx context.Context, s metrics.Series, h Horizon) (Prediction, error) {
	if err := checkHorizon(s, h); err != nil {
		return Prediction{}, err
	}
	c, err := e.replay(ctx, s)
	if err != nil {
		return Prediction{}, err
	}
	return c.prediction(s, h), nil
}

func checkHorizon(s metrics.Series, h Horizon) error {
	switch {
	case s.Step <= 0:
		return fmt.Errorf("checking the series: step is %v, want more than zero", s.Step)
	case h.Ahead < s.Step:
		return fmt.Errorf("checking the horizon: %v is less than one step of %v", h.Ahead, s.Step)
	case len(h.Quantiles) == 0:
		return fmt.Errorf("checking the horizon: no quantiles")
	}
	for i, q := range h.Quantiles {
		if !(q > 0 && q < 1) || i > 0 && q <= h.Quantiles[i-1] {
			return fmt.Errorf("checking the horizon: quantiles %v are not increasing within (0, 1)", h.Quantiles)
		}
	}
	return nil
}

// replay builds the state of a series from nothing.
func (e *Engine) replay(ctx context.Context, s metrics.Series) (*core, error) {
	sum, n := 0.0, 0
	for _, v := range s.Values {
		if v >= 0 && !math.IsInf(v, 0) {
			sum += v
			n++
		}
	}
	found := calendarSeasons(s.Step, len(s.Values))
	if found.day == 0 || n < found.day {
		return nil, fmt.Errorf("%w: %d measured points of %v, want two seasons", ErrTooShort, n, s.Step)
	}
	scale := sum / float64(n)
	if scale == 0 {
		scale = 1
	}
	c := newCore(found, scale, int(e.opts.MaxAhead/s.Step))
	for i, v := range s.Values {
		if i%1024 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		c.observe(v)
	}
	return c, nil
}

func (c *core) prediction(s metrics.Series, h Horizon) Prediction {
	p := Prediction{Origin: s.End(), Step: s.Step, Model: "ensemble", Quantiles: slices.Clone(h.Quantiles), Trusted: true}
	n := int(h.Ahead / s.Step)
	ahead := make([]int, n)
	for i := range ahead {
		ahead[i] = i + 1
	}
	mid := make([]float64, n)
	c.path(ahead, mid, nil)
	for i, a := range ahead {
		pt := Point{Time: p.Origin.Add(time.Duration(a) * s.Step), Values: make([]float64, len(h.Quantiles))}
		for j, q := range h.Quantiles {
			pt.Values[j] = max(0, mid[i]+c.offset(a, q)) * c.scale
		}
		p.Points = append(p.Points, pt)
	}
	return p
}

// offset is the q quantile of the mix's recent errors at ahead.
func (c *core) offset(ahead int, q float64) float64 {
	lo, hi, s := bracket(c.knots, ahead)
	a, b := c.errorQuantile(lo, q), c.errorQuantile(hi, q)
	return a + s*(b-a)
}

func (c *core) errorQuantile(k int, q float64) float64 {
	r := slices.Clone(c.resid[k])
	if len(r) == 0 {
		return 0
	}
	slices.Sort(r)
	// Split conformal: the (n+1)q-th smallest.
	i := min(len(r)-1, int(q*float64(len(r)+1)))
	return r[i]
}
