package adminclient

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/tidetable/tidetable/rebalance/execute"
)

// DefaultStateTopic is where the mover keeps its state.
const DefaultStateTopic = "__tidetable_mover"

const claimKey = "claim"

// storeTimeout bounds one write or read of the state. A judgement: longer than an
// election of the state topic's leader takes.
const storeTimeout = 60 * time.Second

// StateTopic keeps the state in one partition of a compacted topic.
//
// Ownership needs no lease: every owner remembers the offset of its last
// record, and when the partition's end is further on, somebody else has
// written. The last claim in the log is the owner's.
type StateTopic struct {
	cl    *kgo.Client // produces, and asks for offsets; the caller's
	adm   *kadm.Client
	topic string
	opts  []kgo.Opt

	turn  chan struct{} // of who reads or writes; waited for no longer than a context lasts
	owner string
	next  int64 // the offset after our last record; -1 before a claim
}

// NewStateTopic keeps state in a topic; opts are the caller's connection
// options, used for short-lived readers. The topic is made at the first claim.
func NewStateTopic(topic string, opts ...kgo.Opt) (*StateTopic, error) {
	if topic == "" {
		topic = DefaultStateTopic
	}
	own := append(slices.Clone(opts),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(0),
		kgo.RecordDeliveryTimeout(storeTimeout))
	cl, err := kgo.NewClient(own...)
	if err != nil {
		return nil, fmt.Errorf("connecting to kafka: %w", err)
	}
	return &StateTopic{cl: cl, adm: kadm.NewClient(cl), topic: topic, opts: opts, turn: make(chan struct{}, 1), next: -1}, nil
}

// Close closes the connection.
func (s *StateTopic) Close() { s.cl.Close() }

// take waits for the turn.
func (s *StateTopic) take(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for state topic %s: %w", s.topic, ctx.Err())
	}
}

func (s *StateTopic) give() { <-s.turn }

// Load implements Store.
func (s *StateTopic) Load(ctx context.Context) (map[string][]byte, error) {
	if err := s.take(ctx); err != nil {
		return nil, err
	}
	defer s.give()
	kv, _, _, err := s.read(ctx)
	delete(kv, claimKey)
	return kv, err
}

// read returns the newest values, the last claim and the end offset.
func (s *StateTopic) read(ctx context.Context) (kv map[string][]byte, owner string, end int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	kv = map[string][]byte{}
	start, end, err := s.offsets(ctx)
	if err != nil || start >= end {
		return kv, "", max(end, 0), err
	}
	cl, err := kgo.NewClient(append(slices.Clone(s.opts), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{
		s.topic: {0: kgo.NewOffset().At(start)},
	}))...)
	if err != nil {
		return nil, "", 0, fmt.Errorf("connecting to kafka: %w", err)
	}
	defer cl.Close()
	for done := false; !done; {
		fetches := cl.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return nil, "", 0, fmt.Errorf("reading state topic %s: %w", s.topic, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Value == nil {
				delete(kv, string(r.Key))
			} else {
				kv[string(r.Key)] = r.Value
			}
			done = done || r.Offset >= end-1
		})
	}
	return kv, string(kv[claimKey]), end, nil
}

// offsets asks for the first and the next offset; 0 and 0 without a topic.
func (s *StateTopic) offsets(ctx context.Context) (start, end int64, err error) {
	for _, at := range []struct {
		list func(context.Context, ...string) (kadm.ListedOffsets, error)
		to   *int64
	}{{s.adm.ListStartOffsets, &start}, {s.adm.ListEndOffsets, &end}} {
		l, err := within(ctx, func(ctx context.Context) (kadm.ListedOffsets, error) { return at.list(ctx, s.topic) })
		if err != nil {
			return 0, 0, fmt.Errorf("reading offsets of state topic %s: %w", s.topic, err)
		}
		o, ok := l.Lookup(s.topic, 0)
		switch {
		case !ok || errors.Is(o.Err, kerr.UnknownTopicOrPartition):
			return 0, 0, nil
		case o.Err != nil:
			return 0, 0, fmt.Errorf("reading offsets of state topic %s: %w", s.topic, o.Err)
		}
		*at.to = o.Offset
	}
	return start, end, nil
}

// Claim implements Store.
func (s *StateTopic) Claim(ctx context.Context, owner string) error {
	if err := s.take(ctx); err != nil {
		return err
	}
	defer s.give()
	if err := s.create(ctx); err != nil {
		return err
	}
	s.owner = owner
	return s.write(ctx, []execute.Record{{Key: claimKey, Value: []byte(owner)}})
}

// create makes the topic when it is not there, with as many replicas as the
// cluster allows up to three, and min.insync.replicas one below.
func (s *StateTopic) create(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	meta, err := within(ctx, func(ctx context.Context) (kadm.Metadata, error) { return s.adm.Metadata(ctx, s.topic) })
	if err != nil {
		return fmt.Errorf("reading metadata: %w", err)
	}
	if t, ok := meta.Topics[s.topic]; ok && t.Err == nil {
		return nil
	}
	rf := min(3, len(meta.Brokers))
	configs := map[string]*string{
		"cleanup.policy":      kmsg.StringPtr("compact"),
		"min.insync.replicas": kmsg.StringPtr(fmt.Sprint(max(1, rf-1))),
	}
	_, err = within(ctx, func(ctx context.Context) (kadm.CreateTopicResponse, error) {
		return s.adm.CreateTopic(ctx, 1, int16(rf), configs, s.topic)
	})
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("creating state topic %s: %w", s.topic, err)
	}
	return nil
}

// Put implements Store.
func (s *StateTopic) Put(ctx context.Context, records []execute.Record) error {
	if err := s.take(ctx); err != nil {
		return err
	}
	defer s.give()
	if err := s.check(ctx); err != nil {
		return err
	}
	return s.write(ctx, records)
}

// write produces in order and waits for all in-sync replicas.
func (s *StateTopic) write(ctx context.Context, records []execute.Record) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	for _, r := range records {
		offset, err := s.produce(ctx, r)
		if err != nil {
			return fmt.Errorf("writing state topic %s: %w", s.topic, err)
		}
		s.next = offset + 1
	}
	return nil
}

// produce waits for one record, and no longer than ctx lasts: the client holds
// on to a record that is on its way. Should it arrive after all, the next check
// finds it to be of this owner.
func (s *StateTopic) produce(ctx context.Context, r execute.Record) (offset int64, err error) {
	type written struct {
		offset int64
		err    error
	}
	done := make(chan written, 1)
	s.cl.Produce(ctx, &kgo.Record{Topic: s.topic, Partition: 0, Key: []byte(r.Key), Value: r.Value}, func(rec *kgo.Record, err error) {
		done <- written{rec.Offset, err}
	})
	select {
	case w := <-done:
		return w.offset, w.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// Check implements Store.
func (s *StateTopic) Check(ctx context.Context) error {
	if err := s.take(ctx); err != nil {
		return err
	}
	defer s.give()
	return s.check(ctx)
}

func (s *StateTopic) check(ctx context.Context) error {
	if s.next < 0 {
		return errors.New("the state was not claimed")
	}
	_, end, err := s.offsets(ctx)
	if err != nil || end == s.next {
		return err
	}
	_, owner, end, err := s.read(ctx)
	if err != nil {
		return err
	}
	if owner != s.owner {
		return fmt.Errorf("%w: it is with %s", execute.ErrTakenOver, owner)
	}
	s.next = end
	return nil
}
