package execute

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// judgeView is six live brokers and one partition.
func judgeView(p PartitionView) View {
	v := View{Brokers: map[int]BrokerView{}, Topics: map[string]TopicView{"t": {ID: "id", MinISR: 2,
		Partitions: []PartitionView{p}}}, Reassigning: map[TP]Reassigning{}}
	for b := range 6 {
		v.Brokers[b] = BrokerView{Alive: true}
	}
	return v
}

func TestJudgeRulesOnWhatItSees(t *testing.T) {
	move := Move{Topic: "t", TopicID: "id", Partition: 0, Original: []int{0, 1, 2}, Target: []int{3, 1, 2}}
	at := func(replicas, isr []int, leader int) PartitionView {
		return PartitionView{Replicas: replicas, ISR: isr, Leader: leader}
	}
	dead := func(v View, ids ...int) View {
		for _, b := range ids {
			v.Brokers[b] = BrokerView{}
		}
		return v
	}
	moving := func(v View, replicas, adding, removing []int) View {
		v.Reassigning[TP{"t", 0}] = Reassigning{replicas, adding, removing}
		return v
	}
	start := at([]int{0, 1, 2}, []int{0, 1, 2}, 0)
	inFlight := at([]int{3, 1, 2, 0}, []int{0, 1, 2}, 0)
	for _, c := range []struct {
		name string
		view View
		set  rules
		want ruling
		why  string
	}{
		{"fresh", judgeView(start), rules{}, rulingSubmit, ""},
		{"topic gone", View{}, rules{}, rulingDrop, "deleted"},
		{"topic recreated", func() View { v := judgeView(start); x := v.Topics["t"]; x.ID = "new"; v.Topics["t"] = x; return v }(),
			rules{}, rulingDrop, "created again"},
		{"partition cannot be read", judgeView(PartitionView{Leader: -1}), rules{}, rulingHold, "not in the metadata"},
		{"our step is in flight", moving(judgeView(inFlight), inFlight.Replicas, []int{3}, []int{0}), rules{}, rulingRunning, ""},
		{"somebody else's step is in flight", moving(judgeView(at([]int{5, 1, 2, 0}, []int{0, 1, 2}, 0)), []int{5, 1, 2, 0}, []int{5},
			[]int{0}), rules{}, rulingHold, "somebody else"},
		{"the destination is down", moving(dead(judgeView(inFlight), 3), inFlight.Replicas, []int{3}, []int{0}), rules{},
			rulingRunning, "broker 3 is down"},
		{"the destination is gone", moving(dead(judgeView(inFlight), 3), inFlight.Replicas, []int{3}, []int{0}),
			rules{gone: func(b int) bool { return b == 3 }}, rulingRevert, "too long"},
		{"the destination is down before the step", dead(judgeView(start), 3), rules{}, rulingHold, "broker 3 is down"},
		{"the destination is gone before the step", dead(judgeView(start), 3), rules{gone: func(b int) bool { return b == 3 }},
			rulingReplan, "gone"},
		{"the destination is to be drained", judgeView(start), rules{draining: []int{3}}, rulingReplan, "drained"},
		{"no leader", judgeView(at([]int{0, 1, 2}, []int{0}, -1)), rules{}, rulingHold, "no leader"},
		{"at min.insync.replicas", judgeView(at([]int{0, 1, 2}, []int{0, 1}, 0)), rules{}, rulingHold, "in sync"},
		{"at min.insync.replicas, and the dead one leaves", dead(judgeView(at([]int{0, 1, 2}, []int{1, 2}, 1)), 0), rules{}, rulingSubmit, ""},
		{"moved by somebody else", judgeView(at([]int{4, 5, 2}, []int{4, 5, 2}, 4)), rules{}, rulingDrop, "somebody else moved it"},
		{"moved by somebody else, still on a draining broker", judgeView(at([]int{4, 5, 2}, []int{4, 5, 2}, 4)),
			rules{draining: []int{2}}, rulingReplan, "somebody else moved it"},
		{"replication factor raised by somebody else", judgeView(at([]int{0, 1}, []int{0, 1}, 0)), rules{}, rulingDrop, "replication factor"},
		{"left with too many by a cancel", judgeView(at([]int{3, 1, 2, 0}, []int{0, 1, 2, 3}, 0)), rules{}, rulingSubmit, "cancelled move"},
		{"data in, order wrong", judgeView(at([]int{1, 3, 2}, []int{1, 2, 3}, 1)), rules{}, rulingReorder, ""},
		{"order right, leader wrong", judgeView(at([]int{3, 1, 2}, []int{1, 2, 3}, 1)), rules{}, rulingElect, ""},
		{"preferred leader out of sync", judgeView(at([]int{3, 1, 2}, []int{1, 2}, 1)), rules{}, rulingHold, "not in sync"},
		{"preferred leader gone for good", judgeView(at([]int{3, 1, 2}, []int{1, 2}, 1)),
			rules{gone: func(b int) bool { return b == 3 }}, rulingDone, "gone"},
		{"done", judgeView(at([]int{3, 1, 2}, []int{1, 2, 3}, 3)), rules{}, rulingDone, ""},
		{"cancelling, forward step in flight", moving(judgeView(inFlight), inFlight.Replicas, []int{3}, []int{0}), rules{back: true},
			rulingRevert, ""},
		{"cancelling, step back in flight", moving(judgeView(at([]int{0, 1, 2, 3}, []int{1, 2, 3}, 3)), []int{0, 1, 2, 3}, []int{0},
			[]int{3}), rules{back: true}, rulingRunning, ""},
		{"cancelling, restored", judgeView(start), rules{back: true}, rulingDone, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.set.gone == nil {
				c.set.gone = func(int) bool { return false }
			}
			j := judge(move, c.view, c.set)
			if j.Ruling != c.want || !strings.Contains(j.Why, c.why) {
				t.Errorf("%v (%s), want %v (%s)", j.Ruling, j.Why, c.want, c.why)
			}
		})
	}
}

