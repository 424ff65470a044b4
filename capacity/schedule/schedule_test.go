package schedule

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/cluster"
)

// brute is the least cost by trying everything, without sums and without memory.
func brute(p Problem, t, n int) float64 {
	if t >= len(p.Needs) {
		return 0
	}
	hours := p.Step.Hours()
	costs := func(paid, serving, from, to int) float64 {
		sum := 0.0
		for i := from; i < min(to, len(p.Needs)); i++ {
			sum += float64(paid) * hours * p.Prices.BrokerHour
			for _, c := range p.Needs[i] {
				sum += math.Max(0, float64(c.Brokers-serving)) * c.Of * hours * p.Prices.ShortHour
			}
		}
		return sum
	}
	least := costs(n, n, t, t+1) + brute(p, t+1, n)
	for m := max(p.Min, 1); m <= p.Max; m++ {
		if m == n || p.MaxStep != nil && max(m-n, n-m) > p.MaxStep(n, m) {
			continue
		}
		if m < n && p.Closed != nil && p.Closed(t) {
			continue
		}
		takes := max(1, int(math.Ceil(float64(p.Pace.Takes(p.Stored, n, m))/float64(p.Step))))
		ready := t + takes
		over := ready + int(math.Ceil(float64(p.Pace.Rest)/float64(p.Step)))
		c := costs(max(n, m), min(n, m), t, ready) + costs(m, m, min(ready, len(p.Needs)), over)
		c += float64(capacity.DataMoved(p.Stored, n, m))*p.Prices.Byte + p.Prices.Change
		least = math.Min(least, c+brute(p, over, m))
	}
	return least
}

// serving is, by step, the brokers that carry load in a plan.
func serving(p Problem, plan Plan) []int {
	var out []int
	now := p.Now
	until := func(t, n int) {
		for len(out) < t {
			out = append(out, n)
		}
	}
	for _, c := range plan.Changes {
		until(c.At, now)
		until(c.Ready, min(c.From, c.To))
		now = c.To
	}
	until(len(p.Needs), now)
	return out
}

func random(r *rand.Rand) Problem {
	p := Problem{
		Step: 30 * time.Minute, Now: 1 + r.IntN(5), Min: 1 + r.IntN(2), Max: 4 + r.IntN(2),
		Stored: cluster.Bytes(r.Float64() * 4e12),
		Prices: Prices{
			BrokerHour: 1, ShortHour: 1 + r.Float64()*20, Byte: r.Float64() * 2e-12, Change: r.Float64(),
		},
		Pace: Pace{Start: time.Duration(r.IntN(40)) * time.Minute, Rate: 200e6, Rest: time.Duration(r.IntN(60)) * time.Minute},
	}
	if r.IntN(3) == 0 {
		most := 1 + r.IntN(3)
		p.MaxStep = func(_, _ int) int { return most }
	}
	if r.IntN(3) == 0 {
		from := r.IntN(6)
		p.Closed = func(t int) bool { return t >= from && t < from+3 }
	}
	for range 3 + r.IntN(6) {
		n := 1 + r.IntN(5)
		if r.IntN(2) == 0 {
			p.Needs = append(p.Needs, Certain(n))
			continue
		}
		of := r.Float64()
		p.Needs = append(p.Needs, Need{{n, of}, {n + 1, 1 - of}})
	}
	return p
}

func TestPlanCostsAsLittleAsTheBestOfAll(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	changed := 0
	for i := range 1000 {
		p := random(r)
		p.Now = min(p.Now, p.Max)
		plan := Solve(p)
		if want := brute(p, 0, p.Now); math.Abs(plan.Cost.Total()-want) > 1e-6 {
			t.Fatalf("problem %d: the plan costs %.9g, the best of all %.9g\n%+v\n%+v", i, plan.Cost.Total(), want, p, plan)
		}
		if n := len(serving(p, plan)); n != len(p.Needs) {
			t.Fatalf("problem %d: %d of %d steps are served", i, n, len(p.Needs))
		}
		size, over := p.Now, 0
		for _, c := range plan.Changes {
			if c.From != size || c.At < over || c.Ready <= c.At {
				t.Fatalf("problem %d: a change from %d at step %d follows %d brokers until %d: %+v", i, c.From, c.At, size, over, plan.Changes)
			}
			size, over = c.To, c.Ready
		}
		changed += min(1, len(plan.Changes))
	}
	if changed < 300 {
		t.Errorf("only %d of 1000 plans change anything: the test does not test", changed)
	}
}

