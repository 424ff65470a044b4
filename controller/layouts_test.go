package controller_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/policy"
)

// said tells whether a note, the outcome or a concern of a decision has the words.
func said(d decision.Decision, words string) bool {
	all := append(slices.Clone(d.Notes), d.Outcome)
	for _, c := range decision.Concerns(d) {
		all = append(all, string(c.Kind)+": "+c.Detail)
	}
	return slices.ContainsFunc(all, func(s string) bool { return strings.Contains(s, words) })
}

// Ids that are not ordinals are what most clusters have. The world removes pods
// by their ordinal, as Kubernetes does, and looks what was on their brokers.
func TestBrokersWhoseIdsAreNotOrdinalsLeaveEmpty(t *testing.T) {
	for _, first := range []int{1, 100} {
		for seed := range uint64(3) {
			w := newFakeWorldFrom(first, seed, 3, 12)
			w.crash = 0.01
			shown := false
			w.run(t, actPolicy(), 1000, func(m int, d decision.Decision) {
				switch m {
				case 10:
					w.rate = 6e6
				case 300:
					w.rate = 1e6
				case 800:
					w.crash = 0
				}
				if op := d.Operation; op != nil && op.In() && len(op.Leaving) > 0 {
					l := op.Leaving[0]
					shown = shown || l.Pod == fmt.Sprintf("kafka-%d", l.Broker-first) && l.By == "Kafka's metadata"
				}
				if m == 299 && w.want != 6 {
					t.Errorf("ids from %d: %d brokers at the peak, want 6: %s", first, w.want, d.Outcome)
				}
			})
			w.check(t)
			if w.want != 3 || w.stored.Operation != nil || !shown {
				t.Errorf("ids from %d: %d brokers in the end, want 3; operation %+v; which pod is which broker was shown: %v", first, w.want, w.stored.Operation, shown)
			}
		}
	}
}

func TestPodsThatNoBrokerIsReachedAtNeverLeave(t *testing.T) {
	w := newFakeWorldFrom(100, 1, 6, 12)
	w.hosts = "broker.example.org"
	refused := false
	w.run(t, actPolicy(), 120, func(_ int, d decision.Decision) {
		refused = refused || said(d, "no broker says that it is reached there")
	})
	w.check(t)
	if w.want != 6 || !refused || len(w.cordoned) > 0 {
		t.Errorf("%d brokers of 6 are left, told why: %v, cordoned %v", w.want, refused, w.cordoned)
	}
	// The policy's last word is one.
	p := actPolicy()
	hundred := 100
	p.Spec.Brokers.IDOf = &policy.IDOf{Offset: &hundred}
	w.run(t, p, 300, nil)
	w.check(t)
	if w.want != 3 {
		t.Errorf("%d brokers with brokers.idOf, want 3", w.want)
	}
}

func TestAVoterNeverLeaves(t *testing.T) {
	w := newFakeWorldFrom(100, 1, 6, 12)
	w.voter = 105
	refused := false
	w.run(t, actPolicy(), 120, func(_ int, d decision.Decision) { refused = refused || said(d, "a voter never leaves") })
	w.check(t)
	if w.want != 6 || !refused {
		t.Errorf("%d brokers, told why: %v", w.want, refused)
	}
}

// The need is the cluster's, the size that is set is the workload's: three of
// six brokers are another pool's.
func TestAPoolAmongPoolsIsSizedByItsShare(t *testing.T) {
	w := newFakeWorld(1, 3, 12)
	w.others, w.rate = 3, 6e6 // six do
	var last decision.Decision
	w.run(t, actPolicy(), 60, func(_ int, d decision.Decision) { last = d })
	w.check(t)
	if w.want != 3 || last.Recommended != 3 || last.Seen.OtherBrokers != 3 {
		t.Errorf("the pool of 3 becomes %d; recommended %d, others %d: %s", w.want, last.Recommended, last.Seen.OtherBrokers, last.Outcome)
	}
}

// What must survive is the cluster: a pool of few may shrink where the other
// pools' brokers are enough with it.
func TestAPoolAmongPoolsShrinksByTheClustersNeed(t *testing.T) {
	w := newFakeWorld(1, 5, 12)
	w.others = 4
	p := actPolicy()
	p.Spec.Brokers.Min = 2
	var last decision.Decision
	w.run(t, p, 400, func(_ int, d decision.Decision) { last = d })
	w.check(t)
	if w.want != 2 || last.Seen.OtherBrokers != 4 {
		t.Errorf("the pool of 5 becomes %d beside %d others: %s", w.want, last.Seen.OtherBrokers, last.Outcome)
	}
}

func TestAPersonsChangeWins(t *testing.T) {
	w := newFakeWorld(5, 5, 12)
	w.perTick = 0
	w.run(t, actPolicy(), 60, nil)
	if w.stored.Operation == nil || w.stored.Operation.Phase != decision.Draining {
		t.Fatalf("no drain: %+v", w.stored.Operation)
	}
	// Somebody scales out by hand in the middle of the drain.
	w.want = 7
	w.brokers = append(w.brokers, fakeBroker{id: 5, alive: true}, fakeBroker{id: 6, alive: true})
	cancelled := false
	p := actPolicy()
	w.run(t, p, 5, func(_ int, d decision.Decision) {
		cancelled = cancelled || said(d, "somebody else set StatefulSet/kafka to 7")
		if w.want < 7 {
			t.Fatalf("a person's scale-out was undone: %d brokers", w.want)
		}
	})
	if !cancelled || len(w.cordoned) > 0 {
		t.Errorf("cancelled %v, cordoned %v", cancelled, w.cordoned)
	}
}

