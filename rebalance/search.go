package rebalance

import (
	"context"
	"fmt"
	"math"
)

// search is one plan in the making: forced moves first, then sweeps at a byte
// price that falls to what the options ask, so that the moves that gain most
// for their bytes are made first.
type search struct {
	o        Options
	st       *state
	w        *sweeper
	stuck    []int   // partitions that break a rule and cannot be mended
	forced   float64 // bytes that must move
	progress func(float64)
	price    float64 // points a byte moved costs
	minGain  float64
	hotPrice float64           // points for a broker twice as far over as it may be
	trace    func(what string) // for tuning
	frontier []FrontierPoint
	carrier  saved
}

// hotSpotPrice is what the objective asks for a broker at twice the line of a
// hot spot, in points. A judgement: half of moving every byte, since a hot spot
// is what a plan is made for.
const hotSpotPrice = 50.0

func newSearch(st *state, o Options, progress func(float64)) *search {
	sr := &search{o: o, st: st, w: newSweeper(newSurrogate(st)), progress: progress}
	price := o.BytePrice
	if price <= 0 {
		price = DefaultBytePrice
	}
	if st.problem.bytes > 0 {
		sr.price = price / st.problem.bytes
	}
	if st.np > 0 {
		sr.w.g.leadPrice = leaderPrice / float64(st.np)
	}
	sr.w.limit = o.Evaluations
	sr.hotPrice = hotSpotPrice * st.granularity()
	sr.minGain = o.MinGain
	if sr.minGain == 0 {
		sr.minGain = defaultMinGain(len(st.slots))
	}
	return sr
}

// defaultMinGain is what a plan must gain to be worth carrying out: a point,
// which is what moving two percent of all bytes costs. Very small clusters are
// searched so thoroughly that less is no noise there.
func defaultMinGain(replicas int) float64 {
	share := float64(replicas) / fullGainReplicas
	return min(1, share*share)
}

// fullGainReplicas is from how many replicas on a plan must gain a whole point:
// with fewer, what one of them is worth is a noticeable part of a point.
const fullGainReplicas = 100

// fineReplicas is from how many replicas a broker on a hot spot counts in full:
// with fewer, a tenth of a broker is less than four of them.
const fineReplicas = 40

// granularity is how much a hot spot counts: with few replicas on a broker, a
// tenth more or less is a matter of where one of them is.
func (p *problem) granularity() float64 {
	share := float64(len(p.orig)) / float64(max(1, p.nb)) / fineReplicas
	return min(1, share*share)
}

func (sr *search) run(ctx context.Context) error {
	sr.w.g.sharpness = tuned.Smooth
	sr.w.g.bytePrice = sr.price
	if sr.o.LeadersOnly {
		return sr.leadersOnly(ctx)
	}
	sr.stuck = sr.w.legalise()
	sr.forced = sr.st.bytes
	if sr.o.Budget != nil {
		return sr.budgeted(ctx)
	}
	if err := sr.free(ctx); err != nil {
		return err
	}
	sr.spread()
	return nil
}

// objective is what the plan is judged by, in points: imbalance, what is left
// of hot spots, and the price of getting there.
func (sr *search) objective() float64 {
	return sr.quality() + float64((sr.st.bytes-sr.forced)*sr.price) + float64(float64(sr.st.leaderOnly)*sr.w.g.leadPrice)
}

// quality is the part of the objective that the placement alone decides.
func (sr *search) quality() float64 {
	v := sr.st.imbalancePoints(sr.st.load) + sr.st.localPoints()
	for r, d := range sr.st.dims {
		if d.hard && sr.st.weight[r] > 0 {
			v += float64(sr.hotPrice * max(0, sr.st.measure(sr.st.load, r).over-hotSpot))
		}
	}
	return v
}

