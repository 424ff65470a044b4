package forecast

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/tidetable/tidetable/metrics"
)

// State is everything known about one series. It takes samples one by one, at
// the series' step, and can say at any time what comes next. It never looks
// ahead and is not safe for concurrent use.
type State struct {
	start time.Time
	step  time.Duration
	ahead int // longest horizon calibrated, in steps
	n     int // samples taken

	wall wall // its clock
	fed  int  // steps of the wall's clock taken
	told bool // which clock it is was told

	events *Calendar
	screen *screen
	early  []float64 // screened samples until there are enough for a core
	core   *core
}

// NewState makes the state of a series that begins at start.
func (e *Engine) NewState(start time.Time, step time.Duration) *State {
	s := &State{
		start: start, step: step, ahead: max(1, int(e.opts.MaxAhead/step)), events: e.opts.Events,
		wall: newWall(e.opts.zone(), start, step), screen: newScreen(stepsPerDay(step)),
	}
	s.told = s.wall.zone != nil
	return s
}

// Load takes all samples of a series at once: how the series is modelled is
// decided from all of them, which is quicker than to find out on the way.
func (s *State) Load(samples []float64) {
	if s.core == nil && len(s.early) == 0 {
		s.n = len(samples)
		if !s.told {
			s.wall = newWall(findZone(s.start, s.step, samples), s.start, s.step)
		}
		samples = s.screen.all(s.wall.local(samples, 0))
		s.fed = len(samples)
		if s.begin(samples); s.core == nil {
			s.early = samples
		}
		return
	}
	for _, v := range samples {
		s.Observe(v)
	}
}

// Len is the number of samples taken, missing ones included.
func (s *State) Len() int { return s.n }

// End is the time of the last sample taken.
func (s *State) End() time.Time { return s.start.Add(time.Duration(s.n-1) * s.step) }

// Observe takes the next sample; NaN, infinite and negative ones are missing.
func (s *State) Observe(v float64) {
	s.n++
	at := s.wall.index(s.n - 1)
	for s.fed < at {
		s.feed(math.NaN())
	}
	if s.fed == at {
		s.feed(v)
	}
}

// feed takes what was at the next step of the wall's clock.
func (s *State) feed(v float64) {
	s.fed++
	v, back := s.screen.take(v)
	if s.core != nil {
		s.core.amend(back)
		s.core.observe(v)
		if every := max(s.core.s.day, calendarDay(s.step)/reviewsPerDay); s.core.h.n()%every == 0 {
			s.review()
		}
		return
	}
	copy(s.early[len(s.early)-len(back):], back)
	s.early = append(s.early, v)
	if s.due() {
		s.begin(s.early)
	}
}

// due says when to look whether the early samples are enough: at every eighth
// more, so that looking stays cheap.
func (s *State) due() bool {
	n := len(s.early)
	if n == minPoints || n == 2*calendarDay(s.step) {
		return true
	}
	return n > minPoints && n%max(1, n/earlyLooks) == 0
}

// begin makes a core of the samples if they show two seasons.
func (s *State) begin(samples []float64) {
	found := findSeasons(s.step, samples)
	scale, measured := meanOf(samples)
	if found.day == 0 || measured < max(minPoints/2, found.day/4) {
		return
	}
	s.rebuild(found, scale, samples)
}

func (s *State) rebuild(found seasons, scale float64, samples []float64) {
	keep := 0
	if d := calendarDay(s.step); found.day != d && d <= maxSeason {
		keep = rounds * d // until a day can be seen
	}
	c := newCore(found, scale, s.ahead, keep)
	first := s.fed - len(samples)
	if s.core == nil {
		c.events = newEffects(s.events, s.wall, first)
	}
	for _, v := range samples {
		c.observe(v)
	}
	if old := s.core; old != nil && old.events != nil {
		// What a core remembers has its events taken out already.
		c.events = old.events
		c.events.wall, c.events.first, c.events.open = s.wall, first, nil
	}
	s.core, s.early = c, nil
}

