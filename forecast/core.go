package forecast

import (
	"math"
)

// core is what is known about one series: its history, the candidates fitted
// to it, how well each did, and the calibration of its intervals. It takes
// samples one by one and never looks ahead. All values inside are in units of
// scale.
type core struct {
	s      seasons
	scale  float64
	stride int // origins are scored every so many steps
	knots  *knots
	h      *history
	fill   filler
	tidy   cleaner
	events *effects // nil without a calendar

	experts []expert
	prior   []prior // by expert
	directs []*direct

	pend  []pending     // per knot: what was issued, waiting for its outcome
	err   [][]float64   // per knot and expert: discounted absolute error
	w     [][]float64   // per knot: weights of the experts
	seen  []float64     // per knot: discounted number of outcomes
	decay []float64     // per knot: discount per outcome
	band  []*calibrator // per knot
	hours *hours        // shared by all knots
	trust trust

	fits   int  // days on which the direct models were solved
	issued bool // anything yet
	buf    []float64
}

// newCore makes an empty core that keeps at least so many samples.
func newCore(s seasons, scale float64, ahead, keep int) *core {
	c := &core{s: s, scale: scale}
	c.h = newHistory(s, keep)
	c.stride = coprime(max(1, s.day/originsPerDay), max(1, s.day/hoursPerDay))
	c.knots = knotsFor(s.day, ahead)
	c.addExperts()
	n := len(c.experts)
	c.buf = make([]float64, len(c.knots.at))
	for _, k := range c.knots.at {
		c.pend = append(c.pend, newPending(k/c.stride+2, n))
		c.err = append(c.err, make([]float64, n))
		c.w = append(c.w, make([]float64, n))
		c.seen = append(c.seen, 0)
		// Errors far ahead overlap, so they are remembered longer.
		c.decay = append(c.decay, 1-float64(c.stride)/float64(errorMemoryDays*s.day+k))
		c.band = append(c.band, newCalibrator(bandMemoryDays*float64(s.day)/float64(c.stride), 1+float64(k)/float64(c.stride)))
	}
	c.hours = newHours(hoursMemoryDays * float64(s.day) / float64(c.stride) * float64(len(c.knots.at)) / phases)
	c.trust = newTrust(c)
	return c
}

// coprime is the first number from n on that shares no factor with m: origins
// that far apart meet every phase of the hour in turn, where a load that beats
// with the clock would show others only some of it.
func coprime(n, m int) int {
	for ; n > 1; n++ {
		a, b := n, m
		for b > 0 {
			a, b = b, a%b
		}
		if a == 1 {
			return n
		}
	}
	return 1
}

// addExperts is the registry of candidates.
func (c *core) addExperts() {
	s := c.s
	hour := max(1, s.day/hoursPerDay)
	day := seasons{day: s.day}
	add := func(e expert, p prior) {
		c.experts, c.prior = append(c.experts, e), append(c.prior, p)
	}
	add(naive{}, evenPrior)
	add(&level{label: "level", span: 2 * hour}, evenPrior)
	add(&seasonal{label: "yesterday", lag: s.day, periods: 1, need: 1}, evenPrior)
	add(&seasonal{label: "yesterday-levelled", lag: s.day, periods: 1, need: 1, shift: true, span: hour}, evenPrior)
	add(&seasonal{label: "mean-of-days", lag: s.day, periods: meanPeriods, need: meanNeed}, evenPrior)
	add(newHoltWinters("holt-winters-slow", day, slowSmoothing), evenPrior)
	add(newHoltWinters("holt-winters-fast", day, fastSmoothing), evenPrior)
	if s.week > 0 {
		add(&seasonal{label: "last-week", lag: s.week, periods: 1, need: 1}, weekPrior)
		add(&seasonal{label: "last-week-levelled", lag: s.week, periods: 1, need: 1, shift: true, span: hour}, weekPrior)
		add(&seasonal{label: "mean-of-weeks", lag: s.week, periods: meanPeriods, need: meanNeed}, weekPrior)
		add(&stepped{day: s.day, week: s.week, half: max(1, s.day/halfHoursPerDay)}, weekPrior)
		add(newHoltWinters("holt-winters-week", s, slowSmoothing), weekPrior)
	}
	for _, logs := range []bool{false, true} {
		d := newDirect(s, c.knots, c.stride, logs)
		c.directs = append(c.directs, d)
		label := "direct"
		if logs {
			label = "direct-log"
		}
		add(d.output(label, false, directRidge), evenPrior)
		if s.week > 0 {
			add(d.output(label+"-week", true, directRidge), weekPrior)
		}
	}
}