// free plans without a byte budget.
func (sr *search) free(ctx context.Context) error {
	start := sr.st.save()
	before := sr.objective()
	small := sr.proposals() > 0
	if sr.forced == 0 && !small && before < tuned.ClearlyUneven && sr.nothingToGain(before) {
		sr.restore(start)
		return ctx.Err()
	}
	if sr.forced == 0 && !small && sr.repair(start, before) {
		return ctx.Err()
	}
	if err := sr.descents(ctx, start); err != nil {
		return err
	}
	if err := sr.reheat(ctx); err != nil {
		return err
	}
	if small {
		if err := sr.anneal(ctx); err != nil {
			return err
		}
	}
	if sr.minGain < 0 || before-sr.objective() >= sr.minGain {
		return nil
	}
	if sr.forced == 0 {
		sr.restore(start)
		return nil
	}
	// Nothing but what is forced is worth its bytes: place that well.
	best, value := sr.st.save(), sr.objective()
	sr.restore(start)
	if err := sr.placeForced(ctx); err != nil {
		return err
	}
	if sr.objective() > value && sr.st.bytes >= sr.forced {
		sr.restore(best)
	}
	return nil
}

// anneal goes on from what sweeps came to, or from the start where that is
// better.
func (sr *search) anneal(ctx context.Context) error {
	a := newAnnealer(sr, 1)
	err := a.run(ctx, sr.proposals())
	sr.note("annealed")
	return err
}

// nothingToGain tries a part of one sweep at the true price. The first sweep
// finds most of what there is, so one that finds next to nothing saves all the
// others: a plan of a balanced cluster takes a twentieth of the time.
func (sr *search) nothingToGain(before float64) bool {
	if sr.minGain < 0 || sr.w.limit > 0 {
		return false
	}
	start := sr.st.save()
	sr.w.g.sharpness = tuned.ProbeSharp
	sr.w.g.bytePrice = sr.price
	sr.w.sweepPart(0, int(tuned.ProbeShare))
	sr.note("probe")
	gain := before - sr.objective()
	sr.restore(start)
	return gain < sr.minGain/(tuned.ProbeGain*tuned.ProbeShare)
}

// road is one way down the schedule.
type road struct {
	prices          []float64 // of a byte, relative to what is asked
	smooth, sharpen float64
	seed            uint64
}

// sharpenings is how many steps lead from smooth to sharp.
func (r road) sharpenings() int {
	n := 0
	for sharp := r.smooth; sharp < tuned.SharpEnough; sharp *= r.sharpen {
		n++
	}
	return n
}

// roads are tried in turn where they are short, and the best end is kept: a
// smoother and slower one now and then ends elsewhere.
func roads() []road {
	return []road{{priceSteps, tuned.Smooth, tuned.Sharpen, 0}, {priceSteps, 0.5, 1.5, seedRoad}, {priceSteps, 0.35, 1.4, 2 * seedRoad}}
}

// shortRoad is the only one from largeReplicas replicas on: it saves a fifth of
// the time for some hundredths of a point. From hugeReplicas on it would leave
// hot spots, as a zone is no longer looked at whole.
func shortRoad() road { return road{fewerSteps, tuned.Smooth, tuned.SharpenFast, 0} }

// Replicas of a cluster; found on D2 to D5 and on D8 of make docs-rebalance.
const (
	largeReplicas = 50_000
	hugeReplicas  = 300_000
)

// roadReplicas are the most replicas for which each of the roads is tried: a
// second and a third one cost as much again, which is a tenth of a second there.
var roadReplicas = []int{math.MaxInt, 20_000, 8_000}

// descents runs the schedule along one or several roads.
func (sr *search) descents(ctx context.Context, start saved) error {
	if n := len(sr.st.slots); n >= largeReplicas && n < hugeReplicas {
		return sr.descend(ctx, shortRoad())
	}
	var best saved
	value := inf
	for n, r := range roads() {
		if n > 0 && (len(sr.st.slots) > roadReplicas[n] || sr.w.spent() || sr.w.limit > 0) {
			break
		}
		if n > 0 {
			if v := sr.objective(); v < value {
				best, value = sr.st.save(), v
			}
			sr.restore(start)
		}
		if err := sr.descend(ctx, r); err != nil {
			return err
		}
	}
	if sr.objective() > value {
		sr.restore(best)
	}
	return nil
}

