package e2e

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// The brokers 0 to 5 stand in zones a, b, c, a, b, c. Two placements of 24
// partitions: in the hot one, broker 0 holds a replica of every partition and
// leads ten, which is three times the mean load of the others; in the even one,
// every broker holds twelve and leads four. Moving from one to the other brings
// twelve replicas to broker 3.
const partitions = 24

func hotPlacement() placement {
	p := make(placement, partitions)
	for i := range p {
		b, c := int32(1+3*(i%2)), int32(2+3*(i/2%2))
		switch {
		case i < 10:
			p[i] = []int32{0, b, c}
		case i%2 == 0:
			p[i] = []int32{b, 0, c}
		default:
			p[i] = []int32{c, 0, b}
		}
	}
	return p
}

func evenPlacement() placement {
	p := hotPlacement()
	for i := range p {
		a := int32(3 * (i / 4 % 2))
		b, c := int32(1+3*(i%2)), int32(2+3*(i/2%2))
		switch i % 3 {
		case 0:
			p[i] = []int32{a, b, c}
		case 1:
			p[i] = []int32{b, c, a}
		default:
			p[i] = []int32{c, a, b}
		}
	}
	return p
}

// networkLoad is what each broker sends and receives when every partition is
// produced to alike and read once: one in for every replica, and for a leader
// one out to its reader and one to each follower.
func networkLoad(p placement, brokers []int32) map[int32]float64 {
	load := map[int32]float64{}
	for _, b := range brokers {
		load[b] = 0
	}
	for _, replicas := range p {
		for i, b := range replicas {
			load[b]++
			if i == 0 {
				load[b] += float64(len(replicas))
			}
		}
	}
	return load
}

func maxOverMean(load map[int32]float64) float64 {
	most, sum := 0.0, 0.0
	for _, x := range load {
		most = max(most, x)
		sum += x
	}
	return most * float64(len(load)) / sum
}

// actual is the placement as the cluster has it, leaders first.
func (b *moverBed) actual() placement {
	b.t.Helper()
	topics, err := b.adm.ListTopics(b.ctx, b.topic)
	if err != nil {
		b.t.Fatal(err)
	}
	out := make(placement, len(topics[b.topic].Partitions))
	for i, p := range topics[b.topic].Partitions {
		out[i] = slices.Clone(p.Replicas)
		if k := slices.Index(out[i], p.Leader); k > 0 {
			out[i][0], out[i][k] = out[i][k], out[i][0]
		}
	}
	return out
}

// scenario is one thing the mover must show.
type scenario struct {
	name string
	run  func(*moverBed, *result)
	// soak says why only the soak runs it; empty for what every `go test` runs.
	soak string
}

// result is a scenario's row in the table of docs.
type result struct {
	Name    string
	Runs    int
	Facts   []string
	Seconds float64
	sound   bool // the cluster is what the next scenario expects, passed or not
	failed  bool
	save    func() // writes the table as it is so far; does nothing outside of the soak
}

func (r *result) say(format string, args ...any) {
	r.Facts = append(r.Facts, fmt.Sprintf(format, args...))
}

// bigTopic has the placement of the other one and 64 MB a partition, so that a
// run at the default throttle lasts long enough to say something about it.
const (
	bigTopic = "big"
	bigBytes = 64 << 20
)

// onBig gives the bed the big topic, which it makes when it is not there yet.
func (b *moverBed) onBig() {
	b.t.Helper()
	b.topic = bigTopic
	topics, err := b.adm.ListTopics(b.ctx, bigTopic)
	if err != nil {
		b.t.Fatal(err)
	}
	if d, ok := topics[bigTopic]; !ok || d.Err != nil {
		b.fill(bigTopic, hotPlacement(), bigBytes)
	}
}

