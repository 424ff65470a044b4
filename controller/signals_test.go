package controller

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/controller/gates"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/metrics/observe"
	"github.com/tidetable/tidetable/policy"
)

type brokenWatcher struct{}

func (brokenWatcher) Observations(context.Context, time.Time) ([]decision.Observation, error) {
	return nil, errors.New("nobody answers")
}

// A gate that looks for a name nobody gives looks for nothing.
func TestEverySignalThatIsLookedForIsGivenBySomebody(t *testing.T) {
	// What merging names when nothing was measured, and what the loop names itself.
	placed := loaded(3, 4e6)
	placed.Groups = []cluster.Group{{Name: "readers", Partitions: []cluster.GroupPartition{{Topic: "t"}}}}
	unmeasured := observe.Merge(&placed, observe.Input{}, start, cluster.Capacity{})
	withoutKafka := observe.Merge(nil, observe.Input{}, start, cluster.Capacity{})
	c := newLoop(t, Config{
		Policy: testPolicy(policy.Recommend), Clock: &testClock{start.Add(24 * time.Hour)}, Watchers: []Watcher{brokenWatcher{}},
		Observer: observerFunc(func(context.Context) (cluster.Snapshot, error) { return unmeasured, nil }),
	})
	d, err := c.Tick(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var given []cluster.Signal
	for _, x := range slices.Concat(d.Seen.Stale, withoutKafka.Stale) {
		given = append(given, x.Signal)
		if x.Cause == "" {
			t.Errorf("%s is stale without a cause: %s", x.Signal, x.Reason)
		}
	}
	for _, signal := range slices.Concat(loadSignals, gates.NotOfPlacement) {
		if !slices.Contains(given, signal) {
			t.Errorf("%s is looked for, and nobody gives it; given are %v", signal, given)
		}
	}
}
