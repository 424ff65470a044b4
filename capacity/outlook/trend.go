// Package outlook looks months ahead, for capacity meetings: a trend through
// the daily peaks of a load, what each month then needs, when the present size
// runs out, what it costs, and what losing a zone would mean. It is pure.
package outlook

import (
	"errors"
	"math"
	"slices"
	"time"

	"github.com/tidetable/tidetable/metrics"
)

// ErrTooShort says that a series shows too few whole days for a trend.
var ErrTooShort = errors.New("fewer than 14 days are measured: too few for a trend")

const (
	// leastDays is how many days a trend needs: two of every weekday.
	leastDays = 14
	// wholeDay is the part of a day that must be measured for its peak to count.
	wholeDay = 0.5
	// mostDays is how many days' pairs are looked at: of more, every second, third
	// and so on, never every seventh.
	mostDays = 240
	// z95 is the normal quantile of a 95 % interval, and mostSlopes the part of
	// all slopes that it holds at most.
	z95        = 1.96
	mostSlopes = 0.98
	// mostCorrelation bounds the day-to-day correlation that widens it.
	mostCorrelation = 0.9
	// lowLevel and highLevel are the levels of what is left over.
	lowLevel  = 0.05
	highLevel = 0.95
)

// Trend is a robust line through the daily peaks of a load: Theil and Sen's
// slope with Kendall's interval, widened for autocorrelation, a factor for each
// day of the week and, from two years on, for each week of the year. How far
// the slope is carried on, and how wide the interval is so many days ahead, is
// what would have been right for the series' own past.
type Trend struct {
	Origin time.Time // the last day measured, at midnight UTC
	Days   int       // measured
	// Level is the line at Origin; Slope, and its 95 % interval, is its change
	// a day. The line turns about the middle of what was measured, Pivot days
	// before Origin, so that the interval widens both ways.
	Level, Slope, SlopeLow, SlopeHigh, Pivot float64
	// Weekday is the factor of each day, Sunday first.
	Weekday [7]float64
	// Yearly is the factor of each week of the year, the first of January's
	// first; nil when no two years agree on one.
	Yearly []float64
	// Low and High are the 5 % and 95 % quantiles of what is left over.
	Low, High float64
	// Carried is the part of the slope that goes on, 0 to 1.
	Carried float64
	// Widened is by how much the interval is wider than the line's own, by days
	// ahead; the last holds beyond. Empty when the past is too short to tell.
	Widened []Widening
}

// Widening holds up to so many days ahead.
type Widening struct {
	Days      int
	Low, High float64 // factors of the distance to the middle, at least 1
}

type day struct {
	x       float64 // days since the first
	weekday time.Weekday
	peak    float64
}

// FitTrend fits the daily peaks of a series.
func FitTrend(s metrics.Series) (Trend, error) {
	days, first := dailyPeaks(s)
	if len(days) < leastDays {
		return Trend{}, ErrTooShort
	}
	t := fit(days, first)
	t.calibrate(days, first)
	return t, nil
}

func fit(days []day, first time.Time) Trend {
	t := Trend{Days: len(days), Carried: 1}
	last := days[len(days)-1].x
	t.Origin = first.AddDate(0, 0, int(last))
	for i := range t.Weekday {
		t.Weekday[i] = 1
	}
	// The seasons first hide the slope and the slope hides them: twice round
	// finds both.
	for range 2 {
		adjusted := slices.Clone(days)
		for i, d := range adjusted {
			adjusted[i].peak /= t.season(first.AddDate(0, 0, int(d.x)))
		}
		t.line(adjusted, last)
		t.week(days, first, last)
		t.year(days, first, last)
	}
	t.leftOver(days, first, last)
	return t
}

// season is the factor of a day.
func (t *Trend) season(at time.Time) float64 {
	f := t.Weekday[at.Weekday()]
	if t.Yearly != nil {
		f *= t.Yearly[weekOfYear(at)]
	}
	return f
}

// dailyPeaks is the highest value of each whole day, UTC.
func dailyPeaks(s metrics.Series) (days []day, first time.Time) {
	if s.Step <= 0 || len(s.Values) == 0 {
		return nil, first
	}
	first = s.Start.UTC().Truncate(24 * time.Hour)
	perDay := float64(24*time.Hour) / float64(s.Step)
	count, peak, current := 0, math.Inf(-1), 0
	end := func() {
		if float64(count) >= wholeDay*perDay {
			d := first.AddDate(0, 0, current)
			days = append(days, day{float64(current), d.Weekday(), peak})
		}
		count, peak = 0, math.Inf(-1)
	}
	for i, v := range s.Values {
		if k := int(s.TimeAt(i).Sub(first) / (24 * time.Hour)); k != current {
			end()
			current = k
		}
		if !math.IsNaN(v) {
			count++
			peak = max(peak, v)
		}
	}
	end()
	return days, first
}

