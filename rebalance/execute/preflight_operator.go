package execute

import "fmt"

// checkTopicOperator blocks beside Strimzi's topic operator when that would
// revert throttle lists (strimzi #9972): the moves would run at full speed.
// STRIMZI_ALTERABLE_TOPIC_CONFIG, or Cruise Control's presence, stops it.
func checkTopicOperator(s situation) (Answer, string) {
	switch s.TopicOperator {
	case TopicOperatorReverts:
		return Block, "Strimzi's topic operator would revert replication throttles; " +
			"set STRIMZI_ALTERABLE_TOPIC_CONFIG to leave them alone"
	case TopicOperatorAllows:
		return Ok, ""
	case TopicOperatorUnknown:
		return Undecided, fmt.Sprintf("whether Strimzi's topic operator would revert throttles is not known: %v", s.TopicOperatorErr)
	}
	// The bidirectional operator keeps its store in topics of these names.
	for _, t := range []string{"__strimzi_store_topic", "__strimzi-topic-operator-kstreams-topic-store-changelog"} {
		if _, ok := s.View.Topics[t]; ok {
			return Block, "topic " + t + " shows that Strimzi's topic operator manages this cluster " +
				"and would revert replication throttles; say so if it does not"
		}
	}
	return Skip, "no topic operator was seen"
}