// A topic is made after the proof and before the pod has ended: without cordons
// its replicas may land on the broker that goes.
func TestAReplicaThatLandsAfterTheProofTakesTheScaleInBack(t *testing.T) {
	w := newFakeWorld(6, 5, 12)
	w.lands = 1
	critical := false
	w.run(t, actPolicy(), 200, func(_ int, d decision.Decision) {
		for _, c := range decision.Concerns(d) {
			critical = critical || c.Kind == decision.ScaleInTakenBack && c.Severity == decision.Critical
		}
	})
	w.check(t)
	if !critical {
		t.Error("nobody was told")
	}
	if w.want != 3 || w.stored.Operation != nil {
		t.Errorf("%d brokers, operation %+v: the drain did not go on after it was taken back", w.want, w.stored.Operation)
	}
}

// Strimzi's operator never writes the replicas back: it says so in a condition,
// and waits. Seen: an operation that stood in Shrinking for 71 hours.
func TestAScaleInThatTheOperatorRefusesIsTakenBack(t *testing.T) {
	w := newFakeWorld(7, 4, 12)
	w.refuses = "Reverting scale-down of Kafka to 4"
	took := false
	w.run(t, actPolicy(), 120, func(m int, d decision.Decision) {
		took = took || said(d, "the operator refuses: Reverting scale-down")
		if took && m > 100 {
			w.refuses = ""
		}
	})
	w.check(t)
	if !took {
		t.Errorf("%d brokers, operation %+v: nobody was told that the operator refuses", w.want, w.stored.Operation)
	}
}

// Hours pass between a proposal and the proof. What people want then counts.
func TestGatesAreAskedAgainBeforeBrokersAreLetGo(t *testing.T) {
	w := newFakeWorld(9, 4, 12)
	w.perTick = 0
	p := actPolicy()
	w.run(t, p, 60, nil)
	if w.stored.Operation == nil || w.stored.Operation.Phase != decision.Draining {
		t.Fatalf("no drain: %+v", w.stored.Operation)
	}
	w.perTick = 10
	p.Spec.Gates.Windows = []policy.Window{{Schedule: "0 23 * * *", Duration: policy.Duration(time.Hour)}} // it is early
	waits := false
	w.run(t, p, 60, func(_ int, d decision.Decision) {
		waits = waits || said(d, "proven empty, and not let go: windows: gates.windows opens at")
	})
	w.check(t)
	if w.want != 4 || !waits {
		t.Errorf("%d brokers of 4, told %v: %+v", w.want, waits, w.stored.Operation)
	}
}

// Rights that are missing are told by their name, and do not stand in the way of
// a load that comes back.
func TestAWriteThatFailsIsAConcernAndHasAWayBack(t *testing.T) {
	w := newFakeWorld(8, 4, 12)
	w.denied = errors.New("statefulsets.apps is forbidden")
	told := false
	w.run(t, actPolicy(), 120, func(_ int, d decision.Decision) {
		for _, c := range decision.Concerns(d) {
			told = told || c.Kind == decision.DrainCannotFinish && c.Severity == decision.Critical && strings.Contains(c.Detail, "forbidden")
		}
	})
	if !told || w.stored.Operation == nil || w.stored.Operation.Phase != decision.Shrinking {
		t.Fatalf("told %v, operation %+v", told, w.stored.Operation)
	}
	w.rate, w.denied = 6e6, nil // six are needed
	filled := false
	w.run(t, actPolicy(), 60, func(_ int, d decision.Decision) {
		if op := d.Operation; op != nil {
			filled = filled || op.GivenBack && op.Phase == decision.Filling
		}
	})
	w.check(t)
	if w.want < 6 {
		t.Errorf("%d brokers; the scale-in stood in the way of the peak", w.want)
	}
	if !filled || w.holds(3) == 0 {
		t.Errorf("filled again %v, %d replicas: broker 3 was left empty by the scale-in, and nothing scales out past it", filled, w.holds(3))
	}
}

// An operator fills the brokers that it adds. These it never saw leave.
func TestBrokersGivenBackAreFilledHereWhateverTheOperatorFills(t *testing.T) {
	w := newFakeWorld(8, 4, 12)
	w.fills, w.denied = true, errors.New("kafkanodepools.kafka.strimzi.io is forbidden")
	w.run(t, actPolicy(), 120, nil)
	if op := w.stored.Operation; op == nil || op.Phase != decision.Shrinking || w.holds(3) != 0 {
		t.Fatalf("%d replicas, operation %+v", w.holds(3), op)
	}
	w.rate, w.denied = 6e6, nil
	filled := false
	w.run(t, actPolicy(), 30, func(_ int, d decision.Decision) {
		filled = filled || d.Operation != nil && d.Operation.GivenBack && w.holds(3) > 0
	})
	w.check(t)
	if !filled {
		t.Error("broker 3 was left empty")
	}
}
