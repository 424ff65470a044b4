package execute

import (
	"fmt"
	"slices"
	"strings"
)

// checkDirectories blocks while a broker that gives or receives has a log directory
// that is offline: its replicas there are gone for now, and Kafka gives what comes
// to the directories that are left.
func checkDirectories(s situation) (Answer, string) {
	var brokers []int
	for b := range s.Sizes.Offline {
		if slices.ContainsFunc(s.Moves, func(m Move) bool { return slices.Contains(m.Target, b) || slices.Contains(m.Original, b) }) {
			brokers = append(brokers, b)
		}
	}
	if len(brokers) == 0 {
		return Ok, ""
	}
	slices.Sort(brokers)
	return Block, fmt.Sprintf("broker %d has log directories offline: %s", brokers[0], strings.Join(s.Sizes.Offline[brokers[0]], ", "))
}

// overflow tells which replica would not fit the directory that Kafka gives it to;
// "" when all do. Kafka picks the directory with the fewest replicas and looks at no
// size; of several the one with least room is assumed.
func overflow(moves []Move, broker int, dirs []Dir) string {
	dirs = slices.Clone(dirs)
	for _, m := range moves {
		if !slices.Contains(m.Target, broker) || slices.Contains(m.Original, broker) {
			continue
		}
		to := 0
		for k, d := range dirs {
			if d.Replicas < dirs[to].Replicas || d.Replicas == dirs[to].Replicas && d.Usable < dirs[to].Usable {
				to = k
			}
		}
		need := m.Size * growthMargin
		if dirs[to].Usable < need {
			return fmt.Sprintf(
				"%s of %v would go to %s, which has the fewest replicas and %v free",
				m.tp(),
				m.Size,
				dirs[to].Path,
				dirs[to].Usable,
			)
		}
		dirs[to].Replicas++
		for k := range dirs {
			if dirs[k].Volume == dirs[to].Volume {
				dirs[k].Usable -= need
			}
		}
	}
	return ""
}
