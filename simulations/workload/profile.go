// Package workload is what producers do over time: demand on a regular grid,
// read from a trace or generated from seasons, trend, noise and events.
package workload

import (
	"fmt"
	"math"
	"time"
)

// Profile is one demand over time: Values[i] holds at Start + i·Step, and the
// demand between two points is linear. The unit is bytes per second once
// scaled; values are finite and not negative.
type Profile struct {
	Name   string
	Start  time.Time
	Step   time.Duration
	Values []float64
}

// At is the demand at t; before the first and after the last point it is that
// point's.
func (p *Profile) At(t time.Time) float64 {
	d := t.Sub(p.Start)
	if d <= 0 || len(p.Values) == 1 {
		return p.Values[0]
	}
	i := int(d / p.Step)
	if i >= len(p.Values)-1 {
		return p.Values[len(p.Values)-1]
	}
	frac := float64(d-time.Duration(i)*p.Step) / float64(p.Step)
	return p.Values[i] + frac*(p.Values[i+1]-p.Values[i])
}

// End is the time of the last point.
func (p *Profile) End() time.Time {
	return p.Start.Add(time.Duration(len(p.Values)-1) * p.Step)
}

// Peak is the highest demand in [from, to].
func (p *Profile) Peak(from, to time.Time) float64 {
	peak := math.Max(p.At(from), p.At(to))
	lo := max(int(math.Ceil(float64(from.Sub(p.Start))/float64(p.Step))), 0)
	for i := lo; i < len(p.Values); i++ {
		if p.Start.Add(time.Duration(i) * p.Step).After(to) {
			break
		}
		peak = math.Max(peak, p.Values[i])
	}
	return peak
}

// Mean is the mean of the points in [from, to]; the value at from when there
// is none.
func (p *Profile) Mean(from, to time.Time) float64 {
	sum, n := 0.0, 0
	for i, v := range p.Values {
		at := p.Start.Add(time.Duration(i) * p.Step)
		if !at.Before(from) && !at.After(to) {
			sum += v
			n++
		}
	}
	if n == 0 {
		return p.At(from)
	}
	return sum / float64(n)
}

// Scaled is the profile times factor from the given time on; the zero time
// scales all of it.
func (p *Profile) Scaled(factor float64, from time.Time) *Profile {
	q := *p
	q.Values = make([]float64, len(p.Values))
	for i, v := range p.Values {
		if !p.Start.Add(time.Duration(i) * p.Step).Before(from) {
			v *= factor
		}
		q.Values[i] = v
	}
	return &q
}

// Check says what is wrong with a profile, if anything is.
func (p *Profile) Check() error {
	if p.Step <= 0 || len(p.Values) == 0 {
		return fmt.Errorf("profile %q is empty", p.Name)
	}
	for i, v := range p.Values {
		if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
			return fmt.Errorf("profile %q is %v at %s, want a finite number that is not negative",
				p.Name, v, p.Start.Add(time.Duration(i)*p.Step).Format(time.RFC3339))
		}
	}
	return nil
}