// balanceHotSpot: the hot spot is gone, clients do not notice it much. Every
// `go test` runs it once, on little data and a machine that others may use,
// where one pause of a JVM is a p99: only what no pause explains is an error.
func balanceHotSpot(b *moverBed, r *result) {
	calm, moving, slow := b.balance(r, 1, "--poll", "500ms")
	if moving > max(2*calm, 5*time.Second) {
		b.t.Errorf("the producers' p99 went from %v to %v\n%s", calm, moving, slow)
	}
}

// balanceBigHotSpot holds the middle one of several runs, there and back, to
// the goal: at the default throttle and the default poll, the producers' p99
// is at most twice what it was.
func balanceBigHotSpot(b *moverBed, r *result) {
	b.onBig()
	calm, moving, slow := b.balance(r, 3, "--poll", "5s")
	if moving > 2*calm {
		b.t.Errorf("the producers' p99 went from %v to %v\n%s", calm, moving, slow)
	}
}

// balance moves from the hot to the even placement, and back and again when it
// is asked for more than once, and returns the producers' p99 before and during
// the run whose ratio is the middle one. Slow says where time was lost.
func (b *moverBed) balance(r *result, repeats int, args ...string) (calm, moving time.Duration, slow string) {
	b.t.Helper()
	all := []int32{0, 1, 2, 3, 4, 5}
	before := networkLoad(b.actual(), all)
	tr := b.traffic(10)
	time.Sleep(5 * time.Second) // connections, first batches
	plans := []placement{evenPlacement(), hotPlacement()}
	type measure struct{ calm, moving time.Duration }
	var runs []measure
	var seconds float64
	for i := range repeats {
		begin := time.Now()
		time.Sleep(15 * time.Second)
		began := time.Now()
		p := b.execute(plans[i%2], args...)
		b.wait(p, 6*time.Minute, 0)
		ended := time.Now()
		b.settled(plans[i%2])
		m := measure{tr.p99(begin, began), tr.p99(began, ended)}
		runs, seconds = append(runs, m), seconds+ended.Sub(began).Seconds()
		slow += fmt.Sprintf("run %d: p99 %v before, %v during\n", i+1, m.calm, m.moving) + tr.stalls(began, ended) + p.stderr.String()
	}
	tr.finish()
	// An odd number of moves ends at the even placement.
	if after := maxOverMean(networkLoad(b.actual(), all)); after > 1.10 {
		b.t.Errorf("max over mean is %.2f after the run", after)
	} else {
		r.say("broker 0 at %.2f × the mean of the others before; max/mean %.2f after", before[0]*5/(sum(before)-before[0]), after)
	}
	r.sound = true
	ratio := func(m measure) float64 { return float64(m.moving) / float64(m.calm) }
	slices.SortFunc(runs, func(a, b measure) int { return cmp.Compare(ratio(a), ratio(b)) })
	m := runs[len(runs)/2]
	r.say("producers' p99 %v before, %v during (%.1f ×, the middle one of %d runs of %.0f s, from %.1f to %.1f ×; load average %s)",
		m.calm.Round(time.Millisecond/10), m.moving.Round(time.Millisecond/10), ratio(m), repeats, seconds/float64(repeats),
		ratio(runs[0]), ratio(runs[len(runs)-1]), loadAverage())
	return m.calm, m.moving, slow
}

// loadAverage says how busy the machine is beside the test.
func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	one, _, _ := strings.Cut(string(b), " ")
	return fmt.Sprintf("%s on %d cores", one, runtime.NumCPU())
}

func sum(m map[int32]float64) (s float64) {
	for _, x := range m {
		s += x
	}
	return s
}