// review looks about once a day whether the series outgrew how it is modelled: a
// longer season can be seen now, or the load is another order of magnitude.
func (s *State) review() {
	c := s.core
	raw := make([]float64, len(c.h.clean))
	for i := range raw {
		raw[i] = c.h.measured(i) * c.scale
	}
	if z := s.follow(raw); z != nil {
		from := s.fed - len(raw)
		s.wall = newWall(z, s.start, s.step)
		raw = s.wall.local(raw, from)
		s.fed = s.wall.index(s.n-1) + 1
		s.screen = newScreen(stepsPerDay(s.step))
		s.screen.all(raw)
		s.rebuild(c.s, c.scale, raw)
		return
	}
	found := calendarSeasons(s.step, len(raw))
	if found.day == 0 || found.week < c.s.week {
		found = c.s
	}
	scale, n := meanOf(raw)
	if r := scale / c.scale; n == 0 || r > 1.0/rescaleFactor && r < rescaleFactor {
		scale = c.scale
	}
	if found != c.s || scale != c.scale {
		s.rebuild(found, scale, raw)
	}
}

// follow is the zone whose clock the latest samples turn out to follow; nil
// when one is known or none is found.
func (s *State) follow(raw []float64) *time.Location {
	if s.told || s.wall.zone != nil {
		return nil
	}
	return findZone(s.start.Add(time.Duration(s.fed-len(raw))*s.step), s.step, raw)
}

// aheads are the distances, by the wall's clock, of so many steps that come.
func (s *State) aheads(n int) []int {
	ahead := make([]int, n)
	for i := range ahead {
		ahead[i] = max(1, s.wall.index(s.n+i)-s.fed+1)
	}
	return ahead
}

// meanOf is the mean of the usable samples, one if they are all zero.
func meanOf(samples []float64) (mean float64, n int) {
	sum := 0.0
	for _, v := range samples {
		if v = usable(v); !math.IsNaN(v) {
			sum += v
			n++
		}
	}
	if sum == 0 {
		return 1, n
	}
	return sum / float64(n), n
}

// Predict says what comes after the last sample, at every step up to h.Ahead.
func (s *State) Predict(h Horizon) (Prediction, error) {
	if err := checkHorizon(s.step, h); err != nil {
		return Prediction{}, err
	}
	if s.core == nil {
		return Prediction{}, s.tooShort()
	}
	c := s.core
	p := Prediction{Origin: s.End(), Step: s.step, Model: Ensemble, Quantiles: slices.Clone(h.Quantiles), Trusted: !c.trust.off,
		Why: c.trust.why}
	ahead := s.aheads(int(h.Ahead / s.step))
	mix := make([]float64, len(ahead))
	c.path(ahead, mix, nil)
	p.Points = s.points(h.Quantiles, ahead, func(q float64, dst []float64) { c.quantile(q, ahead, mix, dst) })
	if !p.Trusted {
		p.Reactive = s.points(h.Quantiles, ahead, func(q float64, dst []float64) { c.reactive(q, ahead, dst) })
	}
	return p, nil
}

// points are the quantiles at each of ahead, in order and in the series' unit.
func (s *State) points(quantiles []float64, ahead []int, read func(q float64, dst []float64)) []Point {
	factors := s.core.factors(ahead)
	cols := make([][]float64, len(quantiles))
	for j, q := range quantiles {
		cols[j] = make([]float64, len(ahead))
		read(q, cols[j])
		for i, f := range factors {
			cols[j][i] *= f
		}
	}
	out := make([]Point, len(ahead))
	values := make([]float64, len(ahead)*len(cols))
	for i := range out {
		v := values[i*len(cols) : (i+1)*len(cols) : (i+1)*len(cols)]
		low := 0.0
		for j := range cols {
			low = max(low, cols[j][i])
			v[j] = low * s.core.scale
		}
		out[i] = Point{Time: s.End().Add(time.Duration(i+1) * s.step), Values: v}
	}
	return out
}

func (s *State) tooShort() error {
	_, measured := meanOf(s.early)
	return fmt.Errorf("%w: %d measured of %d points of %v; two whole days are needed, or three rounds of a shorter rhythm", ErrTooShort,
		measured, s.n, s.step)
}

func checkHorizon(step time.Duration, h Horizon) error {
	switch {
	case step <= 0:
		return fmt.Errorf("checking the series: step is %v, want more than zero", step)
	case h.Ahead < step:
		return fmt.Errorf("checking the horizon: %v is less than one step of %v", h.Ahead, step)
	case h.Ahead/step > maxSteps:
		return fmt.Errorf("checking the horizon: %v is %d steps of %v, more than %d", h.Ahead, h.Ahead/step, step, maxSteps)
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

// catchUp feeds what s has and the state has not.
func (st *State) catchUp(s metrics.Series) {
	from := int(st.End().Sub(s.Start)/s.Step) + 1
	for _, v := range s.Values[min(max(from, 0), len(s.Values)):] {
		st.Observe(v)
	}
}
