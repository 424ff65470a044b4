package world

import "github.com/tidetable/tidetable/cluster"

// health lets brokers die and come back.
type health struct {
	place    *placement
	load     *load
	traffic  *traffic
	faults   *faults
	time     *timeline
	times    Times
	totals   *Totals
	catching int // brokers that catch up
}

// of lists the brokers that a fault is about.
func (h *health) of(e Event) []int {
	if e.Kind != ZoneDown {
		if e.Broker < len(h.place.brokers) {
			return []int{e.Broker}
		}
		return nil
	}
	var out []int
	for i := range h.place.brokers {
		if h.place.brokers[i].zone == e.Zone {
			out = append(out, i)
		}
	}
	return out
}

func (h *health) brokerDown(id int) {
	h.faults.down[id]++
	b := &h.place.brokers[id]
	if b.state != cluster.BrokerAlive {
		return
	}
	b.state = cluster.BrokerDead
	h.giveUpCatchUp(b)
	b.diedAt = make([]float64, len(h.place.logs))
	for k := range h.place.logs {
		b.diedAt[k] = h.place.logs[k].written
	}
	h.traffic.leave(b)
	b.moveIn, b.moveOut = 0, 0
	h.place.brokerChanged(int32(id))
}

func (h *health) giveUpCatchUp(b *broker) {
	if b.missing > 0 {
		b.missing = 0
		h.catching--
	}
}

// faultOver takes one fault off a broker. Its pod starts once none is left.
func (h *health) faultOver(id int) {
	if h.faults.down[id] == 0 {
		return
	}
	h.faults.down[id]--
	if h.faults.down[id] > 0 || h.place.brokers[id].state != cluster.BrokerDead {
		return
	}
	h.time.in(h.times.PodStart+h.times.BrokerJoin, happening{kind: hapBrokerUp, id: id})
}

// brokerUp joins a started broker to the cluster. One that comes back has to
// catch up on what it missed before its replicas are in sync again.
func (h *health) brokerUp(id int) {
	if id >= len(h.place.brokers) {
		return
	}
	b := &h.place.brokers[id]
	if b.state == cluster.BrokerAlive || h.faults.down[id] > 0 {
		return
	}
	if b.ready.After(h.time.now) {
		return // this start was given up, and another is under way
	}
	if h.faults.pods > 0 {
		h.time.in(podRetry, happening{kind: hapBrokerUp, id: id})
		return
	}
	was := b.state
	b.state = cluster.BrokerAlive
	if was != cluster.BrokerDead || b.diedAt == nil {
		return
	}
	for k := range h.place.logs {
		// Retention bounds what is missing to what is still there.
		b.missing += max(b.size[k], 0) * min(h.place.logs[k].written-b.diedAt[k], h.place.logs[k].stored)
	}
	b.diedAt = nil
	h.place.brokerChanged(int32(id))
	if b.missing > 0 {
		h.catching++
	} else {
		h.caughtUp(id)
	}
}

// caughtUp puts the broker's replicas back in sync and lets preferred leaders
// be elected in a while.
func (h *health) caughtUp(id int) {
	h.place.inSyncAgain(int32(id))
	h.time.in(imbalanceCheck, happening{kind: hapElect})
}

// catchUp lets the brokers that came back fetch what they missed for one tick.
func (h *health) catchUp() {
	for i := range h.place.brokers {
		if b := &h.place.brokers[i]; b.missing > 0 && b.state == cluster.BrokerAlive {
			h.fetch(i)
		}
	}
}

// fetch lets a broker that came back fetch what it missed, with a share of what
// its own network and disk have left: catch-up is not throttled.
func (h *health) fetch(id int) {
	b, dt := &h.place.brokers[id], h.time.dt
	spare := float64(b.shape.NetworkInBytesPerSecond)*b.netFactor - (b.use.in - b.use.moveIn)
	if d := float64(b.shape.DiskBytesPerSecond)*b.diskFactor - (b.use.disk - b.use.moveIn); b.shape.DiskBytesPerSecond > 0 {
		spare = min(spare, d)
	}
	rate := max(catchUpShare*spare, leastCatchUp)
	sources := 0
	for i := range h.place.brokers {
		if i != id && h.place.brokers[i].state == cluster.BrokerAlive {
			sources++
		}
	}
	if sources == 0 {
		return
	}
	grows := 0.0
	for k, p := range h.load.bytes {
		grows += max(b.size[k], 0) * p
	}
	b.missing += grows * dt
	n := min(b.missing, rate*dt)
	b.missing -= n
	b.moveIn += n / dt
	for i := range h.place.brokers {
		if i != id && h.place.brokers[i].state == cluster.BrokerAlive {
			h.place.brokers[i].moveOut += n / dt / float64(sources)
		}
	}
	h.totals.BytesCaughtUp += n
	if b.missing <= 0 {
		b.missing = 0
		h.catching--
		h.caughtUp(id)
	}
}
