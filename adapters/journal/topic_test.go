package journal

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestTheTopicHoldsTheWholeChainInOrder copies a journal, stops, lets it grow
// and rotate, and copies on: the topic's lines are the file's lines.
func TestTheTopicHoldsTheWholeChainInOrder(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "audit"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	path := filepath.Join(t.TempDir(), "journal.jsonl")

	for run := range 2 {
		j, err := Open(path, Options{NoSync: true, Writer: "test", RotateBytes: 8 << 10})
		if err != nil {
			t.Fatal(err)
		}
		topic, err := NewTopic("audit", slog.New(slog.DiscardHandler), kgo.SeedBrokers(c.ListenAddrs()...))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		done := make(chan error, 1)
		go func() { done <- topic.Run(ctx, j) }()
		for i := range 20 {
			if err := j.Record(ctx, testDecision(20*run+i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		cancel()
		topic.Close()
	}

	var want []string
	readLines(t.Context(), path, 0, func(_ uint64, line []byte) error { want = append(want, string(line)); return nil })
	cl, err := kgo.NewClient(
		kgo.SeedBrokers(c.ListenAddrs()...),
		kgo.ConsumeTopics("audit"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var got []string
	for len(got) < len(want) && ctx.Err() == nil {
		for r := range cl.PollFetches(ctx).RecordsAll() {
			got = append(got, string(r.Value))
		}
	}
	if len(got) != len(want) {
		t.Fatalf("the topic holds %d entries, the files %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("entry %d differs", i+1)
		}
	}
}
