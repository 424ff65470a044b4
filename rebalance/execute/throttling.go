package execute

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/tidetable/tidetable/cluster"
)

// maxRestores is how often the mover sets a vanished throttle again before it
// holds until a person starts or cancels: somebody is undoing it on purpose. A
// judgement: once may be a mistake, twice a second try.
const maxRestores = 3

// leaderSharesIn counts how often a produced byte passes a throttled leader:
// once for every follower, the in-sync ones too, since Kafka meters every byte
// it sends of a partition in the list. Three replicas, one of them being added.
const leaderSharesIn = 3

// sideIncoming is what producers make a side of a broker pass through the
// throttle.
func sideIncoming(s Side, in cluster.BytesPerSecond) cluster.BytesPerSecond {
	if s == LeaderSide {
		return leaderSharesIn * in
	}
	return in
}

// throttler decides the rates and keeps the cluster's throttles what they must
// be.
type throttler struct {
	kafka        Kafka
	clients      Clients // nil: unknown
	policy       ThrottlePolicy
	restoreAfter time.Duration
	log          *slog.Logger
	story        *narrator

	rates map[RateOn]cluster.BytesPerSecond // decided at the last look
	set   Throttles                         // what we have set
	// confirmed is what of it was read back: what is missing of this, somebody
	// else removed.
	confirmed Throttles
	lost      time.Time // when a throttle of ours was found missing
	restored  int
}

func newThrottler(c Config, story *narrator) throttler {
	return throttler{
		kafka: c.Kafka, clients: c.Clients, policy: c.Throttle, restoreAfter: c.RestoreAfter, log: c.Log, story: story,
		rates: map[RateOn]cluster.BytesPerSecond{},
		set:   Throttles{Rates: map[RateOn]cluster.BytesPerSecond{}, Entries: map[Entry]bool{}},
	}
}

// readBack reads ours back. When one vanished or was changed by hand the mover
// holds for a while, since somebody did it for a reason, and then sets it
// again. What is in flight cannot be stopped without losing its bytes.
func (t *throttler) readBack(ctx context.Context, owned ownership, open []Move, now time.Time) (read Throttles, h hold, err error) {
	read, err = t.kafka.Throttles(ctx, owned.brokers(), owned.topics())
	if err != nil {
		return read, hold{}, err
	}
	t.confirmed = confirm(t.set, t.confirmed, read)
	rates, entries := vanished(t.confirmed, read)
	entries = slices.DeleteFunc(entries, func(e Entry) bool { // of a deleted topic
		return !slices.ContainsFunc(open, func(mv Move) bool { return mv.tp() == TP{e.Topic, e.Partition} })
	})
	if len(rates)+len(entries) == 0 {
		t.lost = time.Time{}
		return read, hold{}, nil
	}
	what := ""
	if len(rates) > 0 {
		what = fmt.Sprintf("%s of broker %d", rates[0].Side.RateKey(), rates[0].Broker)
	} else {
		what = fmt.Sprintf("%s of topic %s", entries[0].Side.ListKey(), entries[0].Topic)
	}
	if t.lost.IsZero() {
		t.lost = now
	}
	if t.restored >= maxRestores {
		return read, hold{throttleContest, what + " was removed again and again: holding until a person starts or cancels"}, nil
	}
	if now.Sub(t.lost) < t.restoreAfter {
		return read, hold{throttleRemoved, "somebody removed or changed " + what}, nil
	}
	t.restored++
	t.lost = time.Time{}
	t.confirmed = Throttles{}
	t.story.event(EventThrottle, "setting "+what+" again")
	return read, hold{}, nil
}

// adjust gives every busy broker its rate for the next poll; used is what
// copies took of each since the last one.
func (t *throttler) adjust(ctx context.Context, v verdicts, view View, used map[RateOn]cluster.BytesPerSecond) {
	busy := newLoads(v.running)
	ids := map[int]bool{}
	for _, c := range slices.Concat(v.running, v.cands) {
		ids[c.to], ids[c.from] = true, true
	}
	delete(ids, -1)
	brokers := slices.Sorted(maps.Keys(ids))
	health := t.health(ctx, brokers, view)
	for _, b := range brokers {
		for _, s := range Sides {
			k := RateOn{b, s}
			rate := t.of(k)
			in := busy.incomingTo[b]
			if s == LeaderSide {
				in = busy.incomingFrom[b]
			}
			next := t.policy.nextRate(rate, health[b], used[k], sideIncoming(s, in))
			if next < rate {
				t.story.event(EventThrottle, fmt.Sprintf("broker %d is %s: %s side from %v to %v", b, orUnknown(health[b]), s, rate, next))
			}
			t.rates[k] = next
		}
	}
}

