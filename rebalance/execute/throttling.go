package execute

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tidetable/tidetable/cluster"
)

// maxRestores is how often the mover sets a vanished throttle again before it
// holds until a person starts or cancels: somebody is undoing it on purpose.
const maxRestores = 3

// leaderSharesIn counts how often a produced byte passes a throttled leader:
// once for every follower, the in-sync ones too, since Kafka meters every byte
// it sends of a partition in the list. Three replicas, one of them being added.
const leaderSharesIn = 3

// sideIncoming is what producers make a side of a broker pass through the
// throttle.
func (m *Mover) sideIncoming(s Side, in cluster.BytesPerSecond) cluster.BytesPerSecond {
	if s == LeaderSide {
		return leaderSharesIn * in
	}
	return in
}

// readThrottles reads ours back. When one vanished or was changed by hand the
// mover holds for a while, since somebody did it for a reason, and then sets it
// again. What is in flight cannot be stopped without losing its bytes.
func (m *Mover) readThrottles(ctx context.Context, now time.Time) (read Throttles, hold string, err error) {
	w := m.work
	read, err = m.cfg.Kafka.Throttles(ctx, m.owned.brokers(), m.owned.topics())
	if err != nil {
		return read, "", err
	}
	w.confirmed = confirm(w.set, w.confirmed, read)
	rates, entries := vanished(w.confirmed, read)
	entries = slices.DeleteFunc(entries, func(e Entry) bool { // of a deleted topic
		return m.work.settled[TP{e.Topic, e.Partition}] || !m.isOpen(TP{e.Topic, e.Partition})
	})
	if len(rates)+len(entries) == 0 {
		w.lost = time.Time{}
		return read, "", nil
	}
	what := ""
	if len(rates) > 0 {
		what = fmt.Sprintf("%s of broker %d", rates[0].Side.RateKey(), rates[0].Broker)
	} else {
		what = fmt.Sprintf("%s of topic %s", entries[0].Side.ListKey(), entries[0].Topic)
	}
	if w.lost.IsZero() {
		w.lost = now
	}
	if w.restored >= maxRestores {
		return read, what + " was removed again and again: holding until a person starts or cancels", nil
	}
	if now.Sub(w.lost) < m.cfg.RestoreAfter {
		return read, "somebody removed or changed " + what, nil
	}
	w.restored++
	w.lost = time.Time{}
	w.confirmed = Throttles{}
	m.emit(Event{Kind: "throttle", Text: "setting " + what + " again"})
	return read, "", nil
}

func (m *Mover) isOpen(tp TP) bool {
	i := slices.IndexFunc(m.run.Moves, func(mv Move) bool { return mv.tp() == tp })
	return i >= 0 && m.run.Moves[i].Dropped == ""
}

