package rebalance

import (
	"fmt"

	"github.com/tidetable/tidetable/cluster"
)

// roomOfDirectories is what a replica that comes to each broker may take: of a broker
// with several log directories, what is free in the one that Kafka gives it to. One
// with a directory offline takes nothing. It is nil where no broker has several.
func roomOfDirectories(bs []cluster.Broker) []float64 {
	var out []float64
	for b := range bs {
		room := inf
		if d, ok := bs[b].NextDirectory(); ok {
			room = float64(d.Free)
		}
		if bs[b].OfflineDirectory() != "" {
			room = -1
		}
		if room == inf {
			continue
		}
		if out == nil {
			out = make([]float64, len(bs))
			for k := range out {
				out[k] = inf
			}
		}
		out[b] = room
	}
	return out
}

// takes tells whether broker b has a directory for partition i, or has it already.
func (p *problem) takes(b int32, i int) bool {
	return p.room == nil || p.size[i] <= p.room[b] || contains(p.replicas(p.orig, i), b)
}

// offlineDirectories names the brokers that get nothing for a directory's sake.
func offlineDirectories(s cluster.Snapshot) (out []string) {
	for i := range s.Brokers {
		if dir := s.Brokers[i].OfflineDirectory(); dir != "" && s.Brokers[i].State == cluster.BrokerAlive {
			out = append(
				out,
				fmt.Sprintf("log directory %s of broker %d is offline: nothing is moved to that broker", dir, s.Brokers[i].ID),
			)
		}
	}
	return out
}
