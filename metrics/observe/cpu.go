package observe

import (
	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/cluster"
)

// cpu shares the measured CPU of the brokers among their replicas:
//
//	leader   w = in·cᵢ + (out + (RF−1)·in)·cₒ     (the costs of capacity.PriorCPUCost,
//	follower w = in·c_f                             of which only the ratios matter here)
//	k = Σ CPU_b / Σ w, over the brokers whose CPU is known and their replicas
//	leaderCpuCores = k·w        followerCpuCores = k·w
//
// One k for the cluster makes a partition cost the same wherever it lies, which
// is what a plan to move it needs, and adds up to the CPU that was measured. A
// broker's own deviation stays visible in its usage. Without load there is
// nothing to share by, and the CPU stays unattributed.
func (m *merger) cpu() {
	prior := capacity.PriorCPUCost()
	weight := make([]float64, len(m.s.Brokers))
	m.eachPartition(func(_ *cluster.Topic, p *cluster.Partition) {
		for _, id := range p.Replicas {
			i, ok := m.brokers[id]
			switch {
			case !ok:
			case id == p.Leader:
				weight[i] += float64(prior.Leader(p.Load, len(p.Replicas)))
			default:
				weight[i] += float64(prior.Follower(p.Load))
			}
		}
	})
	cores, of := 0.0, 0.0
	for i, b := range m.s.Brokers {
		if b.Usage != nil && b.Usage.CPUCores > 0 {
			cores += float64(b.Usage.CPUCores)
			of += weight[i]
		}
	}
	if of == 0 {
		return
	}
	k := cores / of
	m.eachPartition(func(_ *cluster.Topic, p *cluster.Partition) {
		p.Load.LeaderCPUCores = cluster.Cores(k) * prior.Leader(p.Load, len(p.Replicas))
		p.Load.FollowerCPUCores = cluster.Cores(k) * prior.Follower(p.Load)
	})
}
