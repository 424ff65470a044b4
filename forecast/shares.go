package forecast

import "math"

// Shares splits the forecast of a whole over its parts by what they had of it
// lately. Fitting every partition would cost hundreds of times as much and be
// less exact: a partition is noisier than its topic.
type Shares struct {
	part  []float64 // discounted load of each part
	total float64
	decay float64
}

// NewShares makes the shares of n parts with a memory of so many observations.
func NewShares(n int, memory float64) *Shares {
	return &Shares{part: make([]float64, n), decay: 1 - 1/math.Max(memory, 1)}
}

// Observe takes the load of every part at one time. A part that is missing
// (NaN), or new, keeps its share.
func (s *Shares) Observe(loads []float64) {
	for len(s.part) < len(loads) {
		s.part = append(s.part, 0)
	}
	total := 0.0
	for i := range s.part {
		load := math.NaN()
		if i < len(loads) {
			load = usable(loads[i])
		}
		if math.IsNaN(load) {
			load = s.part[i] * (1 - s.decay)
		}
		s.part[i] = s.decay*s.part[i] + load
		total += s.part[i]
	}
	s.total = total
}

// Of is the share of part i, in [0, 1]. Parts that never had any load share
// evenly.
func (s *Shares) Of(i int) float64 {
	if s.total <= 0 {
		return 1 / float64(len(s.part))
	}
	return s.part[i] / s.total
}

// Split is the forecast of part i of the whole p forecasts. Quantiles are
// scaled alike: the parts' peaks are taken to come together, which is the
// careful reading.
func (s *Shares) Split(p Prediction, i int) Prediction {
	f := s.Of(i)
	points := make([]Point, len(p.Points))
	values := make([]float64, len(p.Points)*len(p.Quantiles))
	for k, pt := range p.Points {
		v := values[k*len(p.Quantiles) : (k+1)*len(p.Quantiles) : (k+1)*len(p.Quantiles)]
		for j, x := range pt.Values {
			v[j] = f * x
		}
		points[k] = Point{Time: pt.Time, Values: v}
	}
	p.Points = points
	return p
}
