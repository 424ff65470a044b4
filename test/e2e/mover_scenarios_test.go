package e2e

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/tidetable/tidetable/test/e2e/testbed"
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
	name  string
	run   func(*moverBed, *result)
	inAll bool // runs in every `go test`, not only in the soak
}

// result is a scenario's row in the table of docs.
type result struct {
	Name    string
	Runs    int
	Facts   []string
	Seconds float64
	sound   bool // the cluster is what the next scenario expects, passed or not
	failed  bool
}

func (r *result) say(format string, args ...any) {
	r.Facts = append(r.Facts, fmt.Sprintf(format, args...))
}

// balanceHotSpot: the hot spot is gone, clients do not notice. The run is
// repeated, there and back, because one pause of a JVM on a small machine is a
// p99: the middle one of the ratios counts.
func balanceHotSpot(repeats int) func(*moverBed, *result) {
	return func(b *moverBed, r *result) {
		all := []int32{0, 1, 2, 3, 4, 5}
		before := networkLoad(b.actual(), all)
		tr := b.traffic(10)
		time.Sleep(5 * time.Second) // connections, first batches
		plans := []placement{evenPlacement(), hotPlacement()}
		type measure struct{ calm, moving time.Duration }
		var runs []measure
		var slow string
		for i := range repeats {
			begin := time.Now()
			time.Sleep(15 * time.Second)
			began := time.Now()
			p := b.execute(plans[i%2])
			b.wait(p, 4*time.Minute, 0)
			ended := time.Now()
			b.settled(plans[i%2])
			runs = append(runs, measure{tr.p99(begin, began), tr.p99(began, ended)})
			slow += tr.bySecond(begin, ended) + p.stderr.String()
		}
		tr.finish()
		after := maxOverMean(networkLoad(b.actual(), all))
		if after > 1.10 {
			b.t.Errorf("max over mean is %.2f after the run", after)
		}
		r.sound = true
		ratio := func(m measure) float64 { return float64(m.moving) / float64(m.calm) }
		slices.SortFunc(runs, func(a, b measure) int { return cmp.Compare(ratio(a), ratio(b)) })
		m := runs[len(runs)/2]
		r.say("broker 0 at %.2f × the mean of the others before; max/mean %.2f after", before[0]*5/(sum(before)-before[0]), after)
		r.say("producers' p99 %v before, %v during (%.1f ×, the middle one of %d runs; load average %s)",
			m.calm.Round(time.Millisecond/10), m.moving.Round(time.Millisecond/10), ratio(m), repeats, loadAverage())
		// Once, on a machine that others may use, says little: only what no pause
		// explains is an error. The soak holds the middle of several runs to the goal.
		limit := 5 * time.Second
		if repeats > 1 {
			limit = max(2*m.calm, 100*time.Millisecond)
		}
		if m.moving > limit {
			b.t.Errorf("the producers' p99 went from %v to %v\n%s", m.calm, m.moving, slow)
		}
	}
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
		plans := []placement{hotPlacement(), evenPlacement()}
		if slices.Equal(b.actual()[1], plans[0][1]) {
			plans[0], plans[1] = plans[1], plans[0]
		}
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
		}
		tr.finish()
		r.Runs = times
		r.say("%d runs killed (%d before the plan was written, %d after the end): all finished by a new process, no throttle, no stray, RF 3", times, early, late)
	}
}

