package controller

import (
	"github.com/tidetable/tidetable/capacity/outlook"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/policy"
)

// GroupsOf is the policy's groups as the snapshot shows them, for a plan: what
// arrives is raised to the cluster's peak where one is known.
func GroupsOf(s policy.Spec, snap cluster.Snapshot, peakBytesIn float64) []outlook.Group {
	produced := 0.0
	for i := range snap.Topics {
		for _, p := range snap.Topics[i].Partitions {
			produced += float64(p.Load.BytesInPerSecond)
		}
	}
	raise := 1.0
	if produced > 0 && peakBytesIn > produced {
		raise = peakBytesIn / produced
	}
	var out []outlook.Group
	for _, g := range groupsOf(&snap, s.Consumers, nil) {
		c := g.Policy
		o := outlook.Group{Name: c.Group, PerReplica: c.PerReplica, Utilisation: c.Utilisation, Min: c.Min, Max: c.Max}
		if !g.Missing {
			arriving := g.arriving
			if !g.measured {
				arriving = g.consumed
			}
			o.Arriving, o.Partitions, o.Now = arriving*raise, g.parts, g.Replicas
			if o.PerReplica == 0 && o.Now > 0 {
				o.PerReplica, o.AtLeast = g.consumed/float64(o.Now), true
			}
		}
		out = append(out, o)
	}
	return out
}