func orUnknown(h Health) string {
	if h == Unknown {
		return "of unknown health"
	}
	return string(h)
}

// health asks for the clients' health, and adds what the metadata itself says:
// a partition under min.insync.replicas hurts its leader's clients now.
func (t *throttler) health(ctx context.Context, brokers []int, view View) map[int]Health {
	out := map[int]Health{}
	if t.clients != nil && len(brokers) > 0 {
		h, err := t.clients.Health(ctx, brokers)
		if err != nil {
			t.log.Warn("health is unknown", "error", err)
		}
		maps.Copy(out, h)
	}
	for _, topic := range view.Topics {
		for _, p := range topic.Partitions {
			if len(p.Replicas) > 0 && len(p.ISR) < min(topic.MinISR, len(p.Replicas)) {
				for _, b := range p.Replicas {
					out[b] = Hurt
				}
			}
		}
	}
	return out
}

// of is the rate of one side of a broker.
func (t *throttler) of(k RateOn) cluster.BytesPerSecond {
	if r, ok := t.rates[k]; ok {
		return r
	}
	return t.policy.Start
}

// copied is what a broker copies in a while at its present throttle.
func (t *throttler) copied(b int, while time.Duration) cluster.Bytes {
	rate := t.policy.Start
	for _, s := range Sides {
		rate = min(rate, t.of(RateOn{b, s}))
	}
	return cluster.Bytes(float64(rate) * while.Seconds())
}

// apply brings the cluster's throttles to what the copies in flight and the
// batch need: first written down, then raised, then the rest removed. While a
// throttle is lost to somebody else's hand, nothing is raised.
func (t *throttler) apply(ctx context.Context, copies []copying, view View, read Throttles, lost bool, books *ledger) error {
	rates, entries := t.wanted(copies, view)
	wantEntry := map[Entry]bool{}
	for _, e := range entries {
		wantEntry[e] = true
	}
	for _, r := range books.owned.Rates { // a rate stays until the run is over
		if _, ok := rates[r]; !ok {
			rates[r] = t.set.Rates[r]
		}
	}
	owned := books.owned.with(slices.Collect(maps.Keys(rates)), entries)
	if len(owned.Rates) > len(books.owned.Rates) || len(owned.Entries) > len(books.owned.Entries) {
		if err := books.own(ctx, owned); err != nil {
			return err
		}
	}
	up := ThrottleChange{}
	if !lost {
		maps.DeleteFunc(rates, func(_ RateOn, v cluster.BytesPerSecond) bool { return v <= 0 })
		up = raise(read, rates, entries)
		// A broker that is down takes no orders, and holds nobody back.
		maps.DeleteFunc(up.Rates, func(r RateOn, _ cluster.BytesPerSecond) bool { return !view.alive(r.Broker) })
	}
	down, keep := lower(read, owned, rates, wantEntry)
	up.Subtract = down.Subtract
	if !up.empty() {
		if err := t.kafka.SetThrottles(ctx, up); err != nil {
			return err
		}
	}
	if !lost {
		t.set = Throttles{Rates: rates, Entries: wantEntry}
	} else {
		for _, e := range down.Subtract {
			delete(t.set.Entries, e)
		}
	}
	if keep.Rates = owned.Rates; len(keep.Entries) < len(owned.Entries) {
		return books.own(ctx, keep)
	}
	return nil
}

// wanted is the rates and list entries for everything in flight and to be.
func (t *throttler) wanted(copies []copying, view View) (map[RateOn]cluster.BytesPerSecond, []Entry) {
	rates := map[RateOn]cluster.BytesPerSecond{}
	var entries []Entry
	for _, c := range copies {
		p, ok := view.Partition(c.tp)
		if !ok {
			continue
		}
		entries = append(entries, wantEntries(c.tp, p.Replicas, c.to)...)
		for _, b := range p.Replicas {
			// Any replica may become the leader, and must then be throttled.
			if view.alive(b) {
				rates[RateOn{b, LeaderSide}] = t.of(RateOn{b, LeaderSide})
			}
		}
		if view.alive(c.to) {
			rates[RateOn{c.to, FollowerSide}] = t.of(RateOn{c.to, FollowerSide})
		}
	}
	return rates, entries
}
