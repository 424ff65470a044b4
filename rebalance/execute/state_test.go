package execute

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/tidetable/tidetable/rebalance"
)

func bigRun(moves int) Run {
	r := Run{ID: "r1", ClusterID: "c", State: rebalance.Moving, StartedAt: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
		Drain: []int{3}, Unregister: true}
	for i := range moves {
		r.Moves = append(r.Moves, Move{Topic: fmt.Sprintf("t%d", i/100), TopicID: "id", Partition: i % 100, Original: []int{1, 2, 3},
			Target: []int{1, 2, 4}, Size: 7})
	}
	r.Chunks = (moves + chunkMoves - 1) / chunkMoves
	return r
}

func stored(t testing.TB, records []Record) map[string][]byte {
	t.Helper()
	kv := map[string][]byte{}
	for _, r := range records {
		kv[r.Key] = r.Value
	}
	return kv
}

func TestRunIsReadBackAsItWasWritten(t *testing.T) {
	for _, n := range []int{0, 1, 999, 1000, 2500} {
		want := bigRun(n)
		records, err := encodeRun(want)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if len(r.Value) > 900_000 {
				t.Errorf("record %s has %d bytes, near Kafka's limit", r.Key, len(r.Value))
			}
		}
		got, _, err := decodeState(stored(t, records))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%d moves: read back as %+v, %v", n, got, err)
		}
	}
}

func TestHalfWrittenRunIsNoRun(t *testing.T) {
	old, err := encodeRun(func() Run { r := bigRun(2500); r.ID, r.State = "r0", rebalance.Done; return r }())
	if err != nil {
		t.Fatal(err)
	}
	next, err := encodeRun(bigRun(2500))
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n < len(next); n++ { // killed after the n-th record
		run, _, err := decodeState(stored(t, append(old, next[:n]...)))
		if err != nil || run.State.Active() {
			t.Errorf("after %d of %d records: %s %s, %v", n, len(next), run.ID, run.State, err)
		}
	}
}

func TestOwnedThrottlesAreASetInOrder(t *testing.T) {
	o := ownership{}.with([]RateOn{{2, LeaderSide}, {1, FollowerSide}}, []Entry{{"b", LeaderSide, 0, 1}})
	o = o.with([]RateOn{{1, FollowerSide}}, []Entry{{"a", LeaderSide, 0, 1}, {"b", LeaderSide, 0, 1}})
	want := ownership{Rates: []RateOn{{1, FollowerSide}, {2, LeaderSide}}, Entries: []Entry{{"a", LeaderSide, 0, 1}, {"b", LeaderSide, 0, 1}}}
	if !reflect.DeepEqual(o, want) {
		t.Errorf("owned %+v", o)
	}
	rec, err := encodeOwned(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, got, err := decodeState(map[string][]byte{ownedKey: rec.Value}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("read back as %+v, %v", got, err)
	}
}

// FuzzDecodeState: whatever is in the topic, reading it is an answer or an
// error, and a run that is read has replicas everywhere.
func FuzzDecodeState(f *testing.F) {
	records, err := encodeRun(bigRun(2))
	if err != nil {
		f.Fatal(err)
	}
	kv := stored(f, records)
	f.Add(kv[runKey], kv[chunkKey+"0"], []byte(`{"rates":[{"broker":1,"side":"leader"}],"entries":[]}`))
	f.Add([]byte(`{"id":"x","phase":"moving","chunks":1}`), []byte(`{"run":"x","moves":[{"topic":"t"}]}`), []byte(`null`))
	f.Add([]byte(`{"chunks":-1}`), []byte(`[]`), []byte(`{`))
	f.Fuzz(func(t *testing.T, run, moves, owned []byte) {
		r, _, err := decodeState(map[string][]byte{runKey: run, chunkKey + "0": moves, ownedKey: owned})
		if err != nil {
			return
		}
		for _, m := range r.Moves {
			if len(m.Original) == 0 || len(m.Target) == 0 {
				t.Fatalf("a move without replicas was read: %+v", m)
			}
		}
	})
}
