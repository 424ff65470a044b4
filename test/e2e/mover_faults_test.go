package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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

// handsOn removes a throttle by hand, which is seen and not fought at once.
func handsOn(b *moverBed, r *result) {
	plan := b.otherPlacement()
	tr := b.traffic(10)
	p := b.execute(plan, "--throttle", "2MB")
	to := b.inFlight(p).AddingReplicas[0]
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
	b.wait(p, 4*time.Minute, 0)
	if again := fmt.Sprintf("setting %s of broker %d again", removed, to); !strings.Contains(p.stderr.String(), again) {
		// The unthrottled rest may be over before the minute of the hold is.
		r.say("throttle removed by hand: held until the end of what was in flight, then finished")
	} else {
		r.say("throttle removed by hand: held, set again after a minute, finished")
	}
	b.settled(plan)
	tr.finish()
}

// otherPlacement is the one of the two placements that the topic has not.
func (b *moverBed) otherPlacement() placement {
	if plan := hotPlacement(); !slices.Equal(b.actual()[1], plan[1]) {
		return plan
	}
	return evenPlacement()
}

// foreignBeside begins another tool's reassignment beside a run of ours:
// nothing of ours is submitted while it lasts, and then the run goes on.
func foreignBeside(b *moverBed, r *result) {
	b.fill("other", placement{{0, 1, 2}}, 8<<20)
	plan := b.otherPlacement()
	tr := b.traffic(10)
	p := b.execute(plan, "--throttle", "3MB") // a part of it is in flight, the rest waits
	b.inFlight(p)
	b.moveOther("follower.")
	b.says(p, "another tool's reassignment is in flight: other-0")
	seen := time.Now()
	ours := b.oursInFlight()
	if len(ours) == 0 || len(ours) >= 12 {
		b.t.Fatalf("%d of our moves are in flight: nothing can be seen of a hold", len(ours))
	}
	sent := strings.Count(p.stderr.String(), " batch: ")
	b.poll("the other tool's reassignment to end", time.Minute, func(ctx context.Context) error {
		list, err := b.reassigning(ctx)
		if err != nil {
			return err
		}
		foreign := false
		for _, topic := range list {
			foreign = foreign || topic.Topic == "other"
			for _, x := range topic.Partitions {
				if topic.Topic == b.topic && !ours[x.Partition] {
					return &testbed.Fatal{Err: fmt.Errorf("%s-%d was submitted beside it", topic.Topic, x.Partition)}
				}
			}
		}
		if !foreign {
			return nil
		}
		if now := strings.Count(p.stderr.String(), " batch: "); now != sent {
			return &testbed.Fatal{Err: fmt.Errorf("it sent something beside it:\n%s", p.stderr.String())}
		}
		return errors.New("it is in flight")
	})
	held := time.Since(seen)
	b.wait(p, 4*time.Minute, 0)
	if now := strings.Count(p.stderr.String(), " batch: "); now == sent {
		b.t.Errorf("it ends without having gone on:\n%s", p.stderr.String())
	}
	b.unthrottleOther("follower.") // which the mover has left alone
	b.drop("other")
	b.settled(plan)
	tr.finish()
	r.say("another tool's reassignment began beside a run with %d moves in flight: seen and said, nothing submitted for the %.0f s that it lasted, then finished", len(ours), held.Seconds())
}

// oursInFlight is which partitions of the topic are being moved.
func (b *moverBed) oursInFlight() map[int32]bool {
	b.t.Helper()
	list, err := b.reassigning(b.ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	out := map[int32]bool{}
	for _, topic := range list {
		for _, x := range topic.Partitions {
			if topic.Topic == b.topic {
				out[x.Partition] = true
			}
		}
	}
	return out
}

const throttledRate = "replication.throttled.rate"

// moveOther is another tool that moves a partition to broker 5, under a
// throttle of its own on these sides.
func (b *moverBed) moveOther(sides ...string) {
	b.t.Helper()
	for _, side := range sides {
		set := []kadm.AlterConfig{{Op: kadm.SetConfig, Name: side + throttledRate, Value: kadm.StringPtr("1000000")}}
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
}

// unthrottleOther removes the other tool's rates, and fails when the mover has.
func (b *moverBed) unthrottleOther(sides ...string) {
	b.t.Helper()
	if err := b.unthrottled(b.ctx); err == nil {
		b.t.Error("the mover removed the other tool's throttle")
	}
	for _, side := range sides {
		if _, err := b.adm.AlterBrokerConfigs(b.ctx, []kadm.AlterConfig{{Op: kadm.DeleteConfig, Name: side + throttledRate}}, 5); err != nil {
			b.t.Fatal(err)
		}
	}
}

// foreignHolds starts while another tool's reassignment is in flight.
func foreignHolds(b *moverBed, r *result) {
	b.fill("other", placement{{0, 1, 2}}, 24<<20)
	b.moveOther("leader.", "follower.")
	plan := b.otherPlacement()
	p := b.execute(plan)
	b.wait(p, time.Minute, 1)
	for _, want := range []string{"another tool's reassignment is in flight: other-0", "somebody else has set"} {
		if !strings.Contains(p.stderr.String(), want) {
			b.t.Errorf("it does not say %q:\n%s", want, p.stderr.String())
		}
	}
	b.unthrottleOther("leader.", "follower.")
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
