package execute

import "slices"

// checkForeignReassignments blocks while another tool moves partitions: its
// bytes are not in our allowances, and it may clear our throttles when it is
// done.
func checkForeignReassignments(s situation) (Answer, string) {
	var foreign []TP
	for tp := range s.View.Reassigning {
		foreign = append(foreign, tp)
	}
	if len(foreign) > 0 {
		slices.SortFunc(foreign, compareTP)
		return Block, "another tool's reassignment is in flight: " + few(foreign)
	}
	return Ok, ""
}
