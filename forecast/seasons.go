package forecast

import (
	"math"
	"time"

	"gonum.org/v1/gonum/dsp/fourier"
	"gonum.org/v1/gonum/stat"
)

// seasons are season lengths in steps, 0 where there is none: day is the
// shorter one (usually a day, but a test cluster's day may be ten minutes),
// week the longer.
type seasons struct{ day, week int }

const (
	day = 24 * time.Hour
	// maxSeason bounds what a season costs: a day of 20-second steps.
	maxSeason = 4320
	// rounds is how often a season that no calendar knows must have been seen.
	rounds = 3
	// minRhythm is the autocorrelation at which a repetition is a season.
	minRhythm = 0.6
	// noEnergy is the variance, in squared means, of a load that is a line.
	noEnergy = 1e-9
	// rhythmGain is by how much a longer lag must repeat better to be preferred.
	rhythmGain = 1.05
	// minLag is the shortest season that no calendar knows, in steps.
	minLag = 12
)

// stepsPerDay is a day in steps, rounded.
func stepsPerDay(step time.Duration) int { return int((day + step/2) / step) }

// calendarDay is a day in steps; a week when a step is a sixth of a day or more.
func calendarDay(step time.Duration) int {
	d := stepsPerDay(step)
	if d < 6 {
		return int((7*day + step/2) / step)
	}
	return d
}

// findSeasons finds what repeats in the samples. With two whole days (one
// point less is too few) the day is taken as given, and the week when more
// than a week is there: candidates without it compete, so that a load without
// a rhythm loses nothing. With less, or with steps too fine for a day, a
// shorter rhythm is looked for.
func findSeasons(step time.Duration, samples []float64) seasons {
	if s := calendarSeasons(step, len(samples)); s.day > 0 {
		return s
	}
	return seasons{day: rhythm(samples, min(maxSeason, len(samples)/rounds))}
}

func calendarSeasons(step time.Duration, n int) seasons {
	var s seasons
	d := calendarDay(step)
	if d < 2 || d > maxSeason || n < 2*d {
		return s
	}
	s.day = d
	if step <= 4*time.Hour && n >= 8*d {
		s.week = int((7*day + step/2) / step)
	}
	return s
}

// rhythm is the lag, at most longest, at which the samples repeat themselves
// best: the highest peak of the autocorrelation of the detrended samples (by
// the Wiener-Khinchin theorem). 0 when there is none.
func rhythm(samples []float64, longest int) int {
	n := len(samples)
	if n < minPoints || longest < minLag {
		return 0
	}
	x, ok := detrended(samples)
	if !ok {
		return 0
	}
	size := nextPow2(2 * n)
	f := fourier.NewFFT(size)
	co := f.Coefficients(nil, append(x, make([]float64, size-n)...))
	for i, c := range co {
		co[i] = complex(real(c)*real(c)+imag(c)*imag(c), 0)
	}
	r := f.Sequence(nil, co)
	best, at := minRhythm, 0
	positive := true // still on the slope from lag zero
	for k := 1; k <= longest && k+1 < n; k++ {
		if r[k] < 0 {
			positive = false
		}
		// The mean over the n-k pairs there are, not over n.
		v := r[k] / r[0] * float64(n) / float64(n-k)
		if !positive && k >= minLag && v > best*rhythmGain && r[k] >= r[k-1] && r[k] >= r[k+1] {
			best, at = v, k
		}
	}
	return at
}

// detrended fills gaps with the last value and takes off the straight line.
func detrended(samples []float64) (x []float64, ok bool) {
	n := len(samples)
	x = make([]float64, n)
	mean, m := meanOf(samples)
	if m < n/2 {
		return nil, false
	}
	last := mean
	at := make([]float64, n)
	for i, v := range samples {
		if v = usable(v); !math.IsNaN(v) {
			last = v
		}
		x[i], at[i] = last/mean, float64(i)
	}
	level, slope := stat.LinearRegression(at, x, nil, false)
	energy := 0.0
	for i := range x {
		x[i] -= level + slope*at[i]
		energy += x[i] * x[i]
	}
	return x, energy > noEnergy*float64(n)
}