// adjustRates gives every busy broker its rate for the next poll.
func (m *Mover) adjustRates(ctx context.Context, v verdicts, view View) {
	busy := newLoads(v.running)
	used := m.usedRates(v)
	ids := map[int]bool{}
	for _, c := range slices.Concat(v.running, v.cands) {
		ids[c.to], ids[c.from] = true, true
	}
	brokers := make([]int, 0, len(ids))
	for b := range ids {
		if b >= 0 {
			brokers = append(brokers, b)
		}
	}
	slices.Sort(brokers)
	health := m.health(ctx, brokers, view)
	for _, b := range brokers {
		for _, s := range Sides {
			k := RateOn{b, s}
			rate, ok := m.work.rates[k]
			if !ok {
				rate = m.cfg.Throttle.Start
			}
			in := busy.incomingTo[b]
			if s == LeaderSide {
				in = busy.incomingFrom[b]
			}
			next := m.cfg.Throttle.nextRate(rate, health[b], used[k], m.sideIncoming(s, in))
			if next < rate {
				m.emit(Event{Kind: "throttle", Text: fmt.Sprintf("broker %d is %s: %s side from %v to %v", b, orUnknown(health[b]), s, rate, next)})
			}
			m.work.rates[k] = next
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
func (m *Mover) health(ctx context.Context, brokers []int, view View) map[int]Health {
	out := map[int]Health{}
	if m.cfg.Clients != nil && len(brokers) > 0 {
		h, err := m.cfg.Clients.Health(ctx, brokers)
		if err != nil {
			m.cfg.Log.Warn("health is unknown", "error", err)
		}
		for b, x := range h {
			out[b] = x
		}
	}
	for _, t := range view.Topics {
		for _, p := range t.Partitions {
			if len(p.Replicas) > 0 && len(p.ISR) < min(t.MinISR, len(p.Replicas)) {
				for _, b := range p.Replicas {
					out[b] = Hurt
				}
			}
		}
	}
	return out
}

// usedRates is what copies took of each side's rate since the last poll,
// judged by the bytes that arrived.
func (m *Mover) usedRates(v verdicts) map[RateOn]cluster.BytesPerSecond {
	out := map[RateOn]cluster.BytesPerSecond{}
	for _, c := range v.running {
		r := m.work.arrivals.rate(c)
		out[RateOn{c.to, FollowerSide}] += r
		out[RateOn{c.from, LeaderSide}] += r
	}
	return out
}

// arrivals measures how fast each copy grows at its destination.
type arrivals struct{ growth }

func (a *arrivals) rate(c copying) cluster.BytesPerSecond { return a.growth.last[c.tp].rate }

// observeCopies is growth.observe for destinations.
func (a *arrivals) observeCopies(v View, s Sizes, now time.Time) {
	next := map[TP]grown{}
	for tp, re := range v.Reassigning {
		if len(re.Adding) == 0 {
			continue
		}
		n, ok := s.of(tp, re.Adding[0])
		if !ok {
			continue
		}
		g := grown{leader: re.Adding[0], size: n, at: now}
		old, seen := a.last[tp]
		if dt := now.Sub(old.at).Seconds(); seen && old.leader == g.leader && dt > 0 {
			g.rate = cluster.BytesPerSecond(max(0, float64(n-old.size)/dt))
		}
		next[tp] = g
	}
	a.last = next
}

// applyThrottles brings the cluster's throttles to what the copies in flight
// and the batch need: first written down, then raised, then the rest removed.
// While a throttle is lost to somebody else's hand, nothing is raised.
func (m *Mover) applyThrottles(ctx context.Context, v verdicts, batch []copying, view View, read Throttles, lost bool) error {
	rates, entries := m.wanted(v, batch, view)
	wantEntry := map[Entry]bool{}
	for _, e := range entries {
		wantEntry[e] = true
	}
	for _, r := range m.owned.Rates { // a rate stays until the run is over
		if _, ok := rates[r]; !ok {
			rates[r] = m.work.set.Rates[r]
		}
	}
	owned := m.owned.with(keysOf(rates), entries)
	if len(owned.Rates) > len(m.owned.Rates) || len(owned.Entries) > len(m.owned.Entries) {
		if err := m.saveOwned(ctx, owned); err != nil {
			return err
		}
	}
	up := ThrottleChange{}
	if !lost {
		for r, v := range rates {
			if v <= 0 {
				delete(rates, r)
			}
		}
		up = raise(read, rates, entries)
		for r := range up.Rates {
			if !view.alive(r.Broker) { // it takes no orders, and holds nobody back
				delete(up.Rates, r)
			}
		}
	}
	down, keep := lower(read, owned, rates, wantEntry)
	up.Subtract = down.Subtract
	if !up.empty() {
		if err := m.cfg.Kafka.SetThrottles(ctx, up); err != nil {
			return err
		}
	}
	if !lost {
		m.work.set = Throttles{Rates: rates, Entries: wantEntry}
	} else {
		for _, e := range down.Subtract {
			delete(m.work.set.Entries, e)
		}
	}
	if keep.Rates = owned.Rates; len(keep.Entries) < len(owned.Entries) {
		return m.saveOwned(ctx, keep)
	}
	return nil
}

// wanted is the rates and list entries for everything in flight and to be.
func (m *Mover) wanted(v verdicts, batch []copying, view View) (map[RateOn]cluster.BytesPerSecond, []Entry) {
	rates := map[RateOn]cluster.BytesPerSecond{}
	var entries []Entry
	for _, c := range slices.Concat(v.running, batch) {
		p, ok := view.Partition(c.tp)
		if !ok {
			continue
		}
		entries = append(entries, wantEntries(c.tp, p.Replicas, c.to)...)
		for _, b := range p.Replicas {
			// Any replica may become the leader, and must then be throttled.
			if view.alive(b) {
				rates[RateOn{b, LeaderSide}] = m.rateOf(b, LeaderSide)
			}
		}
		if !view.alive(c.to) {
			continue
		}
		rates[RateOn{c.to, FollowerSide}] = m.rateOf(c.to, FollowerSide)
	}
	return rates, entries
}

func (m *Mover) rateOf(b int, s Side) cluster.BytesPerSecond {
	if r, ok := m.work.rates[RateOn{b, s}]; ok {
		return r
	}
	return m.cfg.Throttle.Start
}

func keysOf(rates map[RateOn]cluster.BytesPerSecond) []RateOn {
	out := make([]RateOn, 0, len(rates))
	for r := range rates {
		out = append(out, r)
	}
	return out
}
