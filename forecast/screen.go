package forecast

import (
	"math"
	"slices"
)

// screen judges a sample before any model sees it, by what is near it: the hour
// before, the same time of the days before and the highest of the last weeks. A
// new record far above all of these is a false counter reset more often than a
// load, so it counts once the next sample bears it out; a load that is as good
// as gone where every day had one is an outage more often than a decline, so it
// counts once it has lasted longer than outages do. Until then the sample is
// missing. What came at the same time yesterday or a week ago, doubted or not,
// is a habit and counts at once.
type screen struct {
	day    int       // steps in a day; 0 when there is none to compare with
	hour   int       // steps in an hour, at least one
	n      int       // samples taken
	raw    []float32 // ring of the samples as measured, NaN where there was none
	doubt  []bool    // ring: whether it was kept from the models
	tops   []float64 // ring: the highest that counted, by day
	held   []float64 // samples at the end that are far too high, as measured
	lowRun int       // samples at the end that are far too low
}

const (
	// glitchFactor is how far above its neighbours a new record is doubted, and
	// glitchAbsurd how far above the highest it needs more than one witness:
	// absurdSteps of a day, which is longer than the window of a rate.
	glitchFactor = 4
	glitchAbsurd = 16
	// glitchWitness is the part of a doubted sample that bears it out.
	glitchWitness = 0.5
	// glitchHabit doubted samples within a day are a bursty load.
	glitchHabit = 3
	// screenDays are compared with, screenWeeks is how long the highest counts.
	screenDays  = 7
	screenWeeks = 4
	// outageShare is the part of what every day had at that time under which a
	// load is doubted, outagesPerDay how many of the longest outages a day has,
	// and outageDays how many days must be known.
	outageShare   = 0.15
	outagesPerDay = 4
	outageDays    = 2
)

// newScreen makes a screen for a series of so many steps a day.
func newScreen(day int) *screen {
	s := &screen{day: day, hour: max(1, day/hoursPerDay), tops: make([]float64, 7*screenWeeks)}
	if day > maxSeason {
		s.day = 0
	}
	ring := (screenDays+1)*s.day + s.hour + 1
	s.raw, s.doubt = make([]float32, ring), make([]bool, ring)
	return s
}

// take judges the next sample. It gives what the models are to see, NaN for
// nothing, and those samples right before it that count after all.
func (s *screen) take(v float64) (seen float64, back []float64) {
	v = usable(v)
	limit := s.limit(v)
	low := s.tooLow(v)
	s.put(v)
	if math.IsNaN(v) {
		return v, nil
	}
	if s.lowRun++; !low {
		s.lowRun = 0
	} else if s.lowRun <= s.day/outagesPerDay {
		s.held = s.held[:0]
		s.doubt[s.at(s.n-1)] = true
		return math.NaN(), nil
	}
	if !s.bornOut(v) {
		s.held = s.held[:0]
		if v <= limit {
			s.top(v)
			return v, nil
		}
	}
	if s.held = append(s.held, v); len(s.held) < s.witnesses(v) && !s.bursty(v) {
		s.doubt[s.at(s.n-1)] = true
		return math.NaN(), nil
	}
	back = slices.Clone(s.held[:len(s.held)-1])
	for i, x := range s.held {
		s.doubt[s.at(s.n-len(s.held)+i)] = false
		s.top(x)
	}
	s.held = s.held[:0]
	return v, back
}

// limit is the highest that counts at once.
func (s *screen) limit(v float64) float64 {
	highest := slices.Max(s.tops)
	if !(v > highest) {
		return highest
	}
	near := 0.0
	look := func(i, half int, doubted bool) {
		for j := max(i-half, s.n-len(s.raw), 0); j <= i+half && j < s.n; j++ {
			if x := float64(s.raw[s.at(j)]); x > near && s.doubt[s.at(j)] == doubted {
				near = x
			}
		}
	}
	look(s.n-1-s.hour/2, s.hour/2, false)
	if s.day > 0 {
		for d := 1; d <= screenDays; d++ {
			look(s.n-d*s.day, s.hour/2, false)
		}
		look(s.n-s.day, max(1, s.day/tenMinutesPerDay), true)
		look(s.n-screenDays*s.day, max(1, s.day/tenMinutesPerDay), true)
	}
	return max(highest, glitchFactor*near)
}

// bornOut says whether v continues samples that are held.
func (s *screen) bornOut(v float64) bool {
	return len(s.held) > 0 && v >= glitchWitness*slices.Max(s.held)
}

// witnesses is how many samples in a row it takes.
func (s *screen) witnesses(v float64) int {
	if highest := slices.Max(s.tops); highest > 0 && v > glitchAbsurd*highest {
		return max(3, s.hour*hoursPerDay/tenMinutesPerDay+2)
	}
	return 2
}

// bursty says whether samples like the last one stood out several times within
// a day.
func (s *screen) bursty(v float64) bool {
	n := 0
	for j := max(0, s.n-s.day, s.n-len(s.raw)); j < s.n-len(s.held); j++ {
		if s.doubt[s.at(j)] && float64(s.raw[s.at(j)]) >= glitchWitness*v {
			n++
		}
	}
	return n >= glitchHabit
}

// tooLow says whether v is next to nothing where every day had a load.
func (s *screen) tooLow(v float64) bool {
	if s.day < hoursPerDay/2 || math.IsNaN(v) {
		return false
	}
	least, days := math.Inf(1), 0
	for d := 1; d <= screenDays; d++ {
		known, half := false, max(1, s.hour/2)
		for j := max(s.n-d*s.day-half, 0); j <= s.n-d*s.day+half && j < s.n; j++ {
			if x := float64(s.raw[s.at(j)]); !math.IsNaN(x) {
				least, known = min(least, x), true
			}
		}
		if known {
			days++
		}
		if outageShare*least <= v {
			return false // a day like this one is known
		}
	}
	return days >= outageDays
}

func (s *screen) at(i int) int { return i % len(s.raw) }

func (s *screen) put(v float64) {
	i := s.at(s.n)
	s.raw[i], s.doubt[i] = float32(v), false
	if days := s.topEvery(); s.n%days == 0 {
		s.tops[s.n/days%len(s.tops)] = 0
	}
	s.n++
}

// topEvery is a day in steps, also where none is compared with.
func (s *screen) topEvery() int { return max(s.day, s.hour*hoursPerDay, 1) }

func (s *screen) top(v float64) {
	t := &s.tops[(s.n-1)/s.topEvery()%len(s.tops)]
	*t = max(*t, v)
}

// all screens samples that are known at once.
func (s *screen) all(samples []float64) []float64 {
	out := make([]float64, len(samples))
	for i, v := range samples {
		seen, back := s.take(v)
		out[i] = seen
		copy(out[i-len(back):i], back)
	}
	return out
}