// observe takes the next sample, NaN when it is missing.
func (c *core) observe(raw float64) {
	measured := usable(raw) / c.scale
	y := measured
	if c.events != nil {
		y = c.events.before(c.h, y)
	}
	clean := y
	if math.IsNaN(y) {
		clean = c.fill.guess(c.h)
	}
	c.h.append(clean, math.IsNaN(y))
	c.fill.update(c.h, y)
	c.tidy.look(c.h)
	t := c.h.n() - 1
	for _, d := range c.directs {
		d.update(c.h)
	}
	for _, e := range c.experts {
		e.update(c.h)
	}
	if c.events != nil {
		c.events.learn(c.h, c.directs[1], measured)
	}
	if !math.IsNaN(y) {
		c.score(t, y)
	}
	if t%c.s.day == c.s.day-1 && t >= 2*c.s.day-1 && c.refitNow() {
		for _, d := range c.directs {
			d.refit()
		}
	}
	if t%c.s.day == c.s.day-1 {
		c.trust.day()
	}
	if t%c.stride == 0 && t >= c.s.day {
		c.issue(t)
	}
}

// amend puts what was measured in the place of the latest samples, which were
// taken for missing when they came.
func (c *core) amend(back []float64) {
	for i, v := range back {
		if at := c.h.n() - len(back) + i; at >= c.h.base && !math.IsNaN(v) {
			c.h.setClean(at, v/c.scale)
			c.h.missing.set(at-c.h.base, false)
		}
	}
}

// usable is a sample as a load, NaN when it cannot be one: not finite,
// negative, or so large that sums of squares overflow.
func usable(v float64) float64 {
	if v >= 0 && v < largestLoad {
		return v
	}
	return math.NaN()
}

// refitNow spaces the fits of the direct models: every day at first and then
// more rarely, as what a day adds gets smaller.
func (c *core) refitNow() bool {
	c.fits++
	d := c.fits
	// A short day brings few rows: then wait for more of them.
	return d <= dailyFits || d%max(2, samplesPerFit/c.s.day) == 0
}

// issue records what every expert says now, to be scored when outcomes come.
// Nothing is asked after a long gap: what would be issued then is a guess on guesses.
func (c *core) issue(t int) {
	quiet := c.fill.gap > max(2, c.s.day/halfHoursPerDay)
	c.issued = true
	for e, x := range c.experts {
		if awake := x.ready() && !quiet; awake {
			x.predict(c.h, c.knots.at, c.buf)
		} else {
			for k := range c.buf {
				c.buf[k] = math.NaN()
			}
		}
		for k := range c.knots.at {
			c.row(k, t).experts[e] = float32(c.buf[k])
		}
	}
	for k, ahead := range c.knots.at {
		r := c.row(k, t)
		*r.mix = float32(c.mix(k, r.experts))
		*r.phase = float32(c.band[k].phaseScale(c.phaseAt(t + ahead)))
		if quiet {
			*r.mix = float32(math.NaN())
		}
		*r.low, *r.high = float32(math.NaN()), float32(math.NaN())
		if b := c.band[k]; b.n > 2*warmup {
			s, h := c.forecastOf(k, r), hourAt(c.phaseAt(t+ahead))
			*r.low, *r.high = float32(b.now[0].value(s, c.hours.now[0][h])), float32(b.now[2].value(s, c.hours.now[2][h]))
		}
	}
}

// score compares what was issued for index t with its outcome y.
func (c *core) score(t int, y float64) {
	for k, ahead := range c.knots.at {
		o := t - ahead
		if o < c.s.day || o%c.stride != 0 || !c.issued {
			continue
		}
		r := c.row(k, o)
		if math.IsNaN(float64(*r.mix)) {
			continue
		}
		for _, d := range c.directs {
			d.learn(c.h, k, o)
		}
		c.scoreExperts(k, y, r)
		if c.seen[k] > leastSeen {
			s := c.forecastOf(k, r)
			for j := range judged {
				s.hour[j] = c.hours.now[j][hourAt(c.phaseAt(t))]
			}
			c.trust.observe(k, y, s, &c.band[k].now[2])
			c.band[k].observe(y, s, c.phaseAt(t))
			if c.band[k].n > c.s.day/c.stride && s.unit > tinyUnit && !idle(s.mix, y) {
				c.hours.learn(c.phaseAt(t), (y-s.mix)/s.unit)
			}
		}
	}
}

func (c *core) scoreExperts(k int, y float64, r pendingRow) {
	f := c.decay[k]
	for e, v := range r.experts {
		p := float64(v)
		if math.IsNaN(p) {
			// An expert that had nothing to say is taken for as good as the rest.
			p = float64(*r.mix)
		}
		c.err[k][e] = f*c.err[k][e] + math.Abs(y-p)
	}
	c.seen[k] = f*c.seen[k] + 1
	c.weigh(k)
}

