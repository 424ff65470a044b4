package forecast

import (
	"math"

	"github.com/tidetable/tidetable/metrics"
)

// reactive is what needs no model: the last value with the margin that its own
// recent errors ask for, at each of ahead. The margin is constant or in
// proportion to the load, whichever lost less.
func (c *core) reactive(q float64, ahead []int, dst []float64) {
	last := pointForecast{last: c.h.last()}
	at := make([]float64, len(c.band))
	for k, b := range c.band {
		at[k] = b.margin(q, last)
	}
	for i, a := range ahead {
		lo, hi, s := c.knots.bracket(a + c.fill.gap)
		v := at[lo]
		if s > 0 {
			v += s * (at[hi] - v)
		}
		dst[i] = max(0, min(v, tallest*c.h.top))
	}
}

// margin is the q quantile around the last value.
func (c *calibrator) margin(q float64, s pointForecast) float64 {
	best, at := math.Inf(1), reactiveScores[0]
	for _, i := range reactiveScores {
		if l := c.loss[i][part(q)]; l < best {
			best, at = l, i
		}
	}
	return s.last + s.size(at)*c.hist[at].quantile(q)
}

// Believable is a series without the samples that a forecaster would not
// believe: what stands alone far above its neighbours, and an outage's zeros.
func Believable(s metrics.Series) metrics.Series {
	if s.Step <= 0 {
		return s
	}
	s.Values = newScreen(stepsPerDay(s.Step)).all(s.Values)
	return s
}
