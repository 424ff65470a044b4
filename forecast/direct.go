package forecast

import (
	"math"
	"sync"
)

// The columns of the direct model. Every one is a difference or a periodic
// term, so that adding a constant to the series adds it to the forecast, and a
// coefficient of zero everywhere means "the seasonal reference".
const (
	fLast       = iota // last value over its own reference
	fDev5              // the same, averaged over longer and longer spans
	fDev15             //
	fDev45             //
	fSlope             // last difference
	fSlope2            // the one before
	fYesterDev         // how yesterday differed from the reference at the origin
	fDay1              // target's yesterday, smoothed, over the reference
	fDay1Raw           // unsmoothed over smoothed
	fDay2              // the day before
	fFlat              // last value over the target's reference: what a flat line adds
	fFlatDay           // the day's level over the target's reference
	fWeek1             // target's last week over the reference
	fWeekDev           // how last week differed from the reference at the origin
	fWeekStep          // the day before last week's target over the reference
	fOne               // constant
	fDayFourier        // sine and cosine pairs
)

// directP is how many columns there are.
const directP = fDayFourier + 2*dayPairs + 2*weekPairs

// direct is direct multi-step least squares: one ridge regression per knot,
// all from one pass, with coefficients interpolated between knots. It works on
// the values or on their logarithms.
type direct struct {
	s      seasons
	logs   bool
	knots  *knots
	stride int
	ref    []float32 // ring of references by absolute index
	ema    [4]float64
	span   [4]int
	t      int
	forgot int // t at the last forgetting

	dayWaves  [][2 * dayPairs]float64
	weekWaves [][2 * weekPairs]float64

	origins [][nOrigin]float32 // ring of the features of origins to be learned from
	latest  [nOrigin]float32   // those of the last sample
	at      int                // its index
	grams   []*gram
	mae     []float64 // per knot: mean absolute residual
	size    []float64 // per knot: mean square of a row
	outs    []*directOutput
	row     [directP]float64
}

const nOrigin = 9

// directOutput is one set of coefficients made from the shared sums.
type directOutput struct {
	label string
	cols  []int
	ridge float64     // penalty on a column, in its mean squares
	coef  [][]float32 // per knot
	fit   bool
	d     *direct
}

func newDirect(s seasons, knots *knots, stride int, logs bool) *direct {
	d := &direct{s: s, logs: logs, knots: knots, stride: stride}
	top := knots.at[len(knots.at)-1]
	d.ref = make([]float32, min(top, s.day)+1+s.day)
	d.origins = make([][nOrigin]float32, top/stride+2)
	d.dayWaves = dayWaves(s.day)
	if s.week > 0 {
		d.weekWaves = weekWaves(s.week)
	}
	d.grams = make([]*gram, len(knots.at))
	d.mae = make([]float64, len(knots.at))
	d.size = make([]float64, len(knots.at))
	for i := range d.grams {
		d.grams[i] = newGram(directP)
	}
	hour := max(1, s.day/hoursPerDay)
	d.span = [4]int{max(2, hour/3), max(3, hour), max(6, 4*hour), s.day}
	return d
}

func nextPow2(n int) int {
	p := 1
	for p < n {
		p *= 2
	}
	return p
}

// output adds a variant of the model.
func (d *direct) output(label string, week bool, ridge float64) *directOutput {
	o := &directOutput{label: label, ridge: ridge, d: d}
	for c := range directP {
		isWeek := c == fWeek1 || c == fWeekStep || c == fWeekDev || c >= fDayFourier+2*dayPairs
		if isWeek && (!week || d.s.week == 0) {
			continue
		}
		o.cols = append(o.cols, c)
	}
	o.coef = make([][]float32, len(d.knots.at))
	for i := range o.coef {
		o.coef[i] = make([]float32, directP)
	}
	d.outs = append(d.outs, o)
	return o
}

func (d *direct) view(h *history) view {
	if d.logs {
		return h.log()
	}
	return h.linear()
}

// reference is the seasonal value at index i from what was known at now: the
// mean of the same time of the last days and of the last weeks.
func (d *direct) reference(v view, i, now int) float64 {
	m, nm := 0.0, 0
	j := i - d.s.day
	for j > now {
		j -= d.s.day
	}
	for ; nm < refDays && v.has(j); j -= d.s.day {
		m += v.at(j)
		nm++
	}
	if nm > 0 {
		m /= float64(nm)
	} else {
		m = v.at(min(now, v.base+len(v.v)-1))
	}
	if d.s.week == 0 {
		return m
	}
	w, nw := 0.0, 0
	j = i - d.s.week
	for j > now {
		j -= d.s.week
	}
	for ; nw < refWeeks && v.has(j); j -= d.s.week {
		w += v.at(j)
		nw++
	}
	if nw == 0 {
		return m
	}
	return (1-refWeekShare)*m + refWeekShare*w/float64(nw)
}

