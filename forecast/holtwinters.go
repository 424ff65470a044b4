package forecast

import "math"

// holtWinters is additive Holt-Winters with up to two seasons, without a trend
// (over minutes it is noise), and with a first-order autoregressive correction
// of its residual (Taylor, "Short-term
// electricity demand forecasting using double seasonal exponential
// smoothing", JORS 54, 2003).
type holtWinters struct {
	smoothing
	label       string
	level, last float64
	day, week   []float32
	t           int
	size        float64 // mean absolute innovation
}

func newHoltWinters(label string, s seasons, c smoothing) *holtWinters {
	return &holtWinters{smoothing: c, label: label, day: make([]float32, s.day), week: make([]float32, s.week)}
}

func (m *holtWinters) name() string { return m.label }

func (m *holtWinters) ready() bool { return m.t >= 2*len(m.day) && m.t >= 2*len(m.week) }

func (m *holtWinters) update(h *history) {
	y := h.last()
	if m.t < len(m.day) {
		m.begin(h, y)
		return
	}
	season := 0.0
	var d, w *float32
	if len(m.day) > 0 {
		d = &m.day[m.t%len(m.day)]
		season += float64(*d)
	}
	if len(m.week) > 0 {
		w = &m.week[m.t%len(m.week)]
		season += float64(*w)
	}
	e := y - (m.level + season)
	r := e - m.rho*m.last
	// A single outlier must not move the states far (Gelper, Fried and Croux,
	// "Robust forecasting with exponential and Holt-Winters smoothing", 2010).
	size := math.Abs(r)
	if m.size == 0 {
		m.size = size
	}
	r = limited(r, outlier*m.size)
	m.size += scaleRate * (min(size, 2*outlier*m.size) - m.size)
	m.level += m.alpha * r
	if d != nil {
		*d += float32(m.gamma * r)
	}
	if w != nil {
		*w += float32(m.gamma * r)
	}
	m.last = e
	m.t++
}

// begin takes the first season as it comes.
func (m *holtWinters) begin(h *history, y float64) {
	m.t++
	m.level += (y - m.level) / float64(m.t)
	if m.t == len(m.day) {
		for i, x := range h.clean[len(h.clean)-len(m.day):] {
			m.day[i] = x - float32(m.level)
		}
	}
}

func (m *holtWinters) predict(h *history, ahead []int, dst []float64) {
	for i, a := range ahead {
		v := m.level + math.Pow(m.rho, float64(a))*m.last
		if len(m.day) > 0 {
			v += float64(m.day[(m.t+a-1)%len(m.day)])
		}
		if len(m.week) > 0 {
			v += float64(m.week[(m.t+a-1)%len(m.week)])
		}
		dst[i] = h.bounded(v)
	}
}
