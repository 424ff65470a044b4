package execute

import "slices"

// checkISR blocks while partitions are offline or under min.insync.replicas,
// unless the plan moves them off a dead broker and so heals them.
func checkISR(s situation) (Answer, string) {
	healing := map[TP]bool{}
	for _, m := range s.Moves {
		for _, b := range without(m.Original, m.Target) {
			if !s.View.alive(b) {
				healing[m.tp()] = true
			}
		}
	}
	var bad []TP
	for name, t := range s.View.Topics {
		for i, p := range t.Partitions {
			tp := TP{name, i}
			if len(p.Replicas) == 0 || healing[tp] {
				continue
			}
			if p.Leader < 0 || len(p.ISR) < min(t.MinISR, len(p.Replicas)) {
				bad = append(bad, tp)
			}
		}
	}
	if len(bad) > 0 {
		slices.SortFunc(bad, compareTP)
		return Block, "partitions are offline or under min.insync.replicas: " + few(bad)
	}
	return Ok, ""
}
