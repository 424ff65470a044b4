package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/tidetable/tidetable/test/e2e/testbed"
)

// moverBed is a real cluster with one topic, and the tidetable binary.
type moverBed struct {
	*testbed.Testbed
	t      *testing.T
	ctx    context.Context
	adm    *kadm.Client
	binary string
	topic  string
	runs   int
}

// placement is replica lists by partition, preferred leader first.
type placement [][]int32

func (p placement) clone() placement {
	out := make(placement, len(p))
	for i, r := range p {
		out[i] = slices.Clone(r)
	}
	return out
}

// finer makes Kafka's replication quota act within a second instead of ten, and
// in small fetches, so that runs of a few megabytes are throttled as runs of a
// few terabytes are. A follower that is refused, since its leader has not yet
// heard that it is one, or throttled, comes back after a tenth of a second and
// not after a whole one: docs/mover.md says what the default costs.
var finer = map[string]string{
	"replication.quota.window.num":     "3",
	"replica.fetch.max.bytes":          "262144",
	"replica.fetch.response.max.bytes": "524288",
	"replica.fetch.wait.max.ms":        "100",
	"replica.fetch.backoff.ms":         "100",
}

func newMoverBed(t *testing.T, brokers int) *moverBed {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Hour)
	t.Cleanup(cancel)
	tb := testbed.Start(t, testbed.Options{Brokers: brokers, BrokerConfig: finer, StartTimeout: 5 * time.Minute})
	adm, err := tb.Kafka.Admin()
	if err != nil {
		t.Fatal(err)
	}
	return &moverBed{Testbed: tb, t: t, ctx: ctx, adm: adm, binary: buildTidetable(t)}
}

// buildTidetable builds the command once per test.
func buildTidetable(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tidetable")
	cmd := exec.Command("go", "build", "-o", path, "./cmd/tidetable")
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building tidetable: %v\n%s", err, out)
	}
	return path
}

// fill makes a topic with a placement and puts bytes into every partition.
func (b *moverBed) fill(topic string, p placement, bytesEach int) {
	b.t.Helper()
	if err := b.Kafka.CreateTopic(b.ctx, topic, 0, 0, map[string]string{"min.insync.replicas": "2"}, p...); err != nil {
		b.t.Fatal(err)
	}
	if err := preload(b.ctx, b.Kafka, topic, len(p), bytesEach); err != nil {
		b.t.Fatalf("filling %s: %v", topic, err)
	}
}

// refill deletes and makes the topic again, for the next scenario.
func (b *moverBed) drop(topic string) {
	b.t.Helper()
	if _, err := b.adm.DeleteTopics(b.ctx, topic); err != nil {
		b.t.Fatalf("deleting %s: %v", topic, err)
	}
	b.poll("topic "+topic+" to be deleted", time.Minute, func(ctx context.Context) error {
		topics, err := b.adm.ListTopics(ctx, topic)
		if err != nil {
			return err
		}
		if d, ok := topics[topic]; ok && d.Err == nil {
			return errors.New("it is still there")
		}
		return nil
	})
}

func (b *moverBed) poll(what string, timeout time.Duration, check func(context.Context) error) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, timeout)
	defer cancel()
	if err := testbed.Poll(ctx, what, 200*time.Millisecond, check); err != nil {
		b.t.Fatal(err)
	}
}