// line is Theil and Sen's: the median of the slopes between all pairs; from two
// years on between days a whole number of years apart (Hirsch's seasonal
// Kendall slope), which no season can bend.
func (t *Trend) line(days []day, last float64) {
	yearly := last-days[0].x >= 2*year
	step := (len(days) + mostDays - 1) / mostDays
	if step%7 == 0 {
		step++
	}
	var slopes []float64
	for i := 0; i < len(days); i += step {
		for j := i + step; j < len(days); j += step {
			apart := days[j].x - days[i].x
			if yearly && math.Abs(apart-year*math.Round(max(apart/year, 1))) > yearOff {
				continue
			}
			slopes = append(slopes, (days[j].peak-days[i].peak)/apart)
		}
	}
	slices.Sort(slopes)
	t.Slope = quantile(slopes, 0.5)
	var xs, ys []float64
	for _, d := range days {
		xs, ys = append(xs, d.x), append(ys, d.peak)
	}
	slices.Sort(xs)
	slices.Sort(ys)
	t.Pivot = last - quantile(xs, 0.5)
	var rest []float64
	for _, d := range days {
		rest = append(rest, d.peak-t.Slope*d.x)
	}
	sorted := slices.Sorted(slices.Values(rest))
	t.Level = quantile(sorted, 0.5) + t.Slope*last
	// Kendall's variance of the number of concordant pairs, for independent
	// days; days that resemble the day before count for less.
	n := float64((len(days) + step - 1) / step)
	c := z95 * math.Sqrt(n*(n-1)*(2*n+5)/18) * math.Sqrt(inflation(rest))
	share := min(c/float64(len(slopes)), mostSlopes)
	t.SlopeLow, t.SlopeHigh = quantile(slopes, (1-share)/2), quantile(slopes, (1+share)/2)
}

// inflation is how many times fewer days there are worth for the day-to-day
// correlation of what is left over: (1+ρ)/(1−ρ).
func inflation(x []float64) float64 {
	mean := 0.0
	for _, v := range x {
		mean += v / float64(len(x))
	}
	var cov, variance float64
	for i, v := range x {
		variance += (v - mean) * (v - mean)
		if i > 0 {
			cov += (v - mean) * (x[i-1] - mean)
		}
	}
	if variance == 0 {
		return 1
	}
	rho := min(max(cov/variance, 0), mostCorrelation)
	return (1 + rho) / (1 - rho)
}

// on is the line at a day.
func (t *Trend) on(d day, last float64) float64 { return t.Level + t.Slope*(d.x-last) }

// week is the median of each weekday over the line and the year.
func (t *Trend) week(days []day, first time.Time, last float64) {
	var by [7][]float64
	for _, d := range days {
		f := t.season(first.AddDate(0, 0, int(d.x))) / t.Weekday[d.weekday]
		if on := t.on(d, last) * f; on > 0 {
			by[d.weekday] = append(by[d.weekday], d.peak/on)
		}
	}
	for i, list := range by {
		if len(list) >= 2 {
			slices.Sort(list)
			t.Weekday[i] = max(quantile(list, 0.5), 0)
		}
		if t.Weekday[i] == 0 {
			t.Weekday[i] = 1
		}
	}
}

func (t *Trend) leftOver(days []day, first time.Time, last float64) {
	var rest []float64
	for _, d := range days {
		rest = append(rest, d.peak-t.on(d, last)*t.season(first.AddDate(0, 0, int(d.x))))
	}
	slices.Sort(rest)
	t.Low, t.High = min(0, quantile(rest, lowLevel)), max(0, quantile(rest, highLevel))
}

// Range is a value with its 90 % interval.
type Range struct {
	Low  float64 `json:"low"`
	Mid  float64 `json:"mid"`
	High float64 `json:"high"`
}

// At is the expected peak of the day that holds a time after Origin.
func (t Trend) At(at time.Time) Range {
	r := t.bare(at)
	for i, w := range t.Widened {
		if at.Sub(t.Origin).Hours()/24 <= float64(w.Days) || i == len(t.Widened)-1 {
			unit := leastSpread * r.Mid
			r.Low = max(0, r.Mid-w.Low*max(r.Mid-r.Low, unit))
			r.High = r.Mid + w.High*max(r.High-r.Mid, unit)
			break
		}
	}
	return r
}

// bare is the line's own interval.
func (t *Trend) bare(at time.Time) Range {
	at = at.UTC()
	x := at.Sub(t.Origin).Hours() / 24
	f := t.season(at)
	base := t.Level - t.Slope*t.Pivot // the line where it turns
	r := Range{
		Low:  (base+t.SlopeLow*(x+t.Pivot))*f + t.Low,
		Mid:  (t.Level + t.Carried*t.Slope*x) * f,
		High: (base+t.SlopeHigh*(x+t.Pivot))*f + t.High,
	}
	r.Mid = max(0, r.Mid)
	r.Low, r.High = max(0, min(r.Low, r.Mid)), max(r.High, r.Mid)
	return r
}

// quantile of sorted values, linear between two.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}