// cancelHalfway restores every original placement.
func cancelHalfway(b *moverBed, r *result) {
	original := b.actual()
	plan := hotPlacement()
	if slices.Equal(original[1], plan[1]) {
		plan = evenPlacement()
	}
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

// topicsChange deletes, recreates and grows topics in mid-move.
func topicsChange(b *moverBed, r *result) {
	for _, name := range []string{"doomed", "reborn", "growing"} {
		b.fill(name, placement{{0, 1, 2}, {0, 4, 5}}, 8<<20)
	}
	var entries []string
	for _, name := range []string{"doomed", "growing", "reborn"} {
		for i, list := range []string{"3,1,2", "3,4,5"} {
			entries = append(entries, fmt.Sprintf(`{"topic":%q,"partition":%d,"replicas":[%s]}`, name, i, list))
		}
	}
	p := b.executeFile(`{"version":1,"partitions":[`+strings.Join(entries, ",")+`]}`, "--throttle", "2MB")
	b.inFlight(p)
	b.drop("doomed")
	b.drop("reborn")
	if err := b.Kafka.CreateTopic(b.ctx, "reborn", 0, 0, nil, []int32{2, 1, 0}, []int32{5, 4, 0}); err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.adm.CreatePartitions(b.ctx, 1, "growing"); err != nil {
		b.t.Fatal(err)
	}
	b.wait(p, 3*time.Minute, 1) // moves were given up, and it says so
	says := p.stderr.String()
	for _, want := range []string{"doomed-0: topic was deleted", "reborn-0: topic was deleted and created again"} {
		if !strings.Contains(says, want) {
			b.t.Errorf("it does not say %q:\n%s", want, says)
		}
	}
	old := b.topic
	b.topic = "growing"
	b.poll("topic growing to be moved", time.Minute, func(ctx context.Context) error {
		topics, err := b.adm.ListTopics(ctx, "growing")
		if err != nil {
			return err
		}
		ps := topics["growing"].Partitions
		if len(ps) != 3 || !slices.Equal(ps[0].Replicas, []int32{3, 1, 2}) || !slices.Equal(ps[1].Replicas, []int32{3, 4, 5}) {
			return fmt.Errorf("it is %v", ps)
		}
		return nil
	})
	b.topic = "reborn"
	if err := b.placed(b.ctx, placement{{2, 1, 0}, {5, 4, 0}}); err != nil {
		b.t.Errorf("the recreated topic was moved: %v", err)
	}
	b.topic = old
	b.clean()
	b.drop("reborn")
	b.drop("growing")
	r.say("deleted: dropped; recreated with the same name: dropped and left alone; grown: its planned partitions moved")
}

// executeFile runs a plan that is not of the bed's topic.
func (b *moverBed) executeFile(plan string, args ...string) *process {
	b.t.Helper()
	return b.rebalance("execute", append([]string{"--plan", b.write(plan), "--poll", "500ms"}, args...)...)
}

func (b *moverBed) write(plan string) string {
	b.t.Helper()
	b.runs++
	file := filepath.Join(b.t.TempDir(), fmt.Sprintf("plan-%d.json", b.runs))
	if err := os.WriteFile(file, []byte(plan), 0o644); err != nil {
		b.t.Fatal(err)
	}
	return file
}

// handsOn removes a throttle by hand and starts a foreign reassignment beside a
// run; both are seen, neither is fought.
func handsOn(b *moverBed, r *result) {
	b.fill("other", placement{{0, 1, 2}}, 4<<20)
	original := b.actual()
	plan := hotPlacement()
	if slices.Equal(original[1], plan[1]) {
		plan = evenPlacement()
	}
	tr := b.traffic(10)
	p := b.execute(plan, "--throttle", "4MB")
	re := b.inFlight(p)
	to := re.AddingReplicas[0]
	removed := "follower.replication.throttled.rate"
	b.poll("the throttle to be there", 20*time.Second, func(ctx context.Context) error {
		c, err := b.adm.DescribeBrokerConfigs(ctx, to)
		if err != nil {
			return err
		}
		for _, k := range c[0].Configs {
			if k.Key == removed && k.MaybeValue() == "4000000" {
				return nil
			}
		}
		return errors.New("it is not")
	})
	if _, err := b.adm.AlterBrokerConfigs(b.ctx, []kadm.AlterConfig{{Op: kadm.DeleteConfig, Name: removed}}, to); err != nil {
		b.t.Fatal(err)
	}
	b.says(p, "somebody removed or changed "+removed)
	req := kadm.AlterPartitionAssignmentsReq{}
	req.Assign("other", 0, []int32{0, 1, 5})
	if _, err := b.adm.AlterPartitionAssignments(b.ctx, req); err != nil {
		b.t.Fatal(err)
	}
	b.wait(p, 4*time.Minute, 0)
	b.settled(plan)
	tr.finish()
	b.drop("other")
	r.say("throttle removed by hand: held, set again after a minute, finished")
}

// foreignHolds starts while another tool's reassignment is in flight.
func foreignHolds(b *moverBed, r *result) {
	b.fill("other", placement{{0, 1, 2}}, 24<<20)
	rate := "replication.throttled.rate"
	for _, side := range []string{"leader.", "follower."} {
		set := []kadm.AlterConfig{{Op: kadm.SetConfig, Name: side + rate, Value: kadm.StringPtr("1000000")}}
		if _, err := b.adm.AlterBrokerConfigs(b.ctx, set, 5); err != nil {
			b.t.Fatal(err)
		}
	}
	list := []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "follower.replication.throttled.replicas", Value: kadm.StringPtr("0:5")}}
	if _, err := b.adm.AlterTopicConfigs(b.ctx, list, "other"); err != nil {
		b.t.Fatal(err)
	}
	req := kadm.AlterPartitionAssignmentsReq{}
	req.Assign("other", 0, []int32{0, 1, 5})
	if _, err := b.adm.AlterPartitionAssignments(b.ctx, req); err != nil {
		b.t.Fatal(err)
	}
	plan := hotPlacement()
	if slices.Equal(b.actual()[1], plan[1]) {
		plan = evenPlacement()
	}
	p := b.execute(plan)
	b.wait(p, time.Minute, 1)
	for _, want := range []string{"another tool's reassignment is in flight: other-0", "somebody else has set"} {
		if !strings.Contains(p.stderr.String(), want) {
			b.t.Errorf("it does not say %q:\n%s", want, p.stderr.String())
		}
	}
	b.poll("the other tool's throttle to be as it was", 10*time.Second, func(ctx context.Context) error {
		if err := b.unthrottled(ctx); err == nil {
			return &testbed.Fatal{Err: errors.New("the mover removed it")}
		}
		return nil
	})
	for _, side := range []string{"leader.", "follower."} {
		if _, err := b.adm.AlterBrokerConfigs(b.ctx, []kadm.AlterConfig{{Op: kadm.DeleteConfig, Name: side + rate}}, 5); err != nil {
			b.t.Fatal(err)
		}
	}
	b.drop("other")
	r.say("another tool's reassignment and throttles: refused with both reasons, neither touched")
}