// day is a need of low at night and high from 08:00 to 20:00, a step a quarter of an hour.
func day(low, high, days int) []Need {
	var out []Need
	for i := range 96 * days {
		if h := i / 4 % 24; h >= 8 && h < 20 {
			out = append(out, Certain(high))
		} else {
			out = append(out, Certain(low))
		}
	}
	return out
}

func TestChangesArePlannedByWhatTheyCost(t *testing.T) {
	base := Problem{
		Step: 15 * time.Minute, Needs: day(4, 8, 3), Now: 4, Min: 3, Max: 20,
		Prices: Prices{BrokerHour: 1, ShortHour: 20},
		Pace:   Pace{Start: 3 * time.Minute, Rate: 100e6, Rest: 30 * time.Minute},
	}
	for name, c := range map[string]struct {
		stored  cluster.Bytes
		byByte  float64
		changes int
		serves  int // at the end of the third night
	}{
		"what costs nothing to move follows the day":   {0, 0, 6, 4},
		"what is cheap to move does, too":              {1e12, 1e-12, 6, 4},
		"what costs more than the night saves stays":   {20e12, 1e-11, 1, 8},
		"what takes too long to move stays":            {80e12, 0, 1, 8},
		"a night's saving of 48 broker-hours is worth": {4e12, 5e-12, 5, 4},
	} {
		p := base
		p.Stored, p.Prices.Byte = c.stored, c.byByte
		plan := Solve(p)
		serves := serving(p, plan)
		if len(plan.Changes) != c.changes || serves[2*96+7*4] < c.serves {
			t.Errorf("%s: %d changes, %d serve at night, want %d and %d: %+v", name, len(plan.Changes), serves[2*96+7*4],
				c.changes, c.serves, plan.Changes)
		}
		for i, n := range p.Needs {
			if c.serves == 4 && serves[i] < n[0].Brokers {
				t.Fatalf("%s: %d serve in step %d, %d are needed", name, serves[i], i, n[0].Brokers)
			}
		}
	}
}

func TestWhatDoesNotPayIsToldWithItsPrice(t *testing.T) {
	p := Problem{
		Step: 15 * time.Minute, Needs: day(4, 8, 2)[80:], Now: 8, Min: 3, Max: 20, Stored: 8e12,
		Prices: Prices{BrokerHour: 1, ShortHour: 20, Byte: 2e-11},
		Pace:   Pace{Start: 3 * time.Minute, Rate: 100e6},
	}
	w := Solve(p).Waived
	if w == nil || w.To >= w.From || w.Saves <= 0 || w.Costs <= w.Saves {
		t.Fatalf("waived %+v", w)
	}
	p.Prices.Byte = 0
	if plan := Solve(p); len(plan.Changes) == 0 || plan.Changes[0].To >= 8 {
		t.Errorf("with free moves: %+v", plan.Changes)
	}
}

func TestSeveralBrokersFillSideBySide(t *testing.T) {
	pace := Pace{Start: time.Minute, Rate: 100e6}
	one, four := pace.Takes(10e12, 8, 9), pace.Takes(10e12, 8, 12)
	if four >= one {
		t.Errorf("one takes %v, four %v", one, four)
	}
	if in := pace.Takes(10e12, 12, 8); in <= 0 || in > 4*time.Hour {
		t.Errorf("four are drained in %v", in)
	}
}

func BenchmarkDayOfAHundredBrokers(b *testing.B) {
	p := Problem{
		Step: 15 * time.Minute, Needs: day(20, 100, 1), Now: 60, Min: 3, Max: 100, Stored: 100e12,
		Prices: Prices{BrokerHour: 1, ShortHour: 20, Byte: 1e-12, Change: 1},
		Pace:   Pace{Start: 3 * time.Minute, Rate: 100e6, Rest: 30 * time.Minute},
	}
	for b.Loop() {
		Solve(p)
	}
}
