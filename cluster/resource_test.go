package cluster

import (
	"encoding/json"
	"testing"
)

func TestAPartitionCostsItsLeaderAndFollowersTogether(t *testing.T) {
	l := Load{BytesInPerSecond: 10, BytesOutPerSecond: 30, LeaderCPUCores: 0.4, FollowerCPUCores: 0.1, SizeBytes: 100}
	if got, want := l.Leader(3), (Footprint{0.4, 10, 50, 100}); got != want {
		t.Errorf("the leader of three replicas costs %+v, want %+v", got, want)
	}
	if got, want := l.Follower(), (Footprint{0.1, 10, 0, 100}); got != want {
		t.Errorf("a follower costs %+v, want %+v", got, want)
	}
	sum := l.Leader(3).Plus(l.Follower()).Plus(l.Follower())
	all := l.Replicated(3)
	for _, r := range Resources() {
		if d := sum.Of(r) - all.Of(r); d > 1e-9 || d < -1e-9 {
			t.Errorf("%s: the replicas add up to %v, all together cost %v", r, sum.Of(r), all.Of(r))
		}
	}
	p := Partition{Replicas: []int{4, 5, 6}, Leader: 5, Load: l}
	if p.On(5) != l.Leader(3) || p.On(4) != l.Follower() {
		t.Error("the leader is the replica that leads, not the one that is preferred")
	}
}

func TestFormerSpellingsOfAResourceAreRead(t *testing.T) {
	var got map[Resource]Resource
	text := `{"nwIn":"network-in","nwOut":"network-out","storage":"disk","disk-bandwidth":"diskBandwidth","cpu":"later"}`
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	want := map[Resource]Resource{NetworkIn: NetworkIn, NetworkOut: NetworkOut, Disk: Disk, DiskBandwidth: DiskBandwidth, CPU: "later"}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s is read as %q, want %q", k, got[k], v)
		}
	}
	if text, err := json.Marshal(want); err != nil || string(text) !=
		`{"cpu":"later","disk":"disk","diskBandwidth":"diskBandwidth","networkIn":"networkIn","networkOut":"networkOut"}` {
		t.Errorf("written as %s (%v)", text, err)
	}
}

func TestEveryResourceHasACapacity(t *testing.T) {
	c := Capacity{CPUCores: 1, NetworkInBytesPerSecond: 2, NetworkOutBytesPerSecond: 3, DiskBytes: 4, DiskBytesPerSecond: 5}
	for i, r := range Resources() {
		if got := c.Of(r); got != float64(i+1) {
			t.Errorf("%s: a capacity of %v, want %d", r, got, i+1)
		}
	}
}
