package world

import (
	"math"
	"time"
)

// fillLogs fills the topics with what their retention held before the start:
// the profile's own past where it has one, else its first day over again.
func (w *World) fillLogs() {
	for i := range w.classes {
		c := &w.classes[i]
		p := w.cfg.Profiles[c.profile]
		n := max(int(c.retention/logResolution), 1)
		c.ring = make([]float64, n)
		day := p.Mean(w.start, w.start.Add(24*time.Hour))
		sum := 0.0
		for j := range c.ring {
			at := w.start.Add(-time.Duration(n-j) * logResolution)
			rate := day
			if !at.Before(p.Start) {
				rate = p.At(at)
			}
			c.ring[j] = sum // what had been written at that time
			sum += rate * logResolution.Seconds()
		}
		c.written = sum
		c.filled = n
		c.stored = math.Min(sum-c.ring[0], c.cap)
		c.deleted = sum - c.stored
	}
	for i := range w.topics {
		t := &w.topics[i]
		if t.spec.Young && t.spec.SizeBytes > 0 {
			w.classes[t.class].begin(t.spec.SizeBytes / t.spec.Scale)
		}
		unit := w.classes[t.class].stored
		if t.spec.SizeBytes <= 0 || unit <= 0 {
			continue
		}
		for j := range t.spec.Partitions {
			share := 1 / float64(t.spec.Partitions)
			switch {
			case t.spec.Sizes != nil:
				share = t.spec.Sizes[j]
			case t.spec.Shares != nil:
				share = t.spec.Shares[j]
			}
			w.parts[int(t.first)+j].bytes = share * t.spec.SizeBytes / unit
		}
	}
}

// rollLogs notes what was written, and deletes what is past its retention.
func (w *World) rollLogs() {
	for i := range w.classes {
		c := &w.classes[i]
		n := len(c.ring)
		oldest := c.ring[c.head]
		if c.filled < n {
			oldest = c.ring[(c.head-c.filled+n)%n]
			c.filled++
		}
		c.ring[c.head] = c.written
		c.head = (c.head + 1) % n
		c.trim(oldest)
	}
}

// trim deletes what was written before the mark, and what is over the size.
func (c *class) trim(mark float64) {
	kept := math.Min(c.written-mark, c.cap)
	if gone := c.stored - kept; gone > 0 {
		c.deleted += gone
		c.stored = kept
	}
}

// write adds accepted bytes per unit. What retention.bytes does not allow goes
// at once: brokers look for it every few minutes.
func (c *class) write(bytes float64) {
	c.written += bytes
	c.stored += bytes
	if over := c.stored - c.cap; over > 0 {
		c.deleted += over
		c.stored = c.cap
	}
}

// begin lets the logs have no more than so many bytes per unit yet.
func (c *class) begin(bytes float64) {
	if bytes >= c.stored {
		return
	}
	c.stored, c.deleted = bytes, c.written-bytes
	for i := range c.ring {
		c.ring[i] = math.Max(c.ring[i], c.deleted)
	}
}

// scaleRetention changes how long the class keeps data from now on.
func (c *class) scaleRetention(factor float64) {
	c.retention = time.Duration(float64(c.retention) * factor)
	n := max(int(c.retention/logResolution), 1)
	ring := make([]float64, n)
	// The newest marks are kept, oldest first from index zero.
	keep := min(n, c.filled)
	old := len(c.ring)
	for j := range keep {
		ring[j] = c.ring[((c.head-keep+j)%old+old)%old]
	}
	c.ring, c.filled, c.head = ring, keep, keep%n
	if keep > 0 && keep == n {
		c.trim(ring[0])
	}
}
