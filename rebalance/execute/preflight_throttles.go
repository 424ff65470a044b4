package execute

import (
	"fmt"
	"slices"
)

// checkForeignThrottles blocks while throttles that are not ours are set: to
// raise them would break what somebody else relies on, and to move under them
// would take for ever.
func checkForeignThrottles(s situation) (Answer, string) {
	var rates []RateOn
	for r := range s.Throttles.Rates {
		if !slices.Contains(s.Owned.Rates, r) {
			rates = append(rates, r)
		}
	}
	if len(rates) > 0 {
		slices.SortFunc(rates, compareRates)
		return Block, fmt.Sprintf("somebody else has set %s on broker %d", rates[0].Side.RateKey(), rates[0].Broker)
	}
	for topic := range s.Throttles.Wild {
		return Block, fmt.Sprintf("somebody else throttles every replica of topic %s", topic)
	}
	var entries []Entry
	for e := range s.Throttles.Entries {
		if !slices.Contains(s.Owned.Entries, e) {
			entries = append(entries, e)
		}
	}
	if len(entries) > 0 {
		slices.SortFunc(entries, compareEntries)
		return Block, fmt.Sprintf("somebody else has set %s on topic %s", entries[0].Side.ListKey(), entries[0].Topic)
	}
	return Ok, ""
}