// descend runs the whole schedule. A smooth surrogate (low sharpness) is convex in a way that
// single moves can descend; a sharp one tells the truth but has ridges where
// every single move looks bad. So the byte price falls first, below what is
// asked, on a smooth surrogate, which then sharpens; the last sweeps are at
// the true price and take back what was not worth it.
func (sr *search) descend(ctx context.Context, r road) error {
	steps := len(r.prices) + r.sharpenings() + int(tuned.TruePriced)
	step := func(n int, factor, sharp float64) error {
		sr.w.g.bytePrice = sr.price * factor
		sr.w.g.sharpness = sharp
		sr.w.sweep(r.seed + uint64(n+1))
		sr.note(fmt.Sprintf("price %.2g", factor))
		if sr.progress != nil {
			sr.progress(float64(n+1) / float64(steps))
		}
		return ctx.Err()
	}
	n := 0
	for _, f := range r.prices {
		if err := step(n, f, r.smooth); err != nil {
			return err
		}
		n++
	}
	sharp := r.smooth
	for range r.sharpenings() {
		if err := step(n, tuned.Undershoot, sharp); err != nil {
			return err
		}
		sharp = min(tuned.Sharpest, sharp*r.sharpen)
		n++
	}
	clear(sr.w.rest)
	for range int(tuned.TruePriced) {
		if err := step(n, 1, sharp); err != nil {
			return err
		}
		sharp = min(tuned.Sharpest, sharp*r.sharpen)
		n++
	}
	return nil
}

// reheatPatience is how many rounds without a gain end a search that has
// evaluations left.
const reheatPatience = 3

// reheat goes back to a smoother surrogate and forth again, and keeps what is
// better, until the evaluations that were allowed are used up.
func (sr *search) reheat(ctx context.Context) error {
	w := sr.w
	idle := 0
	for round := 0; w.limit > 0 && idle < reheatPatience && !w.spent(); round++ {
		best, value := sr.st.save(), sr.objective()
		seed := uint64(seedReheat + seedStep*round)
		for n, s := range reheatPaces {
			w.g.bytePrice, w.g.sharpness = sr.price*s.price, s.sharp
			w.sweep(seed + uint64(n))
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		sr.note("reheated")
		if sr.objective() >= value-noGain {
			sr.restore(best)
			idle++
		} else {
			idle = 0
		}
	}
	return nil
}

// placeForced finds the best places for what must move, and nothing else.
func (sr *search) placeForced(ctx context.Context) error {
	sr.w.maxBytes = sr.forced
	seed := uint64(seedForced)
	for sharp := forcedSmooth; sharp < forcedSharp; sharp *= tuned.Sharpen {
		for range forcedSweeps {
			sr.w.g.bytePrice, sr.w.g.sharpness = sr.price*prohibitive, sharp
			sr.w.sweep(seed)
			seed++
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (sr *search) note(what string) {
	if sr.trace != nil {
		sr.trace(what)
	}
}

func (sr *search) printStep(what string) {
	fmt.Printf("%-12s bytes %.4f imbalance %.3f leaders %d evaluations %d sharpness %.0f objective %.4f\n", what,
		(sr.st.bytes-sr.forced)/max(1, sr.st.problem.bytes), sr.st.imbalancePoints(sr.st.load), sr.st.leaderOnly,
		sr.w.evaluations(), sr.w.g.sharpness, sr.objective())
}

// saved is a placement to come back to.
type saved struct {
	slots, leader []int32
}

func (s *state) save() saved {
	return saved{append([]int32(nil), s.slots...), append([]int32(nil), s.leader...)}
}

func (sr *search) restore(v saved) {
	sr.st.restoreFrom(v)
	clear(sr.w.idle)
	clear(sr.w.rest)
	sr.w.renew()
}