func (d *direct) refAt(i int) float64 { return float64(d.ref[i%len(d.ref)]) }

// smooth is the mean of a few samples around index i as far as known at now.
func (d *direct) smooth(v view, i, now int) float64 {
	k := d.s.day / tenMinutesPerDay
	if k == 0 {
		return v.at(i)
	}
	return v.mean(max(i-k, v.base), min(i+k, now))
}

// update learns the references and the origin's features after a sample came.
func (d *direct) update(h *history) {
	v := d.view(h)
	t := h.n() - 1
	d.at = t
	if d.t == 0 {
		for i := t; i < t+d.s.day; i++ {
			d.ref[i%len(d.ref)] = float32(v.at(t))
		}
		d.ema[3] = v.at(t)
	}
	d.t++
	// The reference a day ahead is final: its lags are all known by now.
	i := t + d.s.day
	d.ref[i%len(d.ref)] = float32(d.reference(v, i, t))
	z := v.at(t)
	dev := z - d.refAt(t)
	// One odd sample must not hang in the means for hours.
	calm := limited(dev, d.limit())
	for k := range 3 {
		d.ema[k] += 2 / float64(d.span[k]+1) * (calm - d.ema[k])
	}
	d.ema[3] += 2 / float64(d.span[3]+1) * (d.refAt(t) + calm - d.ema[3])
	o := &d.latest
	*o = [nOrigin]float32{float32(dev), float32(d.ema[0]), float32(d.ema[1]), float32(d.ema[2]), float32(d.ema[3])}
	if v.has(t - 2) {
		o[5] = float32(z - v.at(t-1))
		o[6] = float32(v.at(t-1) - v.at(t-2))
	}
	if v.has(t - d.s.day) {
		o[7] = float32(d.smooth(v, t-d.s.day, t) - d.refAt(t))
	}
	if d.s.week > 0 && v.has(t-d.s.week) {
		o[8] = float32(d.smooth(v, t-d.s.week, t) - d.refAt(t))
	}
	if t%d.stride == 0 {
		d.origins[t/d.stride%len(d.origins)] = *o
	}
}

// limit is the deviation from the reference that still counts in full.
func (d *direct) limit() float64 {
	if d.logs {
		return math.Log(mostDeviation)
	}
	return levelLimit * (math.Abs(d.ema[3]) + levelFloor)
}

// target is the reference of what lies ahead of origin o.
func (d *direct) targetRef(v view, o, ahead int) float64 {
	if ahead <= d.s.day {
		return d.refAt(o + ahead)
	}
	return d.reference(v, o+ahead, o)
}

// features fills x for a forecast from origin o. Nothing after o is read.
func (d *direct) features(v view, o, ahead int, x []float64) (ref float64) {
	og := &d.latest
	if o != d.at {
		og = &d.origins[o/d.stride%len(d.origins)]
	}
	ref = d.targetRef(v, o, ahead)
	x[fLast], x[fDev5], x[fDev15], x[fDev45] = float64(og[0]), float64(og[1]), float64(og[2]), float64(og[3])
	x[fSlope], x[fSlope2], x[fYesterDev], x[fWeekDev] = float64(og[5]), float64(og[6]), float64(og[7]), float64(og[8])
	z := float64(og[0]) + d.refAt(o)
	x[fFlat], x[fFlatDay] = z-ref, float64(og[4])-ref
	m := (ahead + d.s.day - 1) / d.s.day * d.s.day
	j := o + ahead - m
	x[fDay1], x[fDay1Raw], x[fDay2] = 0, 0, 0
	if v.has(j) {
		s := d.smooth(v, j, o)
		x[fDay1], x[fDay1Raw] = s-ref, v.at(j)-s
	}
	if j -= d.s.day; v.has(j) {
		x[fDay2] = d.smooth(v, j, o) - ref
	}
	x[fWeek1], x[fWeekStep] = 0, 0
	if d.s.week > 0 {
		m := (ahead + d.s.week - 1) / d.s.week * d.s.week
		if j := o + ahead - m; v.has(j) {
			x[fWeek1] = d.smooth(v, j, o) - ref
			if j -= (ahead + d.s.day - 1) / d.s.day * d.s.day; v.has(j) {
				x[fWeekStep] = d.smooth(v, j, o) - ref
			}
		}
	}
	x[fOne] = 1
	d.fourier(o+ahead, x[fDayFourier:])
	return ref
}

func (d *direct) fourier(i int, x []float64) {
	copy(x, d.dayWaves[i%d.s.day][:])
	if x = x[2*dayPairs:]; d.s.week > 0 {
		copy(x, d.weekWaves[i%d.s.week][:])
	} else {
		clear(x)
	}
}

