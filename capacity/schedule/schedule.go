// Package schedule decides how many brokers to have when: the cheapest sizes
// over the days to come, with what every change costs. Sizing says what a load
// needs; this says what of it is worth having, since a broker that is let go has
// to be emptied, and one that is wanted back has to be filled.
//
// The cost of a course of sizes is the sum of
//
//   - what the brokers cost while they are there, from the order of their pods
//     until they are drained,
//   - what is moved, by the byte, and a price for every change,
//   - what is short: brokers needed and not there, by the hour.
//
// Solve finds the least by dynamic programming over time and size (Bellman,
// 1957): the cost to go of n brokers at step t is the least, over staying and
// over every change that may begin there, of what it costs until it is done and
// of the cost to go from there. It is exact on the grid, pure and deterministic.
// The plan is made anew as the forecast is, and only its first change is acted
// on: a rolling horizon.
package schedule

import (
	"math"
	"time"

	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/cluster"
)

// Problem is what a plan is made from. The zero value of a price costs nothing,
// and that of a bound bounds nothing.
type Problem struct {
	// Step is the grid, and Needs the brokers that each of its steps needs.
	Step  time.Duration
	Needs []Need
	// Now is the brokers that serve, and have their data, when the plan begins.
	Now int
	// Min and Max bound the sizes, and MaxStep what one change may add to a size
	// or take. The present size may lie outside; a plan leads back.
	Min, Max int
	MaxStep  func(from, to int) int
	Stored   cluster.Bytes // on all brokers, all replicas
	Prices   Prices
	Pace     Pace
	// Closed tells the steps in which nothing may be taken away.
	Closed func(step int) bool
}

// Need is the brokers that a step needs: some number with some chance each,
// which add up to 1.
type Need []Chance

// Chance is one of the sizes that may be needed.
type Chance struct {
	Brokers int
	Of      float64
}

// Certain is a need that is known.
func Certain(brokers int) Need { return Need{{Brokers: brokers, Of: 1}} }

// short is the brokers that n are expected to be short by.
func (d Need) short(n int) float64 {
	sum := 0.0
	for _, c := range d {
		if c.Brokers > n {
			sum += float64(c.Brokers-n) * c.Of
		}
	}
	return sum
}

// Prices is what a plan weighs, in one currency or in broker-hours.
type Prices struct {
	BrokerHour float64
	// ShortHour is the price of one broker that is needed and not there, for an
	// hour; at least that of a broker, or nothing would be worth having.
	ShortHour float64
	// Byte is the price of a byte that is moved, and Change that of a change,
	// whatever it moves: the attention and the risk.
	Byte, Change float64
}

// Pace is how long changes take.
type Pace struct {
	Start time.Duration          // of a pod, until the broker is registered
	Rate  cluster.BytesPerSecond // at which one broker is filled or emptied; 0: at once
	Rest  time.Duration          // after a change, before the next
}

// Takes is how long a change takes until it serves. The brokers that join are
// filled side by side, each at the pace's rate, and nobody sends more than that:
// the fewer side sets the pace.
func (p Pace) Takes(stored cluster.Bytes, from, to int) time.Duration {
	moved := capacity.DataMoved(stored, from, to)
	d := time.Duration(0)
	if to > from {
		d = p.Start
	}
	if moved <= 0 || p.Rate <= 0 {
		return d
	}
	several := min(max(to, from)-min(to, from), min(to, from))
	seconds := float64(moved) / float64(several) / float64(p.Rate)
	return d + time.Duration(min(seconds, forever.Seconds())*float64(time.Second))
}

// forever is longer than any plan.
const forever = 366 * 24 * time.Hour

// Change is one change of a plan.
type Change struct {
	From, To int
	// At is the step it begins in, and Ready the one from which its size serves.
	At, Ready int
	Moved     cluster.Bytes
	// Cost is that of moving, and of changing at all.
	Cost float64
}

// Cost is what a course of sizes costs, by kind.
type Cost struct{ Brokers, Short, Moves float64 }

// Total is all of it.
func (c Cost) Total() float64 { return c.Brokers + c.Short + c.Moves }

