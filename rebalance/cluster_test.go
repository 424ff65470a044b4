package rebalance

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tidetable/tidetable/cluster"
)

// shape says what a random cluster looks like.
type shape struct {
	brokers, zones, rf, topics int
	uneven                     bool // brokers of different size
	crowded                    bool // half the partitions on a quarter of the brokers
	brokenZones                bool
	drifted                    bool // a third led by another replica than the preferred
	draining, dead, empty      int
}

// randomCluster makes a cluster with heavy-tailed topics.
func randomCluster(seed uint64, sh shape) cluster.Snapshot {
	rng := rand.New(rand.NewPCG(seed, 7))
	s := cluster.Snapshot{Version: cluster.SnapshotVersion, ClusterID: fmt.Sprint("random-", seed)}
	for b := range sh.brokers + sh.empty {
		size := 1.0
		if sh.uneven {
			size = []float64{0.75, 1, 1.5}[rng.IntN(3)]
		}
		s.Brokers = append(s.Brokers, cluster.Broker{ID: b + 1, Zone: fmt.Sprint("zone-", b%sh.zones), State: cluster.BrokerAlive,
			Capacity: cluster.Capacity{CPUCores: cluster.Cores(8 * size), NetworkInBytesPerSecond: cluster.BytesPerSecond(1.25e9 * size),
				NetworkOutBytesPerSecond: cluster.BytesPerSecond(1.25e9 * size), DiskBytes: cluster.Bytes(4e12 * size),
				DiskBytesPerSecond: cluster.BytesPerSecond(1e9 * size)}})
	}
	for t := range sh.topics {
		s.Topics = append(s.Topics, randomTopic(rng, sh, t))
	}
	scaleToHalf(s, sh.brokers)
	for _, b := range rng.Perm(sh.brokers)[:sh.draining+sh.dead] {
		s.Brokers[b].State = cluster.BrokerDraining
		if sh.dead > 0 {
			sh.dead--
			s.Brokers[b].State = cluster.BrokerDead
		}
	}
	leaveDead(s)
	return s
}

func randomTopic(rng *rand.Rand, sh shape, t int) cluster.Topic {
	out := cluster.Topic{Name: fmt.Sprintf("topic-%03d", t), Config: map[string]string{}}
	rate, fan, days := math.Exp(1.5*rng.NormFloat64()), float64(rng.IntN(5)), 3*rng.Float64()
	for i := range 1 + rng.IntN(16) {
		first := rng.IntN(sh.brokers)
		if sh.crowded && rng.IntN(2) == 0 {
			first = rng.IntN(max(1, sh.brokers/4))
		}
		var reps []int
		for k := 0; len(reps) < sh.rf; k++ {
			b := (first + k) % sh.brokers
			if sh.brokenZones && rng.IntN(4) == 0 {
				b = rng.IntN(sh.brokers)
			}
			if !slices.Contains(reps, b+1) {
				reps = append(reps, b+1)
			}
		}
		lead := reps[0]
		if sh.drifted && rng.IntN(3) == 0 {
			lead = reps[len(reps)-1]
		}
		in := rate * math.Exp(0.4*rng.NormFloat64())
		out.Partitions = append(out.Partitions, cluster.Partition{Partition: i, Replicas: reps, ISR: append([]int(nil), reps...),
			Leader: lead, Load: cluster.Load{
				BytesInPerSecond: cluster.BytesPerSecond(in), BytesOutPerSecond: cluster.BytesPerSecond(in * fan),
				LeaderCPUCores: cluster.Cores(0.5*in + 0.25*in*fan), FollowerCPUCores: cluster.Cores(0.25 * in),
				SizeBytes: cluster.Bytes(in * days * (0.5 + rng.Float64())),
			}})
	}
	return out
}

// scaleToHalf sets the load to half of the brokers' capacity, and no partition
// above a tenth of a broker.
func scaleToHalf(s cluster.Snapshot, brokers int) {
	p := newProblem(s, Options{})
	factor := func(r int, of float64) float64 {
		capacity := 0.0
		for b := range brokers {
			capacity += p.capacity[b*p.nd+r]
		}
		return of * capacity / max(p.total[r], 1e-12)
	}
	io, cpu, size := factor(networkOutIndex, 0.3), factor(cpuIndex, 0.4), factor(diskIndex, 0.5)
	for _, t := range s.Topics {
		for i := range t.Partitions {
			l := &t.Partitions[i].Load
			l.BytesInPerSecond = min(l.BytesInPerSecond*cluster.BytesPerSecond(io), 2e7)
			l.BytesOutPerSecond = min(l.BytesOutPerSecond*cluster.BytesPerSecond(io), 6e7)
			l.LeaderCPUCores = min(l.LeaderCPUCores*cluster.Cores(cpu), 0.5)
			l.FollowerCPUCores = min(l.FollowerCPUCores*cluster.Cores(cpu), 0.2)
			l.SizeBytes = cluster.Bytes(math.Round(min(float64(l.SizeBytes)*size, 2e11)))
		}
	}
}