// says waits for an event.
func (b *moverBed) says(p *process, text string) {
	b.t.Helper()
	b.poll("the mover to say "+text, time.Minute, func(context.Context) error {
		if strings.Contains(p.stderr.String(), text) {
			return nil
		}
		return errors.New(lastLine(p.stderr.String()))
	})
}

// killBroker kills a broker of the run, waits, brings it back.
func killBroker(which string) func(*moverBed, *result) {
	return func(b *moverBed, r *result) {
		original := b.actual()
		plan := hotPlacement()
		if slices.Equal(original[1], plan[1]) {
			plan = evenPlacement()
		}
		tr := b.traffic(10)
		p := b.execute(plan, "--throttle", "4MB")
		re := b.inFlight(p)
		switch which {
		case "controller":
			if err := b.Kafka.Controller.Kill(); err != nil {
				b.t.Fatal(err)
			}
			time.Sleep(5 * time.Second)
			if err := b.Kafka.RestartController(); err != nil {
				b.t.Fatal(err)
			}
		default:
			id := re.AddingReplicas[0]
			if which == "source" {
				id = re.RemovingReplicas[0]
			}
			if err := b.Kafka.Broker(int(id)).Kill(); err != nil {
				b.t.Fatal(err)
			}
			if which == "destination" {
				b.says(p, fmt.Sprintf("broker %d is down", id))
			}
			time.Sleep(10 * time.Second)
			if err := b.Kafka.Broker(int(id)).Start(b.ctx); err != nil {
				b.t.Fatal(err)
			}
		}
		b.wait(p, 5*time.Minute, 0)
		// Partitions that no move names lost their leader with the broker too;
		// auto.leader.rebalance would give it back within five minutes.
		if _, err := b.adm.ElectLeaders(b.ctx, kadm.ElectPreferredReplica, b.allPartitions()); err != nil {
			b.t.Fatal(err)
		}
		b.settled(plan)
		tr.finish()
		r.say("it says: %s", firstHold(p.stderr.String()))
	}
}

func (b *moverBed) allPartitions() kadm.TopicsSet {
	set := kadm.TopicsSet{}
	for i := range b.actual() {
		set.Add(b.topic, int32(i))
	}
	return set
}

// firstHold is the first thing a mover said it waits for.
func firstHold(events string) string {
	for line := range strings.SplitSeq(events, "\n") {
		if _, text, ok := strings.Cut(line, " hold: "); ok {
			return text
		}
	}
	return "nothing: the others carried on"
}

// tenth is the first line of progress: a tenth of the bytes are moved.
var tenth = regexp.MustCompile(`(\S+) progress: 1\d % of [^,]*, [^,]*, (\S+) left`)

// forecastEnd holds the ETA after a tenth of the bytes against what it took,
// and the whole run against the busiest broker's bound.
func forecastEnd(b *moverBed, r *result) {
	plan := hotPlacement()
	if slices.Equal(b.actual()[1], plan[1]) {
		plan = evenPlacement()
	}
	const rate = 1e6
	began := time.Now()
	p := b.execute(plan, "--throttle", "1MB")
	var said, left time.Duration
	var at time.Time
	b.poll("a tenth of the bytes", 2*time.Minute, func(context.Context) error {
		m := tenth.FindStringSubmatch(p.stderr.String())
		if m == nil {
			return errors.New(lastLine(p.stderr.String()))
		}
		var err error
		if said, err = time.ParseDuration(m[2]); err == nil {
			at, err = time.Parse(time.RFC3339Nano, m[1])
		}
		return err
	})
	s, err := b.status()
	if err != nil {
		b.t.Fatal(err)
	}
	bound := s.BytesTotal / rate // all of it goes to one broker
	b.wait(p, 10*time.Minute, 0)
	left = time.Since(at)
	took := time.Since(began).Seconds()
	b.settled(plan)
	off := said.Seconds()/left.Seconds() - 1
	if off < -0.15 || off > 0.15 {
		b.t.Errorf("after a tenth of the bytes it said %v, and it took %v: %+.0f %%", said, left, 100*off)
	}
	if took > 1.2*bound {
		b.t.Errorf("it took %.0f s, over 1.2 times the busiest broker's %.0f s", took, bound)
	}
	r.say("ETA at a tenth %v, truth %v (%+.0f %%); %.0f s against the busiest broker's bound of %.0f s (%.2f ×)",
		said.Round(time.Second), left.Round(time.Second), 100*off, took, bound, took/bound)
}
