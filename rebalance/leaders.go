package rebalance

import (
	"context"
	"math"
)

// leadersOnly moves leaderships and no data: first to the exact optimum of
// leaders per core, then, without leaving it, to a better balance of what
// leaders cost.
func (sr *search) leadersOnly(ctx context.Context) error {
	w := sr.w
	for i := range sr.st.leader {
		if w.broken(i) {
			sr.stuck = append(sr.stuck, i)
		}
	}
	f := newLeaderFlow(w)
	top := f.level()
	w.renew()
	w.still = true
	for b := 0; b < w.p.nb; b++ {
		at := b*w.p.nd + leadersIndex
		w.p.hard[at] = max(math.Floor(top*w.p.capacity[at]+1e-9), w.st.load[at])
	}
	for n, sharp := 0, tuned.Smooth; n < leaderSharpenings; n++ {
		w.g.sharpness = sharp
		w.sweep(uint64(seedLeaders + n))
		sharp *= tuned.Sharpen
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// leaderFlow levels leaders by augmenting paths: a broker with too many hands
// one to a broker that holds another replica, which hands one on, until one is
// reached that has room. It is the max-flow of partitions to brokers, warm
// started from the leaders of now.
type leaderFlow struct {
	w     *sweeper
	led   [][]int32 // broker -> partitions it leads that may be led elsewhere
	count []float64
	done  []bool // brokers that are at their optimum
	// the search tree: how each broker was reached
	via    []int32 // partition handed on
	parent []int32
	seen   []int
	round  int
	queue  []int32
}

func newLeaderFlow(w *sweeper) *leaderFlow {
	f := &leaderFlow{w: w,
		led:    make([][]int32, w.p.nb),
		count:  make([]float64, w.p.nb),
		done:   make([]bool, w.p.nb),
		via:    make([]int32, w.p.nb),
		parent: make([]int32, w.p.nb),
		seen:   make([]int, w.p.nb),
	}
	for i := 0; i < w.p.np; i++ {
		lead := w.st.leader[i]
		if !w.p.alive[lead] {
			continue // no replica can lead
		}
		f.count[lead]++
		if !w.p.fixed[i] && !w.p.frozen[lead] {
			f.led[lead] = append(f.led[lead], int32(i))
		}
	}
	return f
}

// level makes the fullest broker as empty as can be, then the next, and so on,
// and returns the fullest one's leaders per core. That no path leads from the
// fullest broker to one with room proves it: the brokers that paths reach lead
// nothing that could be led elsewhere, and none of them can take one more
// without being as full.
func (f *leaderFlow) level() float64 {
	best := -1.0
	for {
		b := f.fullest()
		if b < 0 {
			return max(best, 0)
		}
		u := f.count[b] / f.weight(b)
		if end := f.path(b, u); end >= 0 {
			f.augment(b, end)
			continue
		}
		best = max(best, u)
		for _, c := range f.queue {
			f.done[c] = true
		}
	}
}

func (f *leaderFlow) weight(b int32) float64 {
	return f.w.p.capacity[int(b)*f.w.p.nd+leadersIndex]
}

func (f *leaderFlow) fullest() int32 {
	found, most := int32(-1), -1.0
	for b := range f.count {
		if f.w.p.alive[b] && !f.done[b] {
			if u := f.count[b] / f.weight(int32(b)); u > most {
				found, most = int32(b), u
			}
		}
	}
	return found
}

// path searches breadth first from b for a broker that, with one leader more,
// stays below u. The brokers reached are left in the queue.
func (f *leaderFlow) path(b int32, u float64) int32 {
	f.round++
	f.seen[b] = f.round
	f.queue = append(f.queue[:0], b)
	for at := 0; at < len(f.queue); at++ {
		from := f.queue[at]
		for _, i := range f.led[from] {
			for _, c := range f.w.p.replicas(f.w.st.slots, int(i)) {
				if f.seen[c] == f.round || !f.w.p.alive[c] || f.w.p.frozen[c] {
					continue
				}
				f.seen[c] = f.round
				f.via[c], f.parent[c] = i, from
				if (f.count[c]+1)/f.weight(c) < u {
					return c
				}
				f.queue = append(f.queue, c)
			}
		}
	}
	return -1
}

// augment hands leaderships on along the path from b to end.
func (f *leaderFlow) augment(b, end int32) {
	f.count[b]--
	f.count[end]++
	for c := end; c != b; c = f.parent[c] {
		i, from := f.via[c], f.parent[c]
		for k, x := range f.led[from] {
			if x == i {
				f.led[from][k] = f.led[from][len(f.led[from])-1]
				f.led[from] = f.led[from][:len(f.led[from])-1]
				break
			}
		}
		f.led[c] = append(f.led[c], i)
		f.w.st.apply(change{i: int(i), k: -1, to: -1, lead: c})
	}
}
