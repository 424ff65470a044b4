package forecast

import (
	"math"
	"time"
)

// effects learns what events do to the load, as a factor on what it would have
// been: the models see the load without its events, and forecasts get the
// factors of the events that lie ahead.
type effects struct {
	on     *occasions
	wall   wall
	first  int // the step of the wall's clock that index 0 is
	events map[int]*effect

	// A holiday is first of all taken for a day of rest: like is how much of
	// the way from its own weekday to a Sunday it goes, learned from all
	// holidays by part of the day (least squares through the origin): its
	// morning may be a Sunday's while the night before is not.
	likeXY, likeXX [likeBins]float64
	// pooled is what all holidays have in common over that.
	pooled effect

	open []int // indexes within an event that is still on, to be cleaned
}

// effect is the log factor of one event by how much of it has passed.
type effect struct {
	sum, n [effectBins]float64
}

const (
	effectBins = 24
	// holidayPrior is how far a holiday is like a Sunday before one was seen.
	holidayPrior = 0.8
	likeBins     = 6
	// likeEvidence is what that counts for, in squared log units of a day.
	likeEvidence = 0.5
	// neighbourWeight is what a bin on either side of an event's counts for.
	neighbourWeight = 0.25
	// pooledPrior is what the Sunday counts for against all holidays, and
	// namePrior what these count for against those of one name, in occurrences.
	pooledPrior = 2
	namePrior   = 1
	// effectWeeks is how many weeks the usual load is the mean of.
	effectWeeks = 4
	// mostFactor bounds what events do to a load, up or down.
	mostFactor = 20
	// seenPrior is what the uplift written in the calendar counts for, in
	// occurrences.
	seenPrior = 0.5
)

func newEffects(c *Calendar, w wall, first int) *effects {
	on := newOccasions(c)
	if on == nil {
		return nil
	}
	return &effects{on: on, wall: w, first: first, events: map[int]*effect{}}
}

func (f *effects) timeAt(i int) time.Time { return f.wall.timeAt(f.first + i) }

// at lists what is on at index i, for the value measured over the step before.
func (f *effects) at(i int) []occasion { return f.on.at(f.timeAt(i)) }

// log is the log of the factor at index i, from what is known at now.
func (f *effects) log(h *history, i, now int) float64 {
	total := 0.0
	for _, o := range f.at(i) {
		total += f.one(h, o, i, now)
	}
	return limited(total, math.Log(mostFactor))
}

func (f *effects) one(h *history, o occasion, i, now int) float64 {
	b := min(int(o.phase*effectBins), effectBins-1)
	e := f.events[o.id]
	if e == nil {
		e = &effect{}
	}
	sum, n := e.around(b)
	if !o.holiday {
		return (seenPrior*math.Log(f.on.uplift[o.id]) + sum) / (seenPrior + n)
	}
	// A holiday by its name is drawn to all holidays, and these to a Sunday.
	psum, pn := f.pooled.around(b)
	return f.like(b)*f.rest(h, i, now) + (psum/(pooledPrior+pn)+sum)/(namePrior+n)
}

// around is the evidence in a bin and its neighbours: one occurrence is a noisy
// witness.
func (e *effect) around(b int) (sum, n float64) {
	for k := max(0, b-1); k <= min(b+1, effectBins-1); k++ {
		w := neighbourWeight
		if k == b {
			w = 1 - 2*neighbourWeight
		}
		sum, n = sum+w*e.sum[k], n+w*e.n[k]
	}
	return sum, n
}

// like is how far holidays are like Sundays in that part of the day.
func (f *effects) like(bin int) float64 {
	k := bin * likeBins / effectBins
	return (holidayPrior*likeEvidence + f.likeXY[k]) / (likeEvidence + f.likeXX[k])
}

// rest is the log ratio of the last Sundays to the last same weekdays at index
// i; zero without a week of history.
func (f *effects) rest(h *history, i, now int) float64 {
	if h.week == 0 {
		return 0
	}
	weekday := int(f.timeAt(i).In(f.on.zone).Weekday()) // Sunday is 0
	if weekday == 0 {
		return 0
	}
	usual, ok1 := f.mean(h, i-h.week, now)
	sunday, ok2 := f.mean(h, i-weekday*h.day, now)
	if !ok1 || !ok2 {
		return 0
	}
	return limited(sunday-usual, math.Log(mostFactor))
}

// mean is the mean log load at index i and at the same time of up to three
// weeks before it, from what is known at now.
func (f *effects) mean(h *history, i, now int) (float64, bool) {
	if h.week == 0 {
		return 0, false
	}
	v := h.log()
	half := h.day / quarterHoursPerDay
	sum, n := 0.0, 0
	for ; n < effectWeeks && i >= v.base; i -= h.week {
		if i+half > now || !v.has(i-half) {
			continue
		}
		sum += v.mean(i-half, i+half)
		n++
	}
	return sum / float64(n), n > 0
}

// before gives the load without its events: what the models see.
func (f *effects) before(h *history, y float64) float64 {
	i := h.n()
	g := f.log(h, i, i-1)
	if g == 0 {
		return y
	}
	return y * math.Exp(-g)
}

// learn takes the measured load at the latest index, NaN when it is missing.
func (f *effects) learn(h *history, d *direct, y float64) {
	i := h.n() - 1
	on := f.at(i)
	if len(on) == 0 {
		f.close(h)
		return
	}
	if f.open = append(f.open, i); math.IsNaN(y) {
		return
	}
	base, ok := f.mean(h, i-h.week, i-1)
	if !ok {
		base = d.refAt(i)
	}
	r := limited(math.Log(y+h.offset)-base, math.Log(mostFactor))
	for _, o := range on {
		e := f.events[o.id]
		if e == nil {
			e = &effect{}
			f.events[o.id] = e
		}
		b := min(int(o.phase*effectBins), effectBins-1)
		// A bin holds several samples of one occurrence; together they are one.
		var w float64
		if !o.holiday {
			w = float64(f.wall.step) / float64(f.duration(o)) * effectBins
		} else {
			w = float64(f.wall.step) / float64(day) * effectBins
			x := f.rest(h, i, i-1)
			k := b * likeBins / effectBins
			f.likeXY[k] += w * x * r
			f.likeXX[k] += w * x * x
			r -= f.like(b) * x
			f.pooled.sum[b] += w * r
			f.pooled.n[b] += w
		}
		w = min(w, 1)
		e.sum[b] += w * r
		e.n[b] += w
	}
}

func (f *effects) duration(o occasion) time.Duration {
	for i := range f.on.events {
		if f.on.events[i].Name == f.on.names[o.id] {
			return f.on.events[i].Duration
		}
	}
	return day
}

// close puts what the load would have been where an event was, once it is over
// and what it did is known, so that it is nobody's yesterday.
func (f *effects) close(h *history) {
	for _, i := range f.open {
		if i < h.base {
			continue
		}
		if usual, ok := f.mean(h, i-h.week, i-1); ok {
			h.setClean(i, max(0, math.Exp(usual)-h.offset))
		}
	}
	f.open = f.open[:0]
}
