package observe

import "github.com/tidetable/tidetable/cluster"

// The price of a byte in CPU, until a fit on the cluster's own history says
// otherwise: one vCPU takes 5 MiB/s in and 15 MiB/s out (the prior of
// docs/formulas.md), and a follower, which only appends batches its leader has
// already checked, half of what the leader pays for a byte in. Only the ratios
// matter here: they share out CPU that was measured.
const (
	coresPerByteIn       = 1.0 / (5 << 20)
	coresPerByteOut      = 1.0 / (15 << 20)
	coresPerByteFollowed = coresPerByteIn / 2
)

// cpu shares the measured CPU of the brokers among their replicas:
//
//	leader   w = in·cᵢ + (out + (RF−1)·in)·cₒ
//	follower w = in·c_f
//	k = Σ CPU_b / Σ w, over the brokers whose CPU is known and their replicas
//	leaderCpuCores = k·w        followerCpuCores = k·w
//
// One k for the cluster makes a partition cost the same wherever it lies, which
// is what a plan to move it needs, and adds up to the CPU that was measured. A
// broker's own deviation stays visible in its usage. Without load there is
// nothing to share by, and the CPU stays unattributed.
func (m *merger) cpu() {
	weight := make([]float64, len(m.s.Brokers))
	m.eachPartition(func(_ *cluster.Topic, p *cluster.Partition) {
		for _, id := range p.Replicas {
			i, ok := m.brokers[id]
			switch {
			case !ok:
			case id == p.Leader:
				weight[i] += leaderWeight(p)
			default:
				weight[i] += followerWeight(p)
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
		p.Load.LeaderCPUCores = cluster.Cores(k * leaderWeight(p))
		p.Load.FollowerCPUCores = cluster.Cores(k * followerWeight(p))
	})
}

func leaderWeight(p *cluster.Partition) float64 {
	f := p.Load.Leader(len(p.Replicas))
	return float64(f.NetworkIn)*coresPerByteIn + float64(f.NetworkOut)*coresPerByteOut
}

func followerWeight(p *cluster.Partition) float64 {
	return float64(p.Load.Follower().NetworkIn) * coresPerByteFollowed
}
