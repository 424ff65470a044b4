package journal

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// topicBatch is how many entries are produced before waiting for their acks.
const topicBatch = 256

// Topic copies a journal to a Kafka topic: acks=all, idempotent, all to
// partition 0, in order. The file is its queue, so that a Kafka that is down
// slows nothing and loses nothing: what it missed is sent when it is back,
// from the last sequence number that the topic holds. A crash between an ack
// and that reading may send an entry twice; readers drop a seq they have.
type Topic struct {
	name   string
	client *kgo.Client
	log    *slog.Logger
}

// NewTopic prepares the copying to a topic; opts say how to reach Kafka.
func NewTopic(name string, log *slog.Logger, opts ...kgo.Opt) (*Topic, error) {
	opts = append(opts,
		kgo.RequiredAcks(kgo.AllISRAcks()), // idempotent writes are kgo's default and need it
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.DefaultProduceTopic(name),
	)
	c, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("preparing the journal's topic %s: %w", name, err)
	}
	return &Topic{name: name, client: c, log: log}, nil
}

// Close ends the connection.
func (t *Topic) Close() { t.client.Close() }

// Run copies until ctx ends. It never makes the journal wait.
func (t *Topic) Run(ctx context.Context, j *Journal) error {
	pause := backoff.NewExponentialBackOff()
	pause.MaxInterval = time.Minute
	for {
		err := t.copyFrom(ctx, j, pause.Reset)
		if ctx.Err() != nil || err == nil {
			return ctx.Err()
		}
		wait := pause.NextBackOff()
		t.log.Warn("copying the journal to its topic", "topic", t.name, "error", err, "retryIn", wait)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// copyFrom sends what the topic does not have, then follows the journal. It
// returns nil when the journal is closed and all of it is sent.
func (t *Topic) copyFrom(ctx context.Context, j *Journal, progress func()) error {
	sent, err := t.resume(ctx, j)
	if err != nil {
		return err
	}
	for {
		head, moved, closed := j.follow()
		if head.Seq > sent {
			if sent, err = t.send(ctx, j.path, sent+1, head.Seq); err != nil {
				return err
			}
			progress()
			continue
		}
		if closed {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-moved:
		}
	}
}

// resume says up to which entry the topic holds the journal. An entry of ours that
// the topic knows and the journal does not is the proof that it was cut off: the
// topic is where whoever has the disk is not.
func (t *Topic) resume(ctx context.Context, j *Journal) (sent uint64, err error) {
	line, err := t.last(ctx)
	if err != nil || line == nil {
		return 0, err
	}
	e, err := ParseEntry(line)
	if err == nil {
		if why := j.unsigned(line); why != "" {
			err = errors.New(why)
		}
	}
	if err != nil {
		// Somebody else writes there, too. Readers drop what they have.
		t.log.Warn("the topic's last entry is not this journal's; all of it is copied anew", "topic", t.name, "error", err)
		return 0, nil
	}
	return j.confirm(Anchor{Seq: e.Seq, Hash: e.Hash})
}

// TopicHead reads the last entry of a journal's topic, which is an anchor that
// whoever has the journal's disk cannot move. With a key it must be signed by it.
func TopicHead(ctx context.Context, topic string, key ed25519.PublicKey, opts ...kgo.Opt) (Anchor, error) {
	t, err := NewTopic(topic, slog.New(slog.DiscardHandler), opts...)
	if err != nil {
		return Anchor{}, err
	}
	defer t.Close()
	line, err := t.last(ctx)
	if err == nil && line == nil {
		err = fmt.Errorf("topic %s is empty: no entry of it vouches for anything", topic)
	}
	if err != nil {
		return Anchor{}, err
	}
	return anchorOfEntry(line, key)
}

// follow returns the head, a channel that is closed when it moves on, and
// whether it never will again.
func (j *Journal) follow() (Anchor, <-chan struct{}, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last, j.waiting, j.closed
}

func (t *Topic) send(ctx context.Context, path string, from, to uint64) (sent uint64, err error) {
	sent = from - 1
	var batch []*kgo.Record
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		if err := t.client.ProduceSync(ctx, batch...).FirstErr(); err != nil {
			return fmt.Errorf("producing entries from %d on: %w", sent+1, err)
		}
		sent += uint64(len(batch))
		batch = batch[:0]
		return nil
	}
	done := errors.New("done")
	err = readLines(ctx, path, from, func(seq uint64, line []byte) error {
		if seq > to {
			return done
		}
		batch = append(batch, &kgo.Record{Key: strconv.AppendUint(nil, seq, 10), Value: append([]byte(nil), line...)})
		if len(batch) == topicBatch {
			return flush()
		}
		return nil
	})
	if err != nil && !errors.Is(err, done) {
		return sent, err
	}
	return sent, flush()
}

// last returns the last entry in the topic as it was written; nil for none.
func (t *Topic) last(ctx context.Context) ([]byte, error) {
	adm := kadm.NewClient(t.client)
	ends, err := adm.ListEndOffsets(ctx, t.name)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("reading the end of topic %s: %w", t.name, err)
	}
	starts, err := adm.ListStartOffsets(ctx, t.name)
	if err != nil {
		return nil, fmt.Errorf("reading the start of topic %s: %w", t.name, err)
	}
	end, ok := ends.Lookup(t.name, 0)
	if start, _ := starts.Lookup(t.name, 0); !ok || end.Offset <= start.Offset {
		return nil, nil
	}
	t.client.AddConsumePartitions(map[string]map[int32]kgo.Offset{t.name: {0: kgo.NewOffset().At(end.Offset - 1)}})
	defer t.client.RemoveConsumePartitions(map[string][]int32{t.name: {0}})
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	fetches := t.client.PollFetches(ctx)
	if err := fetches.Err(); err != nil {
		return nil, fmt.Errorf("reading the last entry of topic %s: %w", t.name, err)
	}
	var line []byte
	for r := range fetches.RecordsAll() {
		line = r.Value
	}
	return line, nil
}