// process is one run of the tidetable command.
type process struct {
	cmd    *exec.Cmd
	stdout bytes.Buffer
	stderr lockedBuffer
	done   chan struct{}
	err    error
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// rebalance starts `tidetable rebalance VERB …` as a process of its own.
func (b *moverBed) rebalance(verb string, args ...string) *process {
	b.t.Helper()
	args = append([]string{"rebalance", verb, "--bootstrap", strings.Join(b.Kafka.Bootstrap(), ","), "--output", "json"}, args...)
	p := &process{cmd: exec.Command(b.binary, args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	if err := p.cmd.Start(); err != nil {
		b.t.Fatalf("starting %v: %v", args, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	b.t.Cleanup(p.kill)
	return p
}

// execute starts a plan, with half a second between two polls.
func (b *moverBed) execute(plan placement, args ...string) *process {
	b.t.Helper()
	return b.executeFile(string(reassignmentFile(b.topic, plan)), args...)
}

func reassignmentFile(topic string, p placement) []byte {
	type entry struct {
		Topic     string  `json:"topic"`
		Partition int     `json:"partition"`
		Replicas  []int32 `json:"replicas"`
	}
	var list []entry
	for i, r := range p {
		list = append(list, entry{topic, i, r})
	}
	out, _ := json.Marshal(map[string]any{"version": 1, "partitions": list})
	return out
}

// kill ends the process with SIGKILL.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// wait waits for the process to end with this exit code.
func (b *moverBed) wait(p *process, timeout time.Duration, code int) {
	b.t.Helper()
	select {
	case <-p.done:
	case <-time.After(timeout):
		p.kill()
		b.t.Fatalf("%v is not done after %v:\n%s", p.cmd.Args[1:3], timeout, p.stderr.String())
	}
	if got := p.cmd.ProcessState.ExitCode(); got != code {
		b.t.Fatalf("%v exits %d, want %d:\n%s\n%s", p.cmd.Args[1:3], got, code, p.stdout.String(), p.stderr.String())
	}
}

// status asks a process of its own how far the run is.
type status struct {
	Run        string  `json:"run"`
	State      string  `json:"state"`
	Why        string  `json:"why"`
	BytesTotal float64 `json:"bytesTotal"`
	BytesMoved float64 `json:"bytesMoved"`
	Percent    float64 `json:"percent"`
	ETA        float64 `json:"etaSeconds"`
}

func (b *moverBed) status() (status, error) {
	var s status
	out, err := exec.Command(b.binary, "rebalance", "status", "--bootstrap", strings.Join(b.Kafka.Bootstrap(), ","), "--output", "json").Output()
	if err != nil {
		return s, fmt.Errorf("asking for the status: %w", err)
	}
	return s, json.Unmarshal(out, &s)
}

// until waits until a run has moved this share of its bytes.
func (b *moverBed) until(p *process, percent float64) status {
	b.t.Helper()
	var s status
	b.poll(fmt.Sprintf("%.0f %% of the bytes", percent), 3*time.Minute, func(context.Context) error {
		select {
		case <-p.done:
			return &testbed.Fatal{Err: fmt.Errorf("the run is over already:\n%s", p.stderr.String())}
		default:
		}
		var err error
		if s, err = b.status(); err != nil {
			return err
		}
		if s.State == "done" || s.State == "idle" || s.Percent < percent {
			return fmt.Errorf("it is %s at %.1f %%", s.State, s.Percent)
		}
		return nil
	})
	return s
}

// inFlight waits until a reassignment that brings data is in flight, and
// returns one.
func (b *moverBed) inFlight(p *process) kmsg.ListPartitionReassignmentsResponseTopicPartition {
	b.t.Helper()
	var found kmsg.ListPartitionReassignmentsResponseTopicPartition
	b.poll("a reassignment in flight", 2*time.Minute, func(ctx context.Context) error {
		select {
		case <-p.done:
			return &testbed.Fatal{Err: fmt.Errorf("the run is over already:\n%s", p.stderr.String())}
		default:
		}
		list, err := b.reassigning(ctx)
		if err != nil {
			return err
		}
		for _, t := range list {
			for _, r := range t.Partitions {
				if len(r.AddingReplicas) > 0 {
					found = r
					return nil
				}
			}
		}
		return errors.New("there is none")
	})
	return found
}

func (b *moverBed) reassigning(ctx context.Context) ([]kmsg.ListPartitionReassignmentsResponseTopic, error) {
	cl, err := b.Kafka.Client()
	if err != nil {
		return nil, err
	}
	req := kmsg.NewPtrListPartitionReassignmentsRequest()
	req.Topics = nil
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return nil, err
	}
	return resp.Topics, nil
}

// settled waits until the cluster is as a run must leave it: every partition on
// its replicas and led by the first, nothing in flight, no throttle anywhere,
// no replica on disk that the metadata does not know.
func (b *moverBed) settled(want placement) {
	b.t.Helper()
	b.poll("the placement to be what was planned", time.Minute, func(ctx context.Context) error { return b.placed(ctx, want) })
	b.clean()
}

func (b *moverBed) clean() {
	b.t.Helper()
	b.poll("no throttle to be left", 20*time.Second, b.unthrottled)
	b.poll("no stray replica to be left", time.Minute, b.noStrays)
}

func (b *moverBed) placed(ctx context.Context, want placement) error {
	topics, err := b.adm.ListTopics(ctx, b.topic)
	if err != nil {
		return err
	}
	for i, replicas := range want {
		p := topics[b.topic].Partitions[int32(i)]
		if !slices.Equal(p.Replicas, replicas) || p.Leader != replicas[0] {
			return fmt.Errorf("%s-%d is on %v led by %d, want %v", b.topic, i, p.Replicas, p.Leader, replicas)
		}
	}
	list, err := b.reassigning(ctx)
	if err == nil && len(list) > 0 {
		err = fmt.Errorf("%d topics are still reassigning", len(list))
	}
	return err
}

// unthrottled looks for dynamic throttles on every running broker and topic.
func (b *moverBed) unthrottled(ctx context.Context) error {
	var ids []int32
	for _, k := range b.Kafka.Brokers() {
		if k.Running() {
			ids = append(ids, int32(k.ID))
		}
	}
	brokers, err := b.adm.DescribeBrokerConfigs(ctx, ids...)
	if err != nil {
		return err
	}
	names, err := b.adm.ListTopics(ctx)
	if err != nil {
		return err
	}
	topics, err := b.adm.DescribeTopicConfigs(ctx, names.Names()...)
	if err != nil {
		return err
	}
	for _, r := range append(brokers, topics...) {
		for _, c := range r.Configs {
			dynamic := c.Source == kmsg.ConfigSourceDynamicBrokerConfig || c.Source == kmsg.ConfigSourceDynamicTopicConfig
			if dynamic && strings.Contains(c.Key, "replication.throttled") && c.MaybeValue() != "" {
				return fmt.Errorf("%s has %s=%s", r.Name, c.Key, c.MaybeValue())
			}
		}
	}
	return nil
}

// noStrays holds every running broker's log dirs against the metadata.
func (b *moverBed) noStrays(ctx context.Context) error {
	topics, err := b.adm.ListTopicsWithInternal(ctx)
	if err != nil {
		return err
	}
	for _, k := range b.Kafka.Brokers() {
		if !k.Running() {
			continue
		}
		dirs, err := b.adm.DescribeBrokerLogDirs(ctx, int32(k.ID), nil)
		if err != nil {
			return err
		}
		var stray error
		dirs.EachPartition(func(p kadm.DescribedLogDirPartition) {
			if !slices.Contains(topics[p.Topic].Partitions[p.Partition].Replicas, int32(k.ID)) {
				stray = fmt.Errorf("broker %d holds %s-%d, which is on %v", k.ID, p.Topic, p.Partition, topics[p.Topic].Partitions[p.Partition].Replicas)
			}
		})
		if stray != nil {
			return stray
		}
	}
	return nil
}
