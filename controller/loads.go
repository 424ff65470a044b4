package controller

import (
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/decision"
)

// shown is the loads as a Decision shows them.
func shown(loads []cluster.BrokerLoad) []decision.BrokerLoad {
	out := make([]decision.BrokerLoad, len(loads))
	for i, b := range loads {
		out[i] = decision.BrokerLoad{
			ID:          b.Broker.ID,
			Zone:        b.Broker.Zone,
			State:       b.Broker.State,
			Utilisation: map[cluster.Resource]cluster.Ratio{},
		}
		for _, r := range cluster.Balanced() {
			if u, ok := b.Utilisation(r); ok {
				out[i].Utilisation[r] = u
			}
		}
	}
	return out
}

// fairShare is what all alive brokers use together of what they have together.
func fairShare(loads []cluster.BrokerLoad) map[cluster.Resource]cluster.Ratio {
	out := map[cluster.Resource]cluster.Ratio{}
	for _, r := range cluster.Balanced() {
		if u, ok := cluster.Utilisation(loads, r); ok {
			out[r] = u
		}
	}
	return out
}
