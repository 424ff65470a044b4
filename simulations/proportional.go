package simulations

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/tidetable/tidetable/forecast"
	"github.com/tidetable/tidetable/metrics"
)

// proportional forecasts series that are multiples of one another by one
// forecast. In a simulated cluster what producers send, what consumers fetch
// and what arrives for a group often follow one profile, and the forecaster's
// answer to c·y is c times its answer to y. It is used where runs are many.
type proportional struct {
	inner forecast.Forecaster
	bases []base
}

// base is a series that others are multiples of. It grows by whichever of them
// is read first, and its forecast is made once for all of them.
type base struct {
	series metrics.Series
	last   forecast.Prediction
	asked  forecast.Horizon
	at     time.Time // the end of the series that last was made from
}

// Forecast predicts s.
func (f *proportional) Forecast(ctx context.Context, s metrics.Series, h forecast.Horizon) (forecast.Prediction, error) {
	for i := range f.bases {
		b := &f.bases[i]
		c, ok := multiple(s, b.series)
		if !ok {
			continue
		}
		for t := b.series.End().Add(b.series.Step); !t.After(s.End()); t = t.Add(b.series.Step) {
			b.series.Values = append(b.series.Values, s.Values[index(s, t)]/c)
		}
		p, err := b.forecast(ctx, f.inner, h)
		if err != nil {
			return p, err
		}
		return scaled(p, c), nil
	}
	s.Values = append([]float64(nil), s.Values...)
	f.bases = append(f.bases, base{series: s})
	return f.bases[len(f.bases)-1].forecast(ctx, f.inner, h)
}

// forecast asks the inner forecaster, unless it has been asked for as much
// already: what is said of a step does not depend on how far one looks.
func (b *base) forecast(ctx context.Context, inner forecast.Forecaster, h forecast.Horizon) (forecast.Prediction, error) {
	if !b.at.Equal(b.series.End()) || h.Ahead > b.asked.Ahead || !slices.Equal(h.Quantiles, b.asked.Quantiles) {
		p, err := inner.Forecast(ctx, b.series, h)
		if err != nil {
			return p, err
		}
		b.last, b.asked, b.at = p, h, b.series.End()
	}
	p := b.last
	p.Points = p.Points[:min(len(p.Points), int(h.Ahead/p.Step))]
	return p, nil
}

func index(s metrics.Series, t time.Time) int { return int(t.Sub(s.Start) / s.Step) }

// multiple tells whether s is c times b where both are known, by 64 points, and
// whether b can be grown to the end of s.
func multiple(s, b metrics.Series) (c float64, ok bool) {
	if s.Step != b.Step || len(s.Values) == 0 || s.Start.Before(b.Start) || s.Start.Sub(b.Start)%s.Step != 0 {
		return 0, false
	}
	shift := index(b, s.Start)
	n := min(len(s.Values), len(b.Values)-shift)
	if n < 64 || len(s.Values) > 2*n {
		return 0, false
	}
	for i := range 64 {
		j := n - 1 - i*(n-1)/63
		x, y := s.Values[j], b.Values[shift+j]
		switch {
		case math.IsNaN(x) != math.IsNaN(y):
			return 0, false
		case math.IsNaN(x) || x == 0 && y == 0:
		case c == 0 && y != 0:
			c = x / y
		case math.Abs(x-c*y) > 1e-9*math.Abs(x):
			return 0, false
		}
	}
	return c, c > 0
}

func scaled(p forecast.Prediction, c float64) forecast.Prediction {
	points := make([]forecast.Point, len(p.Points))
	flat := make([]float64, len(p.Points)*len(p.Quantiles))
	for i, pt := range p.Points {
		v := flat[i*len(p.Quantiles) : (i+1)*len(p.Quantiles)]
		for k, x := range pt.Values {
			v[k] = c * x
		}
		points[i] = forecast.Point{Time: pt.Time, Values: v}
	}
	p.Points = points
	return p
}
