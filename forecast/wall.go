package forecast

import (
	"math"
	"sync"
	"time"
)

// wall counts the steps of a series by the clock on the wall: people and their
// jobs follow it through the nights in which it changes, and so do seasons. An
// hour that is left out is a gap; of one that comes twice the second is left
// out. Without a zone it counts what it is given.
type wall struct {
	zone  *time.Location // nil: UTC
	start time.Time
	step  time.Duration
	base  int // seconds east of UTC at start
}

func newWall(zone *time.Location, start time.Time, step time.Duration) wall {
	w := wall{start: start, step: step}
	if zone != nil && zone != time.UTC && zone.String() != "UTC" {
		w.zone = zone
		_, w.base = start.In(zone).Zone()
	}
	return w
}

// shift is by how many steps the clock differs at t from what it did at start.
func (w *wall) shift(t time.Time) int {
	if w.zone == nil {
		return 0
	}
	_, east := t.In(w.zone).Zone()
	return int(time.Duration(east-w.base) * time.Second / w.step)
}

// index is where the i-th sample lies on the wall.
func (w *wall) index(i int) int { return i + w.shift(w.start.Add(time.Duration(i)*w.step)) }

// timeAt is the time of a step on the wall; of an hour that was left out, the
// time it would have been.
func (w *wall) timeAt(i int) time.Time {
	t := w.start.Add(time.Duration(i) * w.step)
	if k := w.shift(t); k != 0 {
		return t.Add(-time.Duration(w.shift(t.Add(-time.Duration(k)*w.step))) * w.step)
	}
	return t
}

// local puts samples, the first of which is the from-th, on the wall's steps.
func (w *wall) local(samples []float64, from int) []float64 {
	if w.zone == nil {
		return samples
	}
	first := w.index(from)
	out := make([]float64, 0, len(samples))
	for k, v := range samples {
		i := w.index(from+k) - first
		for len(out) < i {
			out = append(out, math.NaN())
		}
		if i == len(out) {
			out = append(out, v)
		}
	}
	return out
}

// ruleZones are looked through where no zone is told: one for each rule by
// which clocks change. Which of the places it is does not matter.
var ruleZones = sync.OnceValue(func() (out []*time.Location) {
	for _, name := range []string{
		"Europe/Berlin", "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "Australia/Sydney",
	} {
		if z, err := time.LoadLocation(name); err == nil {
			out = append(out, z)
		}
	}
	return out
})

const (
	// clockShown is the least after a change of clocks that can show that a load
	// follows it.
	clockShown = 15 * time.Hour
	// clockGain is by how much less the load must differ from the week before by
	// the wall's clock than by UTC.
	clockGain = 0.3
	// clockWeeks is how many weeks before must all say so.
	clockWeeks = 3
)

// findZone is a zone whose clock the samples follow through a change of it, nil
// when they follow none, or no change is among them.
func findZone(start time.Time, step time.Duration, samples []float64) *time.Location {
	end := start.Add(time.Duration(len(samples)) * step)
	var best *time.Location
	least := 1 - clockGain
	for _, z := range ruleZones() {
		// A change counts while the week that is compared spans it.
		changed, _ := end.In(z).ZoneBounds()
		from := int(changed.Sub(start)/step) + 1
		if !changed.After(start) || len(samples)-from < int(clockShown/step) {
			continue
		}
		w := newWall(z, start, step)
		if r := w.mismatch(samples, from); r < least {
			best, least = z, r
		}
	}
	return best
}

// mismatch is how much samples from an index on, a week of them at most, differ
// from those before by the wall's clock, over what they do by UTC: the largest
// of what the last weeks say, or the day where there is no week. It is 1 when
// nothing can be compared.
func (w *wall) mismatch(samples []float64, from int) float64 {
	moved := w.shift(w.start.Add(time.Duration(from)*w.step)) - w.shift(w.start.Add(time.Duration(from-2)*w.step))
	if moved == 0 {
		return 1
	}
	season, most := int(7*day/w.step), 0.0
	until := min(from+season-max(moved, -moved), len(samples))
	for lag := season; lag <= clockWeeks*season && from-lag >= max(moved, -moved); lag += season {
		most = max(most, w.apart(samples[:until], from, lag, moved))
	}
	if most == 0 && from > 2*season/7 {
		until = min(from+season/7-max(moved, -moved), len(samples))
		most = w.apart(samples[:until], from, season/7, moved)
	}
	if most == 0 {
		return 1
	}
	return most
}

// apart is the ratio for one distance.
func (w *wall) apart(samples []float64, from, lag, moved int) float64 {
	var byWall, byUTC float64
	for i := from; i < len(samples); i++ {
		plain, local := samples[i-lag], samples[i-lag+moved]
		if v := samples[i]; v == v && plain == plain && local == local {
			byWall += math.Abs(v - local)
			byUTC += math.Abs(v - plain)
		}
	}
	if byUTC == 0 {
		return 1
	}
	return byWall / byUTC
}
