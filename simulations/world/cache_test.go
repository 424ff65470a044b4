package world

import (
	"testing"
	"time"
)

func TestReaderBehindThePageCacheLoadsTheDisks(t *testing.T) {
	c := generated(3, 1, 12, 24*time.Hour)
	for i := range c.Brokers {
		c.Brokers[i].Capacity.MemoryBytes = 1e9
	}
	c.Groups = []GroupSpec{{Name: "slow", Topics: []int{0}, PerReplica: 100, Replicas: 12}}
	w, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	w.Step()
	before := w.place.brokers[0].use.disk - w.place.brokers[0].use.in
	for range 120 {
		w.Step()
	}
	if after := w.place.brokers[0].use.disk - w.place.brokers[0].use.in; before != 0 || after <= 0 {
		t.Errorf("reads from disk are %g B/s at first and %g B/s with a lag of %.0f s, want none and some", before, after,
			w.consumers.groups[0].lagSeconds)
	}
}
