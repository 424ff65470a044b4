package execute

import (
	"fmt"
	"slices"
)

// checkBrokers blocks a plan with a destination that is not registered or not
// alive. The controller accepts a registered broker that is dead, and then
// waits for it for ever.
func checkBrokers(s situation) (Answer, string) {
	if len(s.View.Brokers) == 0 {
		return Undecided, "no brokers in the metadata"
	}
	var missing []int
	for b := range arriving(s.Moves) {
		if !s.View.alive(b) {
			missing = append(missing, b)
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		return Block, fmt.Sprintf("destination brokers %v are not alive", missing)
	}
	return Ok, ""
}
