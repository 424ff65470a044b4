package rebalance

import (
	"strings"
	"testing"
)

func TestAGoalWhoseCapacityNobodyKnowsIsLeftOut(t *testing.T) {
	s := randomCluster(30, shape{brokers: 6, zones: 3, rf: 3, topics: 40, crowded: true})
	for i := range s.Brokers {
		s.Brokers[i].Capacity.NetworkInBytesPerSecond = 0
		s.Brokers[i].Capacity.NetworkOutBytesPerSecond = 0
		s.Brokers[i].Capacity.CPUCores = 0
	}
	p := mustPlan(t, s, Options{})
	if len(p.Moves) == 0 || p.After.Resources["disk"].OverIdeal >= p.Before.Resources["disk"].OverIdeal {
		t.Errorf("disk goes from %v to %v", p.Before.Resources["disk"].OverIdeal, p.After.Resources["disk"].OverIdeal)
	}
	if _, there := p.After.Resources["cpu"]; there {
		t.Error("the plan talks of cpu, whose capacity is unknown")
	}
	if p.After.Resources["leaders"].OverIdeal > 1.1 {
		t.Errorf("leaders are %v over the ideal", p.After.Resources["leaders"].OverIdeal)
	}
	if len(p.Warnings) != 3 || !strings.Contains(p.Warnings[0], "cpu") {
		t.Errorf("got %q", p.Warnings)
	}
}
