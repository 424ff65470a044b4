package execute

import "slices"

// nextStep is the next replica list on the way from current to target: one
// replica is added and one removed, so that a partition never has more than
// one replica in transit. The present leader stays first until the data is in;
// it is replaced last. When the sets are equal the step is the target itself,
// a pure reorder. The second result is the broker that is added, -1 for none.
//
//	[1 2 3] → [4 5 6], leader 1:  [1 4 3]  [1 4 5]  [4 5 6]
//
// A removed replica is chosen so that the dead go first (they give nothing
// anyway), then followers, then the leader.
func nextStep(current, target []int, leader int, alive func(int) bool) ([]int, int) {
	adding, removing := without(target, current), without(current, target)
	if len(adding) == 0 {
		return slices.Clone(target), -1
	}
	add := adding[0]
	step := make([]int, 0, len(target))
	if len(removing) == 0 { // a replica was lost; only add
		step = append(append(step, current...), add)
	} else {
		drop := removalOrder(removing, leader, alive)[0]
		for _, r := range current {
			if r == drop {
				r = add
			}
			step = append(step, r)
		}
	}
	if sameSet(step, target) && !slices.Contains(step, leader) {
		// The leader leaves with this step, and the controller will take the
		// first in the list that is in sync: the one that is wanted in the end.
		return slices.Clone(target), add
	}
	return leaderFirst(step, leader), add
}

// removalOrder sorts the replicas that must go: dead, followers, the leader.
func removalOrder(removing []int, leader int, alive func(int) bool) []int {
	out := slices.Clone(removing)
	rank := func(b int) int {
		switch {
		case !alive(b):
			return 0
		case b != leader:
			return 1
		default:
			return 2
		}
	}
	slices.SortStableFunc(out, func(a, b int) int { return rank(a) - rank(b) })
	return out
}

// leaderFirst moves the leader to the front when it is in the list.
func leaderFirst(list []int, leader int) []int {
	i := slices.Index(list, leader)
	if i <= 0 {
		return list
	}
	return append([]int{leader}, slices.Delete(slices.Clone(list), i, i+1)...)
}

// steps counts the replicas that have to be copied from current to target.
func steps(current, target []int) int { return len(without(target, current)) }

// ours tells whether a reassignment in flight is a step of ours: from a set on
// the path it adds one replica of the target and removes one that has to go.
// Whatever else is in flight on the partition was submitted by somebody else.
func ours(r Reassigning, original, target []int) bool {
	if len(r.Adding) > 1 || len(r.Removing) > 1 {
		return false
	}
	return onPath(r.Before(), original, target) && onPath(r.Target(), original, target) &&
		subset(r.Adding, target) && len(without(r.Removing, target)) == len(r.Removing)
}

// onPath tells whether a replica set can occur between original and target.
func onPath(current, original, target []int) bool {
	return subset(current, append(slices.Clone(original), target...))
}
