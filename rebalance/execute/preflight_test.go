package execute

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/tidetable/tidetable/cluster"
)

// calm is a situation in which every check is content.
func calm() situation {
	return situation{
		Moves:     []Move{{Topic: "t", Original: []int{0, 1, 2}, Target: []int{3, 1, 2}, Size: 100}},
		View:      judgeView(PartitionView{Replicas: []int{0, 1, 2}, ISR: []int{0, 1, 2}, Leader: 0}),
		Sizes:     Sizes{Brokers: map[int]BrokerSizes{3: {Usable: 1000, Total: 2000}}},
		Throttles: Throttles{Rates: map[RateOn]cluster.BytesPerSecond{}, Entries: map[Entry]bool{}, Wild: map[string]bool{}},
	}
}

func TestPreflightRefusesWithAReason(t *testing.T) {
	for _, c := range []struct {
		check  string
		change func(*situation)
		answer Answer
		why    string
	}{
		{"plan", func(s *situation) {}, Ok, ""},
		{"plan", func(s *situation) { s.Moves = nil }, Skip, "nothing"},
		{"plan", func(s *situation) { s.Moves[0].Target = []int{3, 1} }, Block, "from 3 to 2 replicas"},
		{"plan", func(s *situation) { s.Moves[0].Target = []int{3, 1, 1} }, Block, "twice"},
		{"plan", func(s *situation) { s.Drain = []int{1} }, Block, "to be drained"},
		{"brokers", func(s *situation) {}, Ok, ""},
		{"brokers", func(s *situation) { s.View.Brokers[3] = BrokerView{} }, Block, "[3] are not alive"},
		{"brokers", func(s *situation) { s.View.Brokers = nil }, Undecided, "no brokers"},
		{"in-sync-replicas", func(s *situation) {}, Ok, ""},
		{"in-sync-replicas", func(s *situation) {
			s.View.Topics["u"] = TopicView{MinISR: 2, Partitions: []PartitionView{{Replicas: []int{0, 1, 2}, ISR: []int{0}, Leader: 0}}}
		}, Block, "u-0"},
		{"in-sync-replicas", func(s *situation) {
			s.View.Topics["u"] = TopicView{MinISR: 1, Partitions: []PartitionView{{Replicas: []int{0, 1, 2}, ISR: []int{0}, Leader: -1}}}
		}, Block, "offline"},
		{"in-sync-replicas", func(s *situation) { // the plan takes the dead broker out: it heals
			s.View.Brokers[0] = BrokerView{}
			s.View.Topics["t"] = TopicView{MinISR: 3, Partitions: []PartitionView{{Replicas: []int{0, 1, 2}, ISR: []int{1, 2}, Leader: 1}}}
		}, Ok, ""},
		{"foreign-reassignments", func(s *situation) {}, Ok, ""},
		{"foreign-reassignments", func(s *situation) { s.View.Reassigning[TP{"x", 3}] = Reassigning{} }, Block, "x-3"},
		{"foreign-throttles", func(s *situation) {}, Ok, ""},
		{"foreign-throttles", func(s *situation) { s.Throttles.Rates[RateOn{4, LeaderSide}] = 5 }, Block,
			"leader.replication.throttled.rate on broker 4"},
		{"foreign-throttles", func(s *situation) {
			s.Throttles.Rates[RateOn{4, LeaderSide}] = 5
			s.Owned.Rates = []RateOn{{4, LeaderSide}}
		}, Ok, ""},
		{"foreign-throttles", func(s *situation) { s.Throttles.Entries[Entry{"t", FollowerSide, 0, 1}] = true }, Block,
			"follower.replication.throttled.replicas on topic t"},
		{"foreign-throttles", func(s *situation) { s.Throttles.Wild["t"] = true }, Block, "every replica of topic t"},
		{"topic-operator", func(s *situation) {}, Skip, ""},
		{"topic-operator", func(s *situation) { s.TopicOperator = TopicOperatorReverts }, Block, "would revert"},
		{"topic-operator", func(s *situation) { s.View.Topics["__strimzi_store_topic"] = TopicView{} }, Block, "__strimzi_store_topic"},
		{"topic-operator", func(s *situation) {
			s.View.Topics["__strimzi_store_topic"] = TopicView{}
			s.TopicOperator = TopicOperatorAllows
		}, Ok, ""},
		{"topic-operator", func(s *situation) {
			s.TopicOperator, s.TopicOperatorErr = TopicOperatorUnknown, errors.New("no right to read it")
		}, Undecided, "no right to read it"},
		{"disk-space", func(s *situation) {}, Ok, ""},
		{"disk-space", func(s *situation) { s.Sizes.Brokers[3] = BrokerSizes{Usable: 104} }, Block, "would receive"},
		{"disk-space", func(s *situation) { s.Sizes.Brokers[3] = BrokerSizes{Usable: -1} }, Undecided, "does not say"},
		{"disk-space", func(s *situation) { s.Sizes.Brokers = nil }, Undecided, "does not say"},
		{"disk-space", func(s *situation) { // 150 free in all, and the replica of 100 fits neither half
			s.Sizes.Brokers[3] = BrokerSizes{Usable: 150, Dirs: []Dir{{"/a", 4, 75, 0}, {"/b", 3, 75, 1}}}
		}, Block, "t-0 of 100 B would go to /b"},
		{"disk-space", func(s *situation) { // there is room, where Kafka does not put it
			s.Sizes.Brokers[3] = BrokerSizes{Usable: 1050, Dirs: []Dir{{"/a", 4, 1000, 0}, {"/b", 3, 50, 1}}}
		}, Block, "fewest replicas"},
		{"disk-space", func(s *situation) {
			s.Sizes.Brokers[3] = BrokerSizes{Usable: 1050, Dirs: []Dir{{"/a", 3, 1000, 0}, {"/b", 4, 50, 1}}}
		}, Ok, ""},
		{"disk-space", func(s *situation) { // both go to the directory with fewer replicas
			s.Moves = append(s.Moves, Move{Topic: "t", Partition: 1, Original: []int{0, 1, 2}, Target: []int{0, 1, 3}, Size: 60})
			s.Sizes.Brokers[3] = BrokerSizes{Usable: 250, Dirs: []Dir{{"/a", 3, 230, 0}, {"/b", 5, 10, 1}}}
		}, Ok, ""},
		{"disk-space", func(s *situation) {
			s.Moves = append(s.Moves, Move{Topic: "t", Partition: 1, Original: []int{0, 1, 2}, Target: []int{0, 1, 3}, Size: 60})
			s.Sizes.Brokers[3] = BrokerSizes{Usable: 240, Dirs: []Dir{{"/a", 4, 200, 0}, {"/b", 4, 40, 1}}}
		}, Block, "/b"},
		{"log-directories", func(s *situation) {}, Ok, ""},
		{"log-directories", func(s *situation) { s.Sizes.Offline = map[int][]string{9: {"/b"}} }, Ok, ""},
		{"log-directories", func(s *situation) { s.Sizes.Offline = map[int][]string{3: {"/b"}} }, Block, "broker 3 has log directories offline: /b"},
		{"leave", func(s *situation) {}, Skip, ""},
		{"leave", func(s *situation) { s.MayAsked = true }, Ok, ""},
		{"leave", func(s *situation) { s.MayAsked, s.May = true, errors.New("the window is closed") }, Block, "the window is closed"},
	} {
		s := calm()
		c.change(&s)
		findings := preflight(s)
		i := slices.IndexFunc(findings, func(f Finding) bool { return f.Check == c.check })
		if i < 0 {
			t.Fatalf("there is no check %s", c.check)
		}
		f := findings[i]
		if f.Answer != c.answer || !strings.Contains(f.Why, c.why) {
			t.Errorf("%s: %q (%s), want %q (%s)", c.check, f.Answer, f.Why, c.answer, c.why)
		}
		err := Refusal([]Finding{f})
		if refused := c.answer == Block || c.answer == Undecided; refused != errors.Is(err, ErrRefused) {
			t.Errorf("%s %q: refusal is %v", c.check, f.Answer, err)
		}
	}
	if err := Refusal(preflight(calm())); err != nil {
		t.Errorf("a calm cluster is refused: %v", err)
	}
}
