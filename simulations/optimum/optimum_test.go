package optimum

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The cheapest course is as cheap as the best of all courses.
func TestNoOtherCourseIsCheaper(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		stored := rng.Float64() * 3
		b := Brokers{Hours: 0.5, Now: 1 + rng.IntN(4), BrokerHour: 1, Need: make([]int, 5), Move: func(_, from, to int) float64 {
			return stored * math.Abs(float64(to-from)) / float64(max(from, to))
		}}
		for k := range b.Need {
			b.Need[k] = 1 + rng.IntN(4)
		}
		c := b.Least()
		got, prev := 0.0, b.Now
		for k, n := range c.Sizes {
			if n < b.Need[k] {
				t.Fatalf("seed %d: %d brokers in step %d, which needs %d", seed, n, k, b.Need[k])
			}
			got += float64(n) * b.Hours
			if n != prev {
				got += b.Move(k, prev, n)
			}
			prev = n
		}
		if math.Abs(got-c.BrokerHours-c.Moves) > 1e-9 {
			t.Errorf("seed %d: it costs %g, and says %g and %g", seed, got, c.BrokerHours, c.Moves)
		}
		if want := cheapest(b, 0, b.Now); math.Abs(got-want) > 1e-9 {
			t.Errorf("seed %d: %v costs %g, and %g is possible", seed, c.Sizes, got, want)
		}
	}
}

func cheapest(b Brokers, k, now int) float64 {
	if k == len(b.Need) {
		return 0
	}
	least := math.Inf(1)
	for n := b.Need[k]; n <= 4; n++ {
		c := float64(n) * b.Hours
		if n != now {
			c += b.Move(k, now, n)
		}
		least = min(least, c+cheapest(b, k+1, n))
	}
	return least
}

// Nobody who keeps the promise pays for fewer replicas, whatever they do.
func TestNoFleetThatKeepsTheLagPaysForLess(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 2))
		r := Replicas{Seconds: 60, PerReplica: 10, Min: 1, Max: 20, MaxLag: 60 * float64(rng.IntN(4)), Arrives: make([]float64, 60)}
		for k := range r.Arrives {
			r.Arrives[k] = 60 * rng.Float64() * rng.Float64()
		}
		least := 0.0
		for _, n := range r.Course() {
			least += n
		}
		lag, paid, kept := 0.0, 0.0, true
		for _, rate := range r.Arrives { // a fleet that looks at the tick and at chance
			n := max(r.Min, int(rate/r.PerReplica)+rng.IntN(3)-1)
			lag = math.Max(0, lag+rate*r.Seconds-float64(n)*r.PerReplica*r.Seconds)
			kept = kept && lag <= r.MaxLag*rate
			paid += float64(n)
		}
		if kept && paid < least-1e-9 {
			t.Errorf("seed %d: %g replicas over all ticks keep the promise, and the bound is %g", seed, paid, least)
		}
	}
}