// Plan is the cheapest course of sizes.
type Plan struct {
	Changes []Change
	Cost    Cost
	// Waived is the change that was nearest to being worth it, of those that
	// would have taken brokers away; nil when none would save any.
	Waived *Waived
}

// Waived is a change that does not pay.
type Waived struct {
	Change
	Saves float64 // in brokers, until both courses are one again
	Costs float64 // in moves and in what is short
}

// solver is a problem made ready: what does not depend on the step is worked out
// once, and sums make any stretch of time cost one subtraction.
type solver struct {
	Problem
	low, high int         // of the sizes that are looked at
	least     int         // that may be gone to
	hours     float64     // of a step
	shut      []bool      // by step: nothing may be taken away
	short     [][]float64 // by size, then step: the price of what is short before the step
	changes   [][]pair    // by from and to
	rest      int
	togo      [][]float64 // by step, then size
	next      [][]int     // what is best there: the size to go to
}

// pair is a change between two sizes, whenever it is made.
type pair struct {
	may   bool
	takes int // steps
	moved cluster.Bytes
	cost  float64 // of moving, and of changing at all
}

// Solve finds the cheapest course. A problem without needs has an empty plan.
func Solve(p Problem) Plan {
	if len(p.Needs) == 0 || p.Step <= 0 || p.Now <= 0 {
		return Plan{}
	}
	s := newSolver(p)
	s.solve()
	plan := s.course(0, p.Now)
	plan.Waived = s.waived(plan)
	return plan
}

func newSolver(p Problem) *solver {
	s := &solver{Problem: p, hours: p.Step.Hours(), low: p.Now, high: p.Now}
	for _, d := range p.Needs {
		for _, c := range d {
			s.high, s.low = max(s.high, c.Brokers), min(s.low, c.Brokers)
		}
	}
	s.low = max(s.low, p.Min, 1)
	if p.Max > 0 {
		s.high, s.low = min(s.high, p.Max), min(s.low, p.Max)
	}
	s.least = max(s.low, p.Min, 1)
	most := s.high
	s.low, s.high = min(s.low, p.Now), max(s.high, p.Now)
	s.rest = steps(p.Pace.Rest, p.Step)
	s.shut = make([]bool, len(p.Needs))
	for t := range s.shut {
		s.shut[t] = p.Closed != nil && p.Closed(t)
	}
	s.prepare(most)
	return s
}

// prepare works out every size and every change, none to more than most.
func (s *solver) prepare(most int) {
	n := s.high - s.low + 1
	s.short, s.changes = make([][]float64, n), make([][]pair, n)
	for i := range n {
		s.short[i], s.changes[i] = make([]float64, len(s.Needs)+1), make([]pair, n)
		for t, d := range s.Needs {
			s.short[i][t+1] = s.short[i][t] + d.short(s.low+i)*s.hours*s.Prices.ShortHour
		}
		for j := range n {
			s.changes[i][j] = s.between(s.low+i, s.low+j, most)
		}
	}
}

func (s *solver) between(n, m, most int) pair {
	moved := capacity.DataMoved(s.Stored, n, m)
	return pair{
		may:   n != m && m >= s.least && m <= most && (s.MaxStep == nil || max(m-n, n-m) <= s.MaxStep(n, m)),
		takes: max(1, steps(s.Pace.Takes(s.Stored, n, m), s.Step)),
		moved: moved, cost: float64(moved)*s.Prices.Byte + s.Prices.Change,
	}
}

// steps is a time in steps, begun ones included.
func steps(d, step time.Duration) int { return int((d + step - 1) / step) }

// change is what changing from n to m in step t costs until it is done and has
// rested, and the steps in which that is.
func (s *solver) change(t, n, m int) (cost Cost, ready, over int) {
	c := &s.changes[n-s.low][m-s.low]
	ready = min(t+c.takes, len(s.Needs))
	over = min(ready+s.rest, len(s.Needs))
	there := max(n, m) // those that join are paid at once, those that leave until they are empty
	serve := min(n, m) // and neither serves meanwhile
	return Cost{
		Brokers: s.paid(there, t, ready) + s.paid(m, ready, over),
		Short:   s.isShort(serve, t, ready) + s.isShort(m, ready, over),
		Moves:   c.cost,
	}, ready, over
}

