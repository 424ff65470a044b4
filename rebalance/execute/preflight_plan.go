package execute

import (
	"fmt"
	"slices"
)

// checkPlan blocks a plan that would change a replication factor, name a
// broker twice or bring data to a broker that is being drained.
func checkPlan(s situation) (Answer, string) {
	if len(s.Moves) == 0 {
		return Skip, "nothing to move"
	}
	for _, m := range s.Moves {
		if len(m.Target) != len(m.Original) {
			return Block, fmt.Sprintf("%s would go from %d to %d replicas; replication factors are not changed by a move", m.tp(),
				len(m.Original), len(m.Target))
		}
		sorted := slices.Sorted(slices.Values(m.Target))
		if len(slices.Compact(sorted)) != len(m.Target) {
			return Block, fmt.Sprintf("%s names a broker twice: %v", m.tp(), m.Target)
		}
		for _, b := range s.Drain {
			if slices.Contains(m.Target, b) {
				return Block, fmt.Sprintf("%s would stay on broker %d, which is to be drained", m.tp(), b)
			}
		}
	}
	return Ok, ""
}
