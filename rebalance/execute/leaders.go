package execute

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// electionPause lies between two rounds of preferred elections. A broker that
// becomes a leader writes the new epoch to disk, partition by partition, before
// it serves. A follower that asks meanwhile is refused and comes back only
// after replica.fetch.backoff.ms, a second by default, for which producers
// with acks=all stand still. So nobody is made the leader of many at once. A
// tenth of a second is what replica.fetch.backoff.ms should be set to; the runs
// of make soak-mover hold the producers' p99 with it.
const electionPause = 100 * time.Millisecond

// maxElections bounds the preferred elections of one poll per new leader: every
// one makes clients look for their leader again. It is what half of a poll of
// fifty seconds has rounds for, so only a poll longer than that, or one without
// pauses, meets it.
const maxElections = 250

// submitFree does what costs no bytes: cancels, reorders, elections. Beside
// another tool's reassignment, and without leave, it only takes back what
// cannot arrive.
func (m *Mover) submitFree(ctx context.Context, v verdicts, l *leave) error {
	var cancels []Target
	for _, tp := range v.revert {
		cancels = append(cancels, Target{TP: tp})
	}
	if len(v.foreign) > 0 {
		v.reorder, v.elect = nil, nil
	}
	for i, targets := range [][]Target{cancels, v.reorder} {
		for batch := range slices.Chunk(targets, MaxPartitionsPerRequest) {
			if i > 0 && !l.given(ctx) {
				return nil
			}
			refused, err := m.cfg.Kafka.Reassign(ctx, batch)
			if err != nil {
				return err
			}
			m.story.refused(refused)
		}
	}
	return m.elect(ctx, v.elect, l)
}

// elect asks for preferred leaders, one of each broker at a time, for half of a
// poll at most; the rest follows at the next one.
func (m *Mover) elect(ctx context.Context, targets []Target, l *leave) error {
	most := maxElections
	if !m.cfg.Manual { // whoever steps by hand has a clock of their own
		most = min(most, max(1, int(m.cfg.Poll/2/electionPause)))
	}
	asked := 0
	for i, round := range electionRounds(targets, most) {
		if i > 0 && !m.cfg.Manual {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(electionPause):
			}
		}
		if !l.given(ctx) {
			break
		}
		refused, err := m.cfg.Kafka.Elect(ctx, round)
		if err != nil {
			return err
		}
		m.story.refused(refused)
		asked += len(round) - len(refused)
	}
	if asked > 0 {
		m.story.emit(Event{Kind: EventBatch, Partitions: asked,
			Text: fmt.Sprintf("electing the preferred leaders of %d partitions", asked)})
	}
	return nil
}

// electionRounds deals elections out so that no round makes a broker the leader
// of more than one partition.
func electionRounds(targets []Target, most int) [][]TP {
	var rounds [][]TP
	dealt := map[int]int{}
	for _, t := range targets {
		leader := t.Replicas[0]
		n := dealt[leader]
		if n >= most {
			continue
		}
		dealt[leader]++
		if n == len(rounds) {
			rounds = append(rounds, nil)
		}
		rounds[n] = append(rounds[n], t.TP)
	}
	return rounds
}