func (s *solver) paid(n, from, to int) float64 {
	return float64(n) * float64(to-from) * s.hours * s.Prices.BrokerHour
}

func (s *solver) isShort(n, from, to int) float64 {
	sums := s.short[n-s.low]
	return sums[to] - sums[from]
}

// may tells whether a change may begin in a step.
func (s *solver) may(t, n, m int) bool {
	return s.changes[n-s.low][m-s.low].may && (m > n || !s.shut[t])
}

func (s *solver) solve() {
	n := s.high - s.low + 1
	s.togo, s.next = make([][]float64, len(s.Needs)+1), make([][]int, len(s.Needs))
	s.togo[len(s.Needs)] = make([]float64, n)
	for t := len(s.Needs) - 1; t >= 0; t-- {
		s.togo[t], s.next[t] = make([]float64, n), make([]int, n)
		for size := s.low; size <= s.high; size++ {
			s.togo[t][size-s.low], s.next[t][size-s.low] = s.best(t, size)
		}
	}
}

// best is the least cost to go, and the size to go to; staying wins a draw.
func (s *solver) best(t, n int) (least float64, to int) {
	least, to = s.stay(t, n).Total()+s.togo[t+1][n-s.low], n
	for m := s.least; m <= s.high; m++ {
		if !s.may(t, n, m) {
			continue
		}
		if togo := s.going(t, n, m); togo < least-drawn {
			least, to = togo, m
		}
	}
	return least, to
}

// drawn is a difference that is none: what adding up in another order makes.
const drawn = 1e-9

func (s *solver) going(t, n, m int) float64 {
	cost, _, over := s.change(t, n, m)
	return cost.Total() + s.togo[over][m-s.low]
}

func (s *solver) stay(t, n int) Cost {
	return Cost{Brokers: s.paid(n, t, t+1), Short: s.isShort(n, t, t+1)}
}

// course follows what is best from n brokers at a step on.
func (s *solver) course(t, n int) Plan {
	var p Plan
	for t < len(s.Needs) {
		m := s.next[t][n-s.low]
		if m == n {
			p.add(s.stay(t, n))
			t++
			continue
		}
		t = s.follow(&p, t, n, m)
		n = m
	}
	return p
}

// follow adds a change to a course, and gives the step in which it has rested.
func (s *solver) follow(p *Plan, t, n, m int) int {
	cost, ready, over := s.change(t, n, m)
	p.Changes = append(p.Changes, Change{From: n, To: m, At: t, Ready: ready, Moved: s.changes[n-s.low][m-s.low].moved, Cost: cost.Moves})
	p.add(cost)
	return over
}

func (p *Plan) add(c Cost) {
	p.Cost.Brokers += c.Brokers
	p.Cost.Short += c.Short
	p.Cost.Moves += c.Moves
}

// waived looks, along the first stretch in which the plan stays, for the change
// to fewer brokers that costs least more than staying.
func (s *solver) waived(plan Plan) *Waived {
	until, n := len(s.Needs), s.Now
	if len(plan.Changes) > 0 {
		until = plan.Changes[0].At
	}
	at, to, least := -1, 0, math.Inf(1)
	for t := range until {
		for m := s.least; m < n; m++ {
			if !s.may(t, n, m) {
				continue
			}
			if more := s.going(t, n, m) - s.togo[t][n-s.low]; more < least-drawn {
				at, to, least = t, m, more
			}
		}
	}
	if at < 0 {
		return nil
	}
	var other Plan
	for t := range at {
		other.add(s.stay(t, n))
	}
	over := s.follow(&other, at, n, to)
	rest := s.course(over, to)
	other.add(rest.Cost)
	w := Waived{
		Change: other.Changes[0],
		Saves:  plan.Cost.Brokers - other.Cost.Brokers,
		Costs:  other.Cost.Moves + other.Cost.Short - plan.Cost.Moves - plan.Cost.Short,
	}
	if w.Saves <= 0 {
		return nil
	}
	return &w
}
