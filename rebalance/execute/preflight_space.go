package execute

import (
	"fmt"
	"slices"
)

// checkDiskSpace blocks when a destination cannot hold what the plan brings to
// it. What leaves it in the same plan does not count: the source's files are
// deleted a minute after, and the order is not known yet.
func checkDiskSpace(s situation) (Answer, string) {
	in := arriving(s.Moves)
	brokers := make([]int, 0, len(in))
	for b := range in {
		brokers = append(brokers, b)
	}
	slices.Sort(brokers)
	for _, b := range brokers {
		sizes, ok := s.Sizes.Brokers[b]
		switch {
		case !ok || sizes.Usable < 0:
			return Undecided, fmt.Sprintf("broker %d does not say how much space it has", b)
		case sizes.Usable < in[b]*growthMargin:
			return Block, fmt.Sprintf("broker %d has %v free and would receive %v", b, sizes.Usable, in[b])
		case len(sizes.Dirs) > 1:
			if why := overflow(s.Moves, b, sizes.Dirs); why != "" {
				return Block, fmt.Sprintf("broker %d: %s", b, why)
			}
		}
	}
	return Ok, ""
}
