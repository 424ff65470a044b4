package execute

import (
	"math"
	"slices"

	"github.com/tidetable/tidetable/cluster"
)

// Health says how well clients of one broker are.
type Health string

// The health of a broker. The zero value is unknown: the rate neither rises
// nor falls for it.
const (
	Unknown Health = ""
	Well    Health = "well"
	Hurt    Health = "hurt"
)

// ThrottlePolicy bounds the rates at which replicas are copied, per broker and
// direction.
type ThrottlePolicy struct {
	// Start is the rate that a run begins with.
	Start cluster.BytesPerSecond
	// Min and Max bound it. With Min = Max = Start the rate is constant.
	Min, Max cluster.BytesPerSecond
}

// The arithmetic of the throttle: additive increase, multiplicative decrease,
// as TCP shares a link (Chiu and Jain, 1989). A rise is a twentieth of the
// start rate a poll at which the broker is well and busy; a fall is a half.
const (
	// riseShare is of the start rate, at each poll: a judgement. At a poll of five
	// seconds the rate doubles in a hundred seconds.
	riseShare = 1.0 / 20
	// fallFactor is of the rate, as TCP's.
	fallFactor = 0.5
	// floorFactor is of the produced bytes that flow through the throttle: below 1
	// nothing ever arrives, and at 1.5 a third of the rate is left for the copy. A
	// judgement.
	floorFactor = 1.5
	// busyShare of the rate must be in use before it may rise: a rate that was
	// never tried says nothing about the next one. A judgement: Kafka's quota
	// windows let through less than the whole.
	busyShare = 0.5
)

// floor is the rate below which the moves make no progress: what producers add
// to the throttled replicas, and half as much again.
func floor(incoming cluster.BytesPerSecond) cluster.BytesPerSecond {
	return floorFactor * incoming
}

// nextRate is the rate of one broker at the next poll.
func (p ThrottlePolicy) nextRate(rate cluster.BytesPerSecond, h Health, used, incoming cluster.BytesPerSecond) cluster.BytesPerSecond {
	switch {
	case h == Hurt:
		rate *= fallFactor
	case h == Well && used >= busyShare*rate:
		rate += riseShare * p.Start
	}
	rate = min(max(rate, p.Min, floor(incoming)), p.Max)
	return cluster.BytesPerSecond(math.Floor(float64(rate)))
}

// carries tells whether the highest rate is enough for that much produced data.
func (p ThrottlePolicy) carries(incoming cluster.BytesPerSecond) bool {
	return floor(incoming) <= p.Max
}

// wantEntries is the list entries that the copies in flight need: the leader
// side for every replica that can be asked for the data, the follower side for
// the one that is being added and nothing else, so that no replica that is in
// sync is ever held back.
func wantEntries(tp TP, replicas []int, add int) []Entry {
	out := []Entry{{tp.Topic, FollowerSide, tp.Partition, add}}
	for _, b := range replicas {
		if b != add {
			out = append(out, Entry{tp.Topic, LeaderSide, tp.Partition, b})
		}
	}
	return out
}

// raise is the change that brings the cluster from what is set to what is
// wanted, without removing anything.
func raise(now Throttles, rates map[RateOn]cluster.BytesPerSecond, entries []Entry) ThrottleChange {
	c := ThrottleChange{Rates: map[RateOn]cluster.BytesPerSecond{}}
	for k, v := range rates {
		if now.Rates[k] != v {
			c.Rates[k] = v
		}
	}
	for _, e := range entries {
		if !now.Entries[e] {
			c.Append = append(c.Append, e)
		}
	}
	slices.SortFunc(c.Append, compareEntries)
	return c
}

// lower is the change that removes what is owned and no longer wanted, and the
// rest of what is owned. Only what is really there is touched.
func lower(now Throttles, owned ownership, wantRates map[RateOn]cluster.BytesPerSecond,
	wantEntries map[Entry]bool) (ThrottleChange, ownership) {
	var c ThrottleChange
	var keep ownership
	for _, r := range owned.Rates {
		if _, ok := wantRates[r]; ok {
			keep.Rates = append(keep.Rates, r)
		} else if _, ok := now.Rates[r]; ok || now.Unread[r.Broker] {
			c.Unset = append(c.Unset, r)
		}
	}
	for _, e := range owned.Entries {
		if wantEntries[e] {
			keep.Entries = append(keep.Entries, e)
		} else if now.Entries[e] {
			c.Subtract = append(c.Subtract, e)
		}
	}
	return c, keep
}

// vanished lists the throttles that were read back once and are not what they
// were: somebody removed them, or changed a rate by hand. What was never read
// back is no surprise: a broker takes a moment to know what it was told.
func vanished(confirmed, now Throttles) (rates []RateOn, entries []Entry) {
	for r, v := range confirmed.Rates {
		if now.Rates[r] != v && !now.Unread[r.Broker] {
			rates = append(rates, r)
		}
	}
	for e := range confirmed.Entries {
		if !now.Entries[e] {
			entries = append(entries, e)
		}
	}
	slices.SortFunc(rates, compareRates)
	slices.SortFunc(entries, compareEntries)
	return rates, entries
}

// confirm keeps of what was set what has been read back: now, or before and
// not changed by us since.
func confirm(set, confirmed, now Throttles) Throttles {
	out := Throttles{Rates: map[RateOn]cluster.BytesPerSecond{}, Entries: map[Entry]bool{}}
	for r, v := range set.Rates {
		if now.Rates[r] == v || confirmed.Rates[r] == v {
			out.Rates[r] = v
		}
	}
	for e := range set.Entries {
		if now.Entries[e] || confirmed.Entries[e] {
			out.Entries[e] = true
		}
	}
	return out
}
