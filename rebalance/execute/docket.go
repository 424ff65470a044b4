package execute

import (
	"fmt"
	"slices"
	"time"

	"github.com/tidetable/tidetable/cluster"
)

// docket is what is to be remembered of a run's moves between two polls.
type docket struct {
	settled   map[TP]bool // moves with nothing left to do
	verified  bool        // every settled move was looked at again
	unwritten bool        // a move was dropped or given another target, and that is not written down yet
	excess    map[TP]bool // partitions seen with more replicas than they should have
}

// open is the run's moves that are neither settled nor given up.
func (d *docket) open(run Run) []Move {
	var out []Move
	for _, mv := range run.Moves {
		if mv.Dropped == "" && !d.settled[mv.tp()] {
			out = append(out, mv)
		}
	}
	return out
}

// verdicts sorts one poll's rulings by what is to be done.
type verdicts struct {
	running, cands, later []copying
	steps                 map[TP]judgement
	excess                map[TP]bool
	reorder, elect        []Target
	revert                []TP
	open                  int // moves that are not settled
	waiting               string
	foreign               []TP
	total, left           cluster.Bytes
	movesDone             int
}

// rule judges every open move of the run. A move that is given up or gets
// another target is changed in the run.
func (d *docket) rule(run *Run, view View, s *sight, now time.Time, story *narrator) verdicts {
	v := verdicts{steps: map[TP]judgement{}, excess: map[TP]bool{}}
	r := rules{draining: run.Drain, gone: s.down.gone(now), back: run.Back}
	known := map[TP]bool{}
	for i := range run.Moves {
		mv := &run.Moves[i]
		known[mv.tp()] = true
		if mv.Dropped != "" {
			continue
		}
		whole := mv.Size * cluster.Bytes(steps(mv.source(run.Back), mv.target(run.Back)))
		v.total += whole
		if d.settled[mv.tp()] {
			v.movesDone++
			continue
		}
		j := judge(*mv, view, r)
		if j.Ruling == rulingReplan || j.Ruling == rulingDrop {
			j = change(run, mv, view, j, story)
			d.unwritten = true
			if mv.Dropped != "" {
				v.total -= whole
				continue
			}
		}
		if j.Ruling == rulingDone {
			d.settled[mv.tp()] = true
			v.movesDone++
			continue
		}
		v.open++
		if j.Ruling == rulingSubmit && j.Add < 0 {
			// Seen twice, so that it is no move that began or ended between two
			// requests of one look.
			v.excess[mv.tp()] = true
			if !d.excess[mv.tp()] {
				continue
			}
		}
		story.about(mv.tp(), j.Why)
		v.place(i, *mv, run.Back, j, view, s)
	}
	for tp := range view.Reassigning {
		if !known[tp] {
			v.foreign = append(v.foreign, tp)
		}
	}
	slices.SortFunc(v.foreign, compareTP)
	d.excess = v.excess
	return v
}

// change drops a move or gives it another target. What it becomes is judged at
// the next poll.
func change(run *Run, mv *Move, view View, j judgement, story *narrator) judgement {
	if j.Ruling == rulingReplan && !run.Back {
		next, ok, why := replan(*mv, view, run.Drain, targetLoads(run.Moves))
		if ok {
			story.emit(Event{Kind: EventReplan, Partitions: 1,
				Text: fmt.Sprintf("%s: %s; its target is now %v instead of %v", mv.tp(), j.Why, next.Target, mv.Target)})
			*mv = next
			return judgement{Ruling: rulingHold, Why: j.Why}
		}
		j.Why += ": " + why
	}
	mv.Dropped = j.Why
	story.emit(Event{Kind: EventDrop, Partitions: 1, Text: fmt.Sprintf("%s: %s", mv.tp(), j.Why)})
	return judgement{Ruling: rulingDrop, Why: j.Why}
}

// targetLoads is the bytes that each broker holds or will.
func targetLoads(moves []Move) map[int]cluster.Bytes {
	load := map[int]cluster.Bytes{}
	for _, mv := range moves {
		for _, b := range mv.Target {
			load[b] += mv.Size
		}
	}
	return load
}

// place puts one ruling where it will be acted on.
func (v *verdicts) place(i int, mv Move, back bool, j judgement, view View, s *sight) {
	tp := mv.tp()
	p, _ := view.Partition(tp)
	target := mv.target(back)
	if j.Why != "" && v.waiting == "" {
		v.waiting = tp.String() + ": " + j.Why
	}
	size := max(mv.Size, s.leaderSize(tp, p))
	re, moving := view.Reassigning[tp]
	missing := without(target, p.Replicas)
	if moving {
		missing = without(target, re.Target())
	}
	v.left += size * cluster.Bytes(len(missing))
	c := copying{move: i, tp: tp, from: p.Leader, to: -1, left: size, incoming: s.growth.rate(tp), internal: mv.Internal, heals: j.Heals}
	switch j.Ruling {
	case rulingSubmit:
		v.steps[tp] = j
		if j.Add < 0 {
			v.reorder = append(v.reorder, Target{TP: tp, Replicas: j.Step, Shrinks: true})
			return
		}
		c.to = j.Add
		v.cands = append(v.cands, c)
		missing = without(missing, []int{j.Add})
	case rulingRunning:
		if len(re.Adding) > 0 {
			c.to = re.Adding[0]
			done, _ := s.sizes.of(tp, c.to)
			c.left = max(size-done, 0)
			v.left += c.left
			v.running = append(v.running, c)
		}
	case rulingRevert:
		v.revert = append(v.revert, tp)
	case rulingReorder:
		v.reorder = append(v.reorder, Target{TP: tp, Replicas: j.Step})
	case rulingElect:
		v.elect = append(v.elect, Target{TP: tp, Replicas: target})
	}
	for _, b := range missing {
		later := c
		later.to, later.left = b, size
		v.later = append(v.later, later)
	}
}
