package workload

import (
	"math"
	"math/rand/v2"
	"time"
)

// Event raises the demand for a while: a campaign, a batch, a holiday.
type Event struct {
	At       time.Time
	Duration time.Duration
	Uplift   float64       // the demand is multiplied by this at the event's height
	Ramp     time.Duration // the rise and the fall; zero is at once
}

// Shape describes a generated demand. Day and Week are amplitudes as shares of
// Base; Trend is the growth a year, 0.4 being 40 %.
type Shape struct {
	Base   float64 // bytes per second at the start, on average
	Day    float64
	Week   float64
	Trend  float64
	Noise  float64       // standard deviation of the noise as a share of the demand
	Memory float64       // autocorrelation of the noise from one point to the next, in [0, 1)
	Phase  time.Duration // how much later than 15:00 UTC the day's peak is
	Events []Event
}

const year = 365.25 * 24 * time.Hour

// Generate makes n points of the shape from start on. The same arguments give
// the same values on any machine.
func (s Shape) Generate(name string, start time.Time, step time.Duration, n int, seed uint64) *Profile {
	rng := rand.New(rand.NewPCG(seed, 0x7469646574616265))
	p := &Profile{Name: name, Start: start, Step: step, Values: make([]float64, n)}
	noise := 0.0
	fresh := math.Sqrt(1 - s.Memory*s.Memory)
	for i := range p.Values {
		t := start.Add(time.Duration(i) * step)
		noise = s.Memory*noise + fresh*rng.NormFloat64()
		v := s.Base * s.season(t) * (1 + s.Trend*float64(t.Sub(start))/float64(year)) * (1 + s.Noise*noise)
		for _, e := range s.Events {
			v *= e.factor(t)
		}
		p.Values[i] = math.Max(v, 0)
	}
	return p
}

// season is one day's wave with its first harmonic, and a week whose last two
// days (Saturday and Sunday) are the quietest.
func (s Shape) season(t time.Time) float64 {
	u := t.UTC().Add(-s.Phase)
	day := 2 * math.Pi * (float64(u.Hour()*3600+u.Minute()*60+u.Second())/86400 - 15.0/24)
	f := 1 + s.Day*(0.85*math.Cos(day)+0.15*math.Cos(2*day))
	if wd := u.Weekday(); wd == time.Saturday || wd == time.Sunday {
		f *= 1 - s.Week
	}
	return math.Max(f, 0.02)
}

// factor is what the event multiplies the demand by at t.
func (e Event) factor(t time.Time) float64 {
	d := t.Sub(e.At)
	if d < 0 || d > e.Duration {
		return 1
	}
	height := 1.0
	if e.Ramp > 0 {
		height = min(1, float64(d)/float64(e.Ramp), float64(e.Duration-d)/float64(e.Ramp))
	}
	return 1 + (e.Uplift-1)*height
}

// With is the profile with the events on top.
func (p *Profile) With(events ...Event) *Profile {
	q := p.Scaled(1, time.Time{})
	for i := range q.Values {
		t := q.Start.Add(time.Duration(i) * q.Step)
		for _, e := range events {
			q.Values[i] *= e.factor(t)
		}
	}
	return q
}
