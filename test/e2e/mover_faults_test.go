package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/tidetable/tidetable/test/e2e/testbed"
)

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
	for _, want := range []string{"doomed-0: topic was deleted", "reborn-0: topic was deleted"} {
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
	p := b.execute(plan, "--throttle", "2MB")
	re := b.inFlight(p)
	to := re.AddingReplicas[0]
	removed := "follower.replication.throttled.rate"
	b.poll("the throttle to be there", 20*time.Second, func(ctx context.Context) error {
		c, err := b.adm.DescribeBrokerConfigs(ctx, to)
		if err != nil {
			return err
		}
		for _, k := range c[0].Configs {
			if k.Key == removed && k.MaybeValue() == "2000000" {
				return nil
			}
		}
		return errors.New("it is not")
	})
	// A throttle that the mover has not read back yet is set again without a
	// word: brokers take a moment to know what they were told.
	time.Sleep(5 * time.Second)
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
	r.sound = true
	off := said.Seconds()/left.Seconds() - 1
	if off < -0.15 || off > 0.15 {
		b.t.Errorf("after a tenth of the bytes it said %v, and it took %v: %+.0f %%", said, left, 100*off)
	}
	if took > 1.2*bound {
		b.t.Errorf("it took %.0f s, over 1.2 times the busiest broker's %.0f s", took, bound)
	}
	r.say("ETA at a tenth %v, truth %v (%+.0f %%); %.0f s against the busiest broker's bound of %.0f s (%.2f ×); load average %s",
		said.Round(time.Second), left.Round(time.Second), 100*off, took, bound, took/bound, loadAverage())
}
