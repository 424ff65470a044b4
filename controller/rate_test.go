package controller

import (
	"testing"
	"time"
)

// oversized feeds a rate with a group of replicas that each can do mu, sized
// as the loop does without a forecast, until it stays.
func oversized(g *groupRate, replicas int, arriving, mu float64) (left int, worst float64) {
	now, lag := start, 0.0
	for range 300 {
		now = now.Add(time.Minute)
		consumed := min(arriving+lag/60, float64(replicas)*mu)
		lag = max(0, lag+60*(arriving-consumed))
		behind := 0.0
		if lag > triedSeconds*consumed {
			behind = 1
		}
		worst = max(worst, lag/arriving)
		g.learn(now, replicas, consumed, int64(lag), behind)
		if rate, _ := g.perReplica(0); rate > 0 && now.Sub(g.steadyAt) >= 2*settling {
			replicas = max(1, int(arriving/rate+0.999))
		}
	}
	return replicas, worst
}

func TestAGroupThatStartsWithTooManyReplicasLearnsWhatOneCanDo(t *testing.T) {
	for _, replicas := range []int{8, 60, 200} {
		g := &groupRate{}
		got, _ := oversized(g, replicas, 40e3, 6e3)
		if got < 7 || got > 9 {
			t.Errorf("from %d: %d replicas are left, 40,000 ÷ 6,000 are needed", replicas, got)
		}
	}
}

func TestWhatWasLearnedOfAGroupIsNotTriedAgainAfterARestart(t *testing.T) {
	g := &groupRate{saturated: 6e3}
	g.learn(start, 8, 40e3, 0, 0)
	g.learn(start.Add(time.Hour), 8, 40e3, 0, 0)
	if mu, atLeast := g.perReplica(0); mu != 6e3 || atLeast {
		t.Errorf("μ is %v, at least: %v", mu, atLeast)
	}
}

func TestABacklogOnOnePartitionSaysNothingOfABusyReplica(t *testing.T) {
	g := &groupRate{}
	g.learn(start, 8, 40e3, 0, 0)
	g.learn(start.Add(time.Hour), 8, 40e3, 4e6, 1.0/24)
	if g.saturated != 0 || g.tried {
		t.Errorf("learned %+v", g)
	}
}