// killMover kills the mover at seeded points of a run; a new process finishes.
func killMover(times int, seed uint64) func(*moverBed, *result) {
	return func(b *moverBed, r *result) {
		tr := b.traffic(10)
		rng := rand.New(rand.NewPCG(seed, 9))
		plans := []placement{b.otherPlacement(), b.actual()}
		early, late := 0, 0
		for i := range times {
			plan := plans[i%2]
			p := b.execute(plan, "--throttle", "10MB")
			select {
			case <-p.done:
				late++ // the point lies after the end: nothing to survive
			case <-time.After(time.Duration(rng.Int64N(int64(12 * time.Second)))):
				if !strings.Contains(p.stderr.String(), "starting run") {
					early++
				}
			}
			p.kill()
			if rng.IntN(3) == 0 { // and once more while it adopts
				p = b.execute(plan, "--throttle", "10MB")
				time.Sleep(time.Duration(rng.Int64N(int64(3 * time.Second))))
				p.kill()
			}
			b.wait(b.execute(plan, "--throttle", "10MB"), 3*time.Minute, 0)
			b.settled(plan)
			r.Runs = i + 1
			r.Facts = []string{fmt.Sprintf("%d runs killed (%d before the plan was written, %d after the end): all finished by a new process, no throttle, no stray, RF 3", i+1, early, late)}
			r.save()
		}
		tr.finish()
	}
}

// cancelHalfway restores every original placement.
func cancelHalfway(b *moverBed, r *result) {
	original := b.actual()
	plan := b.otherPlacement()
	tr := b.traffic(10)
	p := b.execute(plan, "--throttle", "4MB")
	s := b.until(p, 50)
	c := b.rebalance("cancel", "--throttle", "20MB", "--poll", "500ms")
	b.wait(c, 3*time.Minute, 0)
	b.wait(p, time.Minute, 1) // it was taken over, and says so
	if !strings.Contains(p.stderr.String(), "taken the mover over") {
		b.t.Errorf("the mover that was taken over says:\n%s", p.stderr.String())
	}
	b.settled(original)
	tr.finish()
	r.say("cancelled at %.0f %% of the bytes: all %d originals restored", s.Percent, len(original))
}

// fillAndDrain fills an added broker, and drains another until it is gone.
func fillAndDrain(b *moverBed, r *result) {
	tr := b.traffic(10)
	added, err := b.Kafka.AddBroker(b.ctx, "c")
	if err != nil {
		b.t.Fatal(err)
	}
	plan := b.actual()
	moved := 0
	for i := range plan {
		if k := slices.Index(plan[i], int32(5)); k >= 0 && moved < 6 {
			plan[i][k] = int32(added.ID)
			moved++
		}
	}
	b.wait(b.execute(plan, "--throttle", "20MB"), 3*time.Minute, 0)
	b.settled(plan)
	r.say("added broker %d filled with %d replicas", added.ID, moved)

	p := b.rebalance("execute", "--drain", "5", "--unregister", "--throttle", "20MB", "--poll", "500ms")
	b.poll("broker 5 to be proven empty", 3*time.Minute, func(context.Context) error {
		if strings.Contains(p.stderr.String(), "broker 5 is empty, proven by its log dirs") {
			return nil
		}
		return errors.New(lastLine(p.stderr.String()))
	})
	b.poll("broker 5 to hold nothing on disk", time.Second, func(ctx context.Context) error {
		dirs, err := b.adm.DescribeBrokerLogDirs(ctx, 5, nil)
		if err != nil {
			return err
		}
		var held error
		dirs.EachPartition(func(d kadm.DescribedLogDirPartition) { held = fmt.Errorf("it holds %s-%d", d.Topic, d.Partition) })
		return held
	})
	if err := b.Kafka.Broker(5).Stop(b.ctx); err != nil {
		b.t.Fatal(err)
	}
	b.wait(p, time.Minute, 0)
	if !strings.Contains(p.stderr.String(), "broker 5 is unregistered") {
		b.t.Errorf("it does not say that broker 5 is unregistered:\n%s", p.stderr.String())
	}
	for i, replicas := range b.actual() {
		if len(replicas) != 3 || slices.Contains(replicas, 5) {
			b.t.Errorf("partition %d is on %v", i, replicas)
		}
	}
	b.clean()
	tr.finish()
	r.say("broker 5 drained (internal topics too), proven empty by its log dirs, stopped, unregistered")
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndex(s, "\n")+1:]
}