// leaveDead takes dead brokers out of ISR and leadership.
func leaveDead(s cluster.Snapshot) {
	dead := map[int]bool{}
	for _, b := range s.Brokers {
		dead[b.ID] = b.State == cluster.BrokerDead
	}
	for _, t := range s.Topics {
		for i := range t.Partitions {
			q := &t.Partitions[i]
			q.ISR = slices.DeleteFunc(q.ISR, func(b int) bool { return dead[b] })
			if dead[q.Leader] {
				q.Leader = -1
				if len(q.ISR) > 0 {
					q.Leader = q.ISR[0]
				}
			}
		}
	}
}

// underRaceOnly is full, or few under the race detector, where a search takes
// twenty to thirty times as long and a second input shows it nothing new. The
// rules are held to the full number by go test without -race.
func underRaceOnly(t *testing.T, few, full int, what string) int {
	t.Helper()
	if !underRace {
		return full
	}
	t.Logf("%d of %d %s under the race detector, which slows the search 25 times; go test ./rebalance takes all", few, full, what)
	return few
}

func mustPlan(t testing.TB, s cluster.Snapshot, o Options) Plan {
	t.Helper()
	p, err := Planner{}.Plan(context.Background(), s, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// carryOut is the snapshot after the plan, preferred leaders elected.
func carryOut(s cluster.Snapshot, p Plan) cluster.Snapshot {
	type key struct {
		topic string
		part  int
	}
	to := map[key][]int{}
	for _, m := range p.Moves {
		to[key{m.Topic, m.Partition}] = m.To
	}
	alive := map[int]bool{}
	for _, b := range s.Brokers {
		alive[b.ID] = b.State == cluster.BrokerAlive
	}
	s.Topics = append([]cluster.Topic(nil), s.Topics...)
	for ti := range s.Topics {
		parts := append([]cluster.Partition(nil), s.Topics[ti].Partitions...)
		for i := range parts {
			q := &parts[i]
			if reps := to[key{s.Topics[ti].Name, q.Partition}]; reps != nil {
				q.Replicas, q.ISR = reps, reps
			}
			q.Leader = -1
			for _, b := range q.Replicas {
				if alive[b] {
					q.Leader = b
					break
				}
			}
		}
		s.Topics[ti].Partitions = parts
	}
	return s
}

// mistakesOf judges a plan from the snapshot alone: every rule, and the counts
// it reports.
func mistakesOf(s cluster.Snapshot, p Plan) []string {
	var out []string
	zone, alive, zones := map[int]string{}, map[int]bool{}, map[string]bool{}
	for _, b := range s.Brokers {
		zone[b.ID] = b.Zone
		if b.State == cluster.BrokerAlive {
			alive[b.ID], zones[b.Zone] = true, true
		}
	}
	now := map[string]cluster.Partition{}
	for _, t := range s.Topics {
		for _, q := range t.Partitions {
			now[fmt.Sprintf("%s-%d", t.Name, q.Partition)] = q
		}
	}
	var bytes cluster.Bytes
	replicas := 0
	for _, m := range p.Moves {
		name := fmt.Sprintf("%s-%d", m.Topic, m.Partition)
		q := now[name]
		if len(m.To) != len(q.Replicas) {
			out = append(out, name+": replication factor changes")
		}
		if slices.Equal(m.To, q.Replicas) {
			out = append(out, name+": is listed and does not change")
		}
		for k, b := range m.To {
			if slices.Contains(m.To[:k], b) {
				out = append(out, name+": is on one broker twice")
			}
			if !slices.Contains(q.Replicas, b) {
				bytes += q.Load.SizeBytes
				replicas++
			}
		}
	}
	if bytes != p.BytesToMove || replicas != p.ReplicaMoves {
		out = append(out, fmt.Sprintf("the plan says %v in %d replicas and moves %v in %d", p.BytesToMove, p.ReplicaMoves, bytes, replicas))
	}
	after := carryOut(s, p)
	for _, t := range after.Topics {
		for _, q := range t.Partitions {
			name := fmt.Sprintf("%s-%d", t.Name, q.Partition)
			in := map[string]bool{}
			for _, b := range q.Replicas {
				if !alive[b] {
					out = append(out, name+": stays on a broker that must be empty")
				}
				in[zone[b]] = true
			}
			if len(in) < min(len(q.Replicas), len(zones)) {
				out = append(out, name+": is in too few zones")
			}
		}
	}
	pr := newProblem(after, Options{})
	load, was := newState(pr).load, newProblem(s, Options{}).currentLoad()
	for b := range pr.alive {
		for r := range goals {
			at := b*pr.nd + r
			if pr.alive[b] && load[at] > pr.hard[at]*(1+1e-9) && load[at] > was[at]*(1+1e-9) {
				out = append(out, fmt.Sprintf("broker %d: %s over capacity", pr.ids[b], goals[r].name))
			}
		}
	}
	return out
}