func TestLeadershipGoesAheadOfTheData(t *testing.T) {
	m := Move{Topic: "t", Original: []int{0, 1, 2}, Target: []int{1, 3, 2}}
	r := rules{gone: func(int) bool { return false }}
	for _, c := range []struct {
		p    PartitionView
		want ruling
		step []int
	}{
		{PartitionView{Replicas: []int{0, 1, 2}, ISR: []int{0, 1, 2}, Leader: 0}, rulingReorder, []int{1, 0, 2}},
		{PartitionView{Replicas: []int{1, 0, 2}, ISR: []int{0, 1, 2}, Leader: 0}, rulingElect, nil},
		{PartitionView{Replicas: []int{1, 0, 2}, ISR: []int{0, 1, 2}, Leader: 1}, rulingSubmit, []int{1, 3, 2}},
	} {
		if j := judge(m, judgeView(c.p), r); j.Ruling != c.want || !slices.Equal(j.Step, c.step) {
			t.Errorf("%v: %v %v, want %v %v", c.p, j.Ruling, j.Step, c.want, c.step)
		}
	}
}

// FuzzStepsReachTheTarget walks from any placement to any other: every step
// adds one replica, keeps the factor, is recognised as ours while it is in
// flight, forward and back, and the walk ends.
func FuzzStepsReachTheTarget(f *testing.F) {
	f.Add(uint64(1), uint8(3))
	f.Add(uint64(7), uint8(1))
	f.Add(uint64(42), uint8(5))
	f.Fuzz(func(t *testing.T, seed uint64, factor uint8) {
		rf := int(factor)%5 + 1
		rng := rand.New(rand.NewPCG(seed, 1))
		from, to := rng.Perm(12)[:rf], rng.Perm(12)[:rf]
		alive := func(b int) bool { return (seed>>b)&1 == 0 || slices.Contains(to, b) }
		now, leader := slices.Clone(from), from[rng.IntN(rf)]
		for n := 0; !slices.Equal(now, to); n++ {
			if n > rf+1 {
				t.Fatalf("%v to %v does not end: at %v", from, to, now)
			}
			step, add := nextStep(now, to, leader, alive)
			if len(step) != rf || len(without(step, now)) > 1 || (add >= 0) != (len(without(step, now)) == 1) {
				t.Fatalf("%v to %v: step from %v to %v adds %d", from, to, now, step, add)
			}
			re := Reassigning{Replicas: append(slices.Clone(step), without(now, step)...), Adding: without(step, now), Removing: without(now, step)}
			if !ours(re, from, to) {
				t.Fatalf("%v to %v: step %+v is not recognised", from, to, re)
			}
			if slices.Contains(now, leader) && slices.Contains(step, leader) && add >= 0 && step[0] != leader && !slices.Equal(step, to) {
				t.Fatalf("%v to %v: leader %d is not first in %v", from, to, leader, step)
			}
			now = step
			if !slices.Contains(now, leader) {
				leader = now[0]
			}
		}
	})
}

func TestDeadBrokerIsGoneAfterTheGraceOnly(t *testing.T) {
	d := deadline{grace: time.Minute}
	v := judgeView(PartitionView{})
	v.Brokers[3] = BrokerView{}
	begin := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	d.observe(v, []int{2, 3, 9}, begin)
	for _, c := range []struct {
		after  time.Duration
		broker int
		want   bool
	}{{59 * time.Second, 3, false}, {time.Minute, 3, true}, {time.Minute, 9, true}, {time.Hour, 2, false}, {time.Hour, 1, false}} {
		if got := d.gone(begin.Add(c.after))(c.broker); got != c.want {
			t.Errorf("broker %d after %v: gone is %v", c.broker, c.after, got)
		}
	}
	v.Brokers[3] = BrokerView{Alive: true}
	d.observe(v, []int{3}, begin.Add(2*time.Minute))
	if d.gone(begin.Add(time.Hour))(3) {
		t.Error("a broker that came back is gone")
	}
}