// weigh turns discounted errors into weights.
func (c *core) weigh(k int) {
	best := math.Inf(1)
	for _, v := range c.err[k] {
		best = min(best, v)
	}
	sum := 0.0
	for e, x := range c.experts {
		w := 0.0
		if x.ready() {
			r := (best + tinyError) / (c.err[k][e] + tinyError)
			// The eighth power: one twice as wrong as the best has 1/256 of its weight.
			r *= r // 2
			r *= r // 4
			w = float64(c.prior[e]) * r * r
		}
		c.w[k][e] = w
		sum += w
	}
	for e := range c.w[k] {
		c.w[k][e] /= sum
	}
}

// mix is the weighted mean of what the experts say at a knot.
func (c *core) mix(k int, each []float32) float64 {
	sum, w := 0.0, 0.0
	for e, v := range each {
		if v == v {
			sum += c.w[k][e] * float64(v)
			w += c.w[k][e]
		}
	}
	if w == 0 {
		return float64(each[0])
	}
	return sum / w
}

// path is the mix's forecast for each of ahead. each, when not nil, takes
// every expert's.
func (c *core) path(ahead []int, dst []float64, each [][]float64) {
	clear(dst)
	buf := make([]float64, len(ahead))
	ws := make([]float64, len(ahead))
	for e, x := range c.experts {
		if !x.ready() {
			continue
		}
		x.predict(c.h, ahead, buf)
		if each != nil {
			copy(each[e], buf)
		}
		for i, a := range ahead {
			lo, hi, s := c.knots.bracket(a + c.fill.gap)
			w := c.w[lo][e] + s*(c.w[hi][e]-c.w[lo][e])
			if w > 0 && !math.IsNaN(buf[i]) {
				dst[i] += w * buf[i]
				ws[i] += w
			}
		}
	}
	last := c.h.last()
	for i := range dst {
		if dst[i] /= ws[i]; ws[i] == 0 || math.IsNaN(dst[i]) {
			dst[i] = last
		}
		dst[i] = c.h.bounded(dst[i])
	}
}

// quantile fills dst with the q quantile at each of ahead, given the mix.
func (c *core) quantile(q float64, ahead []int, mix, dst []float64) {
	hours := c.hours.at(q)
	qs := make([]quantiles, len(c.band))
	for k := range c.band {
		qs[k] = c.band[k].at(q)
	}
	now := c.h.n() - 1
	last := c.h.last()
	for i, a := range ahead {
		// After a gap of g steps, a step ahead is as uncertain as g+1 were.
		lo, hi, s := c.knots.bracket(a + c.fill.gap)
		ph := c.phaseAt(now + a)
		v := qs[lo].value(
			pointForecast{mix: mix[i], last: last, phase: c.band[lo].phaseScale(ph), unit: c.band[lo].global},
			hours[hourAt(ph)],
		)
		if s > 0 {
			w := qs[hi].value(
				pointForecast{mix: mix[i], last: last, phase: c.band[hi].phaseScale(ph), unit: c.band[hi].global},
				hours[hourAt(ph)],
			)
			v += s * (w - v)
		}
		if math.IsNaN(v) {
			v = mix[i]
		}
		dst[i] = max(0, min(v, tallest*c.h.top))
	}
}

// factors are what the events ahead multiply the load by; nil without a
// calendar.
func (c *core) factors(ahead []int) []float64 {
	if c.events == nil {
		return nil
	}
	now := c.h.n() - 1
	out := make([]float64, len(ahead))
	for i, a := range ahead {
		out[i] = math.Exp(c.events.log(c.h, now+a, now))
	}
	return out
}

// phaseAt is where in its day index i lies, in [0, 1).
func (c *core) phaseAt(i int) float64 {
	return float64(i%c.s.day) / float64(c.s.day)
}

// row is where what is issued at origin o for knot k is kept.
func (c *core) row(k, o int) pendingRow { return c.pend[k].row(o / c.stride) }

// pending is a ring of forecasts waiting for their outcomes.
type pending struct {
	rows, n int
	v       []float32
}

func newPending(rows, experts int) pending {
	return pending{rows: rows, n: experts, v: make([]float32, rows*(experts+4))}
}

// pendingRow is what was issued at one origin for one knot.
type pendingRow struct {
	experts    []float32
	mix, phase *float32
	low, high  *float32 // quantiles issued
}

func (p pending) row(i int) pendingRow {
	i = i % p.rows * (p.n + 4)
	return pendingRow{p.v[i : i+p.n], &p.v[i+p.n], &p.v[i+p.n+1], &p.v[i+p.n+2], &p.v[i+p.n+3]}
}

// forecastOf is what was issued in a row for a knot.
func (c *core) forecastOf(k int, r pendingRow) pointForecast {
	s := r.forecast()
	s.unit = c.band[k].global
	return s
}

func (r pendingRow) forecast() pointForecast {
	return pointForecast{
		mix: float64(*r.mix), last: float64(r.experts[0]), phase: float64(*r.phase), low: float64(*r.low), high: float64(*r.high),
	}
}
