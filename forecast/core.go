package forecast

import "math"

// core is what is known about one series: its history, the candidates fitted
// to it, how well each did, and the calibration of its intervals. It takes
// samples one by one and never looks ahead.
type core struct {
	s      seasons
	scale  float64
	stride int
	knots  []int
	h      *history

	experts []expert
	names   []string
	directs []*direct

	pend  [][]float64 // per knot: ring of rows, one value an expert and the mix
	err   [][]float64 // per knot and expert: discounted absolute error
	seen  []float64   // per knot: discounted count
	w     [][]float64 // per knot: weights of the experts
	power float64
	decay []float64
	resid [][]float64 // per knot: recent errors of the mix
	from  int         // absolute index of the first prediction
}

func newCore(s seasons, scale float64, ahead int) *core {
	c := &core{s: s, scale: scale, power: 6}
	c.h = newHistory(s, 0.05)
	c.stride = max(1, s.day/96)
	c.knots = knotsFor(s.day, ahead)
	c.addExperts()
	n := len(c.experts)
	for _, k := range c.knots {
		c.pend = append(c.pend, make([]float64, (k/c.stride+2)*(n+1)))
		c.err = append(c.err, make([]float64, n))
		c.w = append(c.w, make([]float64, n))
		c.seen = append(c.seen, 0)
		c.resid = append(c.resid, nil)
		// Errors at long horizons overlap, so they are remembered longer.
		c.decay = append(c.decay, 1-float64(c.stride)/float64(4*s.day+k))
	}
	return c
}

func (c *core) addExperts() {
	s := c.s
	hour := max(1, s.day/24)
	add := func(e expert) { c.experts = append(c.experts, e); c.names = append(c.names, e.name()) }
	add(naive{})
	add(&level{label: "level-1h", span: 2 * hour})
	add(&seasonal{label: "day", lag: s.day, periods: 1})
	add(&seasonal{label: "day+level", lag: s.day, periods: 1, shift: true, span: hour})
	add(&seasonal{label: "mean-4d", lag: s.day, periods: 4})
	if s.week > 0 {
		add(&seasonal{label: "week", lag: s.week, periods: 1})
		add(&seasonal{label: "week+level", lag: s.week, periods: 1, shift: true, span: hour})
		add(&seasonal{label: "mean-4w", lag: s.week, periods: 4})
	}
	add(newHoltWinters("hw-slow", seasons{day: s.day}, 0.02, 0.15, 0.9))
	add(newHoltWinters("hw-fast", seasons{day: s.day}, 0.3, 0.15, 0.3))
	if s.week > 0 {
		add(newHoltWinters("hw-week", s, 0.02, 0.15, 0.9))
	}
	for _, logs := range []bool{false, true} {
		d := newDirect(s, c.knots, logs)
		c.directs = append(c.directs, d)
		p := "direct"
		if logs {
			p = "direct-log"
		}
		add(d.output(p+"(d)", false, 0.002))
		if s.week > 0 {
			add(d.output(p+"(d+w)", true, 0.002))
		}
	}
}

// observe takes the next sample, NaN when it is missing.
func (c *core) observe(raw float64) {
	y := raw / c.scale
	clean := y
	if math.IsNaN(y) || y < 0 {
		y, clean = math.NaN(), c.fill()
	}
	c.h.append(y, clean)
	t := c.h.n() - 1
	for _, d := range c.directs {
		d.update(c.h)
	}
	for _, e := range c.experts {
		e.update(c.h)
	}
	if !math.IsNaN(y) {
		c.score(t, y)
	}
	if t%c.s.day == c.s.day-1 && t >= 2*c.s.day-1 {
		for _, d := range c.directs {
			d.refit(math.Pow(0.5, 1.0/14))
		}
	}
	if t%c.stride == 0 && t >= c.s.day {
		c.pose(t)
	}
}

// fill stands in for a missing sample.
func (c *core) fill() float64 {
	if c.h.n() == 0 {
		return 0
	}
	v := c.h.linear()
	last := v.at(c.h.n() - 1)
	if i := c.h.n() - c.s.day; v.has(i) && v.has(i-1) {
		return max(0, last+v.at(i)-v.at(i-1))
	}
	return last
}

func (c *core) slot(k, o int) []float64 {
	n := len(c.experts) + 1
	rows := len(c.pend[k]) / n
	i := (o / c.stride) % rows
	return c.pend[k][i*n : (i+1)*n]
}

// pose records what every expert says now, to be scored when outcomes come.
func (c *core) pose(t int) {
	if c.from == 0 {
		c.from = t
	}
	n := len(c.experts)
	buf := make([]float64, len(c.knots))
	for e, x := range c.experts {
		x.predict(c.h, c.knots, buf)
		for k := range c.knots {
			c.slot(k, t)[e] = buf[k]
		}
	}
	for k := range c.knots {
		s := c.slot(k, t)
		s[n] = dot(c.w[k], s[:n])
	}
}

// score compares what was said about index t with what came.
func (c *core) score(t int, y float64) {
	for k, ahead := range c.knots {
		o := t - ahead
		if o < 0 || o%c.stride != 0 {
			continue
		}
		if o > 2*c.s.day/2 {
			for _, d := range c.directs {
				d.learn(c.h, k, o)
			}
		}
		if c.from == 0 || o < c.from {
			continue
		}
		s := c.slot(k, o)
		f := c.decay[k]
		for e := range c.experts {
			c.err[k][e] = f*c.err[k][e] + math.Abs(y-s[e])
		}
		c.seen[k] = f*c.seen[k] + 1
		if c.seen[k] > 10 {
			c.remember(k, y-s[len(c.experts)])
		}
		c.weigh(k)
	}
}

// remember keeps the latest errors of the mix at a knot.
func (c *core) remember(k int, r float64) {
	const window = 600
	if len(c.resid[k]) == window {
		copy(c.resid[k], c.resid[k][1:])
		c.resid[k] = c.resid[k][:window-1]
	}
	c.resid[k] = append(c.resid[k], r)
}

// weigh turns discounted errors into weights.
func (c *core) weigh(k int) {
	best := math.Inf(1)
	for e := range c.experts {
		best = min(best, c.err[k][e])
	}
	sum := 0.0
	for e := range c.experts {
		c.w[k][e] = math.Pow((best+1e-9)/(c.err[k][e]+1e-9), c.power)
		if o, ok := c.experts[e].(*directOutput); ok && !o.fit {
			c.w[k][e] = 0
		}
		sum += c.w[k][e]
	}
	for e := range c.experts {
		c.w[k][e] /= sum
	}
}

// path is the mix's forecast for each of ahead.
func (c *core) path(ahead []int, dst []float64, each [][]float64) {
	clear(dst)
	buf := make([]float64, len(ahead))
	for e, x := range c.experts {
		x.predict(c.h, ahead, buf)
		if each != nil {
			copy(each[e], buf)
		}
		for i, a := range ahead {
			lo, hi, s := bracket(c.knots, a)
			w := c.w[lo][e] + s*(c.w[hi][e]-c.w[lo][e])
			dst[i] += w * buf[i]
		}
	}
	for i := range dst {
		dst[i] = max(0, dst[i])
	}
}
