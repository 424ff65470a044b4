package world

import (
	"math"
	"time"

	"github.com/tidetable/tidetable/simulations/workload"
)

// classLog is what one unit of a class has on disk.
type classLog struct {
	retention time.Duration
	cap       float64 // bytes per unit that retention.bytes allows; +Inf is without bound
	written   float64 // bytes per unit accepted since the start
	deleted   float64
	stored    float64
	ring      []float64 // written, at every logResolution
	head      int
	filled    int
}

// logs follows what is on disk, by class.
type logs []classLog

// fill fills them with what their retention held before the start: the
// profile's own past where it has one, else its first day over again.
func (l logs) fill(from *load, start time.Time) {
	for k := range l {
		c := &l[k]
		p := from.profiles[from.classes[k].profile]
		n := max(int(c.retention/logResolution), 1)
		c.ring = make([]float64, n)
		day := p.Mean(start, start.Add(24*time.Hour))
		sum := 0.0
		for j := range c.ring {
			at := start.Add(-time.Duration(n-j) * logResolution)
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
}

// roll notes what was written, and deletes what is past its retention.
func (l logs) roll() {
	for k := range l {
		c := &l[k]
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
func (c *classLog) trim(mark float64) {
	kept := math.Min(c.written-mark, c.cap)
	if gone := c.stored - kept; gone > 0 {
		c.deleted += gone
		c.stored = kept
	}
}

// write adds accepted bytes per unit. What retention.bytes does not allow goes
// at once: brokers look for it every few minutes.
func (c *classLog) write(bytes float64) {
	c.written += bytes
	c.stored += bytes
	if over := c.stored - c.cap; over > 0 {
		c.deleted += over
		c.stored = c.cap
	}
}

// begin lets the logs have no more than so many bytes per unit yet.
func (c *classLog) begin(bytes float64) {
	if bytes >= c.stored {
		return
	}
	c.stored, c.deleted = bytes, c.written-bytes
	for i := range c.ring {
		c.ring[i] = math.Max(c.ring[i], c.deleted)
	}
}

// scaleRetention changes how long the class keeps data from now on.
func (c *classLog) scaleRetention(factor float64) {
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

// at is what one unit of the class will hold at t, of what is written by its
// profile from now on: what its retention spans, and no more than that on top of
// what there is now.
func (c *classLog) at(p *workload.Profile, now, t time.Time) float64 {
	spans := func(t time.Time) float64 { return math.Min(written(p, t.Add(-c.retention), t), c.cap) }
	v, today := spans(t), spans(now)
	if c.stored > today && today > 0 {
		return v * c.stored / today
	}
	return math.Min(v, c.stored+written(p, now, t))
}

// written is what a profile writes between two times, by sums of pieces.
func written(p *workload.Profile, from, to time.Time) float64 {
	span := to.Sub(from)
	if span <= 0 {
		return 0
	}
	n := min(max(int(span/logResolution), 1), writtenPieces)
	sum, piece := 0.0, span/time.Duration(n)
	for i := range n {
		sum += p.At(from.Add(time.Duration(i)*piece + piece/2))
	}
	return sum * span.Seconds() / float64(n)
}
