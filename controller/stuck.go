package controller

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidetable/tidetable/cluster"
)

// stuckLag is the least lag that is called stuck: less is a transaction's marker
// or a commit that has not come yet.
const stuckLag = 100

// stuck are the partitions that a group has fallen behind on and reads nothing
// of, while it reads others: of a topic that it left, or where its members meet
// a record they cannot take. No replica drains them.
type stuck struct {
	topics []stuckTopic // sorted by name
}

type stuckTopic struct {
	name       string
	partitions []int // sorted
	of         int   // partitions of the topic that the group has a position on
	lag        int64
}

// stuckIn finds them. A lag that arrived within the objective's seconds is none.
func stuckIn(g *cluster.Group, topics map[string]*cluster.Topic, consumed, objective float64) stuck {
	var s stuck
	if !(consumed > 0) {
		return s // nothing is known, or nobody reads at all
	}
	by := map[string]*stuckTopic{}
	for i := range g.Partitions {
		p := &g.Partitions[i]
		t := by[p.Topic]
		if t == nil {
			t = &stuckTopic{name: p.Topic}
			by[p.Topic] = t
		}
		t.of++
		if p.ConsumedPerSecond > 0 || p.Lag < stuckLag || float64(p.Lag) <= objective*arrivingAt(p, topics) {
			continue
		}
		t.partitions = append(t.partitions, p.Partition)
		t.lag += p.Lag
	}
	for _, t := range by {
		if len(t.partitions) > 0 {
			slices.Sort(t.partitions)
			s.topics = append(s.topics, *t)
		}
	}
	slices.SortFunc(s.topics, func(a, b stuckTopic) int { return strings.Compare(a.name, b.name) })
	return s
}

func (s *stuck) topic(name string) *stuckTopic {
	for i := range s.topics {
		if s.topics[i].name == name {
			return &s.topics[i]
		}
	}
	return nil
}

func (s *stuck) holds(topic string, partition int) bool {
	t := s.topic(topic)
	if t == nil {
		return false
	}
	_, found := slices.BinarySearch(t.partitions, partition)
	return found
}

// left tells whether the group reads nothing of a topic any more.
func (s *stuck) left(topic string) bool {
	t := s.topic(topic)
	return t != nil && len(t.partitions) == t.of
}

// words name what is stuck; one line a topic.
func (s *stuck) words(group string) []string {
	var out []string
	for i := range s.topics {
		t := &s.topics[i]
		what := fmt.Sprintf("%s/%d", t.name, t.partitions[0])
		switch n := len(t.partitions); {
		case s.left(t.name):
			what = fmt.Sprintf("all %d partitions of %s", n, t.name)
		case n > 1:
			what = fmt.Sprintf("%s and %d more partitions of %s", what, n-1, t.name)
		}
		out = append(out, fmt.Sprintf(
			"group %s reads nothing of %s, %d records behind: no replica drains that, so it asks for none", group, what, t.lag,
		))
	}
	return out
}

// hotPartition is the partition to which most is written.
type hotPartition struct {
	topic     string
	partition int
	arriving  float64
}

// hotTimes is how many times its even share a partition must carry to be named.
const hotTimes = 2

// share is the part of what arrives that goes to it; 0 unless it is much more
// than an even share.
func (h hotPartition) share(arriving float64, parts int) float64 {
	if !(arriving > 0) || parts == 0 || h.arriving*float64(parts) < hotTimes*arriving {
		return 0
	}
	return h.arriving / arriving
}
