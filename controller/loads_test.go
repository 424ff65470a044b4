package controller

import (
	"context"
	"testing"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/policy"
)

// What hot spots are held against has to be in the decision, or nobody is hot.
func TestADecisionSaysEveryBrokersFairShare(t *testing.T) {
	c := newLoop(t, Config{
		Policy: testPolicy(policy.Recommend), Clock: &testClock{start},
		Observer: observerFunc(func(context.Context) (cluster.Snapshot, error) { return loaded(6, 4e6), nil }),
	})
	d, err := c.Tick(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range d.Seen.BrokerLoads {
		for r := range b.Utilisation {
			if u, known := d.Seen.Utilisation[r]; !known || u < 0 {
				t.Errorf("the fair share of %s is %v (%v)", r, u, known)
			}
		}
	}
	if d.Seen.Utilisation[cluster.NetworkIn] <= 0 {
		t.Errorf("the cluster receives nothing: %v", d.Seen.Utilisation)
	}
}
