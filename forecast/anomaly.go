package forecast

import "math"

// cleaner looks back on samples an hour later and clips those that stand alone:
// far above everything within an hour on either side, and not seen at the same
// time of an earlier season. Until then a sample counts as it came, so a rise
// is followed at once; afterwards it is no longer next week's forecast. What
// returns at the same time of another season is a habit and is given back.
type cleaner struct {
	cut []clipped // oldest first
}

type clipped struct {
	at int
	v  float64 // as measured
}

// look judges the sample an hour before the latest one.
func (c *cleaner) look(h *history) {
	hour := max(2, h.day/hoursPerDay)
	i := h.n() - 1 - hour
	if i-hour < h.base {
		return
	}
	v := h.linear()
	x := v.at(i)
	around, like := 0.0, 0
	for j := i - hour; j <= i+hour; j++ {
		if y := v.at(j); y > x/2 {
			like++
		} else {
			around = max(around, y)
		}
	}
	if like > max(1, hour/3) || x < spikeFactor*around || x < spikeFactor*spikeFloor {
		return
	}
	if c.habit(h, i, x) {
		return
	}
	if len(c.cut) == spikeKept {
		c.cut = append(c.cut[:0], c.cut[1:]...)
	}
	c.cut = append(c.cut, clipped{i, x})
	h.setClean(i, clippedTo*around)
}

// habit says whether something like x happened within a few steps of the same
// time of an earlier season, and gives back what was clipped there.
func (c *cleaner) habit(h *history, i int, x float64) bool {
	near := max(1, h.day/tenMinutesPerDay)
	v := h.linear()
	for _, lag := range [...]int{h.day, h.week} {
		if lag == 0 {
			continue
		}
		for j := i - lag - near; j <= i-lag+near; j++ {
			if v.has(j) && v.at(j) > x/2 {
				return true
			}
		}
		for k, old := range c.cut {
			if d := old.at - (i - lag); d >= -near && d <= near && old.v > x/3 {
				if v.has(old.at) {
					h.setClean(old.at, old.v)
				}
				c.cut = append(c.cut[:k], c.cut[k+1:]...)
				return true
			}
		}
	}
	return false
}

// limited is v within ±limit.
func limited(v, limit float64) float64 { return math.Max(-limit, math.Min(v, limit)) }
