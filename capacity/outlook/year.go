package outlook

import (
	"math"
	"slices"
	"time"
)

const (
	year = 365.25 // days
	// yearOff is how far apart the same days of two years may lie, in days.
	yearOff = 10.0
	weeks   = 53
	// leastSeason is the least factor of a week.
	leastSeason = 0.05
)

func weekOfYear(at time.Time) int { return min((at.YearDay()-1)/7, weeks-1) }

// year finds the factor of each week of the year, where there are two years or
// more and they agree: a rise and fall that only one year had is no season. The
// factor is the mean of the years' own, drawn to 1 by as much as they disagree.
func (t *Trend) year(days []day, first time.Time, last float64) {
	if last-days[0].x+1 < 2*math.Floor(year) {
		return
	}
	years := t.curves(days, first, last)
	agree, factors := agreement(years)
	t.Yearly = nil
	if agree <= 0 {
		return
	}
	mean := 0.0
	for k, f := range factors {
		factors[k] = 1 + agree*(f-1)
		mean += factors[k] / weeks
	}
	for k := range factors {
		factors[k] = max(factors[k]/mean, leastSeason)
	}
	t.Yearly = factors
}

// curves are the weeks' medians over the line and the weekday, one curve for
// each 365 days back from the last; NaN where nothing was measured.
func (t *Trend) curves(days []day, first time.Time, last float64) [][]float64 {
	years := make([][]float64, int((last-days[0].x+1)/math.Floor(year)))
	lists := make([][weeks][]float64, len(years))
	for _, d := range days {
		y := int((last - d.x) / math.Floor(year))
		on := t.on(d, last) * t.Weekday[d.weekday]
		if y >= len(years) || on <= 0 {
			continue
		}
		w := weekOfYear(first.AddDate(0, 0, int(d.x)))
		for _, k := range []int{w - 1, w, w + 1} { // three weeks, so that one odd day is none
			lists[y][(k+weeks)%weeks] = append(lists[y][(k+weeks)%weeks], d.peak/on)
		}
	}
	for y := range years {
		years[y] = make([]float64, weeks)
		for k, list := range lists[y] {
			years[y][k] = math.NaN()
			if len(list) > 0 {
				slices.Sort(list)
				years[y][k] = quantile(list, 0.5)
			}
		}
	}
	return years
}

// agreement is the mean correlation between each year and the one before, and
// the mean of the years.
func agreement(years [][]float64) (agree float64, mean []float64) {
	mean = make([]float64, weeks)
	for k := range mean {
		sum, n := 0.0, 0.0
		for _, y := range years {
			if !math.IsNaN(y[k]) {
				sum, n = sum+y[k], n+1
			}
		}
		mean[k] = 1
		if n > 0 {
			mean[k] = sum / n
		}
	}
	for i := 1; i < len(years); i++ {
		agree += correlation(years[i-1], years[i]) / float64(len(years)-1)
	}
	return agree, mean
}

func correlation(a, b []float64) float64 {
	var n, sa, sb, saa, sbb, sab float64
	for k := range a {
		if x, y := a[k], b[k]; !math.IsNaN(x) && !math.IsNaN(y) {
			n, sa, sb, saa, sbb, sab = n+1, sa+x, sb+y, saa+x*x, sbb+y*y, sab+x*y
		}
	}
	d := math.Sqrt((n*saa - sa*sa) * (n*sbb - sb*sb))
	if !(d > 0) {
		return 0
	}
	return (n*sab - sa*sb) / d
}