// waves holds the periodic terms of each phase of a season. All series of one
// step share them.
var waves struct {
	sync.Mutex
	day  map[int][][2 * dayPairs]float64
	week map[int][][2 * weekPairs]float64
}

func dayWaves(season int) [][2 * dayPairs]float64 {
	waves.Lock()
	defer waves.Unlock()
	if waves.day[season] == nil {
		if waves.day == nil || len(waves.day) > waveTables {
			waves.day = map[int][][2 * dayPairs]float64{}
		}
		t := make([][2 * dayPairs]float64, season)
		for i := range t {
			s, c := math.Sincos(2 * math.Pi * float64(i) / float64(season))
			harmonics(s, c, t[i][:])
		}
		waves.day[season] = t
	}
	return waves.day[season]
}

func weekWaves(season int) [][2 * weekPairs]float64 {
	waves.Lock()
	defer waves.Unlock()
	if waves.week[season] == nil {
		if waves.week == nil || len(waves.week) > waveTables {
			waves.week = map[int][][2 * weekPairs]float64{}
		}
		t := make([][2 * weekPairs]float64, season)
		for i := range t {
			s, c := math.Sincos(2 * math.Pi * float64(i) / float64(season))
			harmonics(s, c, t[i][:])
		}
		waves.week[season] = t
	}
	return waves.week[season]
}

// harmonics fills pairs of sin kx and cos kx from those of x.
func harmonics(s, c float64, x []float64) {
	a, b := s, c
	for k := 0; k < len(x); k += 2 {
		x[k], x[k+1] = a, b
		a, b = a*c+b*s, b*c-a*s
	}
}

// learn adds the row of origin o whose outcome at knot k is the sample at o +
// knots[k], just measured.
func (d *direct) learn(h *history, k, o int) {
	v := d.view(h)
	y := v.at(o + d.knots.at[k])
	ref := d.features(v, o, d.knots.at[k], d.row[:])
	y -= ref
	w := 1.0
	if out := d.outs[len(d.outs)-1]; out.fit {
		r := math.Abs(y - dot(out.coef[k], d.row[:]))
		if d.mae[k] == 0 {
			d.mae[k] = r
		}
		d.mae[k] += scaleRate * (min(r, residualLimit*d.mae[k]) - d.mae[k])
		if r > d.mae[k] && r > 0 {
			w = d.mae[k] / r
		}
	}
	d.grams[k].add(d.row[:], y, w*d.leverage(k))
}

func dot(a []float32, b []float64) float64 {
	s := 0.0
	for i, x := range a {
		s += float64(x) * b[i]
	}
	return s
}

// leverage is less than one for a row whose own size would pull the fit.
func (d *direct) leverage(k int) float64 {
	s := 0.0
	for _, x := range d.row[:fOne] {
		s += x * x
	}
	if d.size[k] == 0 {
		d.size[k] = s
	}
	d.size[k] += scaleRate * (min(s, rowLimit*d.size[k]) - d.size[k])
	if s > leverageLimit*d.size[k] && s > 0 {
		return leverageLimit * d.size[k] / s
	}
	return 1
}

// refit solves every knot anew, and forgets.
func (d *direct) refit() {
	for k, g := range d.grams {
		if g.weight < minRows {
			continue
		}
		// Rows of one day at the same distance say nearly the same: a knot far
		// ahead has fewer independent rows, and its penalty weighs more.
		overlap := 1 + float64(min(d.knots.at[k], d.s.day))/float64(d.stride)
		for _, o := range d.outs {
			if g.ridge(o.cols, o.ridge+overlap/g.weight, d.row[:]) != nil {
				continue
			}
			for i, v := range d.row {
				o.coef[k][i] = float32(v)
			}
			o.fit = true
		}
	}
	days := float64(d.t-d.forgot) / float64(d.s.day)
	d.forgot = d.t
	f := math.Pow(0.5, days/forgetHalfLifeDays)
	for _, g := range d.grams {
		g.scale(f)
	}
}

func (o *directOutput) name() string    { return o.label }
func (o *directOutput) ready() bool     { return o.fit }
func (o *directOutput) update(*history) {}

func (o *directOutput) predict(h *history, ahead []int, dst []float64) {
	d := o.d
	v := d.view(h)
	now := h.n() - 1
	var x [directP]float64
	for i, a := range ahead {
		ref := d.features(v, now, a, x[:])
		lo, hi, s := d.knots.bracket(a)
		p := dot(o.coef[lo], x[:])
		if s > 0 {
			p += s * (dot(o.coef[hi], x[:]) - p)
		}
		p += ref
		if d.logs {
			p = math.Exp(min(p, highestLog)) - h.offset
		}
		dst[i] = h.bounded(p)
	}
}
