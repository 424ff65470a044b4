package adminclient

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/rebalance/execute"
)

const (
	// brokerTimeout bounds a question to one broker: one that is down must not stop
	// the poll. A judgement: as long as the mover's poll.
	brokerTimeout = 5 * time.Second
	// listTimeout bounds what the controller takes to list reassignments; the
	// protocol wants one. A judgement: three polls.
	listTimeout = 15 * time.Second
	// minISRAge is how long a topic's min.insync.replicas is remembered. A
	// judgement: it is changed by hand, if ever.
	minISRAge = time.Minute
	// brokersAtOnce is how many brokers are asked side by side. A judgement: a
	// hundred that answer in 50 ms take a third of a second.
	brokersAtOnce = 16
	// topicsPerRequest is how many topics one request asks the configuration
	// of. A judgement: a large cluster is asked in some tens of requests.
	topicsPerRequest = 500
)

// Client is the Kafka port on a real cluster.
type Client struct {
	cl  *kgo.Client
	adm *kadm.Client

	mu     sync.Mutex
	minISR map[string]minISR // by topic name and id
	alive  []int             // brokers that were alive at the last View
}

type minISR struct {
	value int
	read  time.Time
}

// New wraps a client that stays the caller's to close.
func New(cl *kgo.Client) *Client {
	return &Client{cl: cl, adm: kadm.NewClient(cl), minISR: map[string]minISR{}}
}

// View implements Kafka. Metadata is read raw: kadm leaves out the replicas of
// a partition without a leader, and those are the ones that matter most.
func (c *Client) View(ctx context.Context, topics []string) (execute.View, error) {
	v := execute.View{Brokers: map[int]execute.BrokerView{}, Topics: map[string]execute.TopicView{},
		Reassigning: map[execute.TP]execute.Reassigning{}}
	// The list first: what completes between the two requests then looks as if
	// it were still in flight, which is harmless. The other way round, it would
	// look as if it had left replicas behind.
	if err := c.addReassigning(ctx, v); err != nil {
		return v, err
	}
	req := kmsg.NewPtrMetadataRequest()
	req.AllowAutoTopicCreation = false
	if topics != nil {
		req.Topics = []kmsg.MetadataRequestTopic{}
	}
	for _, t := range topics {
		rt := kmsg.NewMetadataRequestTopic()
		rt.Topic = kmsg.StringPtr(t)
		req.Topics = append(req.Topics, rt)
	}
	resp, err := within(ctx, func(ctx context.Context) (*kmsg.MetadataResponse, error) { return req.RequestWith(ctx, c.cl) })
	if err != nil {
		return v, fmt.Errorf("reading metadata: %w", err)
	}
	if resp.ClusterID != nil {
		v.ClusterID = *resp.ClusterID
	}
	for _, b := range resp.Brokers {
		v.Brokers[int(b.NodeID)] = execute.BrokerView{Zone: deref(b.Rack), Alive: true}
	}
	for _, t := range resp.Topics {
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil {
			if errors.Is(err, kerr.UnknownTopicOrPartition) {
				continue
			}
			return v, fmt.Errorf("reading metadata of topic %s: %w", deref(t.Topic), err)
		}
		v.Topics[deref(t.Topic)] = topicView(t)
	}
	v.FencedKnown = c.addFenced(ctx, v)
	if err := c.addMinISR(ctx, v); err != nil {
		return v, err
	}
	c.remember(v)
	return v, nil
}

func topicView(t kmsg.MetadataResponseTopic) execute.TopicView {
	out := execute.TopicView{ID: kadm.TopicID(t.TopicID).String(), Internal: t.IsInternal}
	for _, p := range t.Partitions {
		for len(out.Partitions) <= int(p.Partition) {
			out.Partitions = append(out.Partitions, execute.PartitionView{Leader: -1})
		}
		out.Partitions[p.Partition] = execute.PartitionView{Replicas: ints(p.Replicas), ISR: ints(p.ISR), Leader: int(p.Leader)}
	}
	return out
}

// fencedVersion is the first DescribeCluster that tells fenced brokers (KIP-1073).
const fencedVersion = 2

// addFenced adds brokers that are registered and fenced, and tells whether they
// could be asked for: brokers before 4.0 do not tell them.
func (c *Client) addFenced(ctx context.Context, v execute.View) (known bool) {
	req := kmsg.NewPtrDescribeClusterRequest()
	req.EndpointType = 1
	req.IncludeFencedBrokers = true
	resp, err := within(ctx, func(ctx context.Context) (*kmsg.DescribeClusterResponse, error) { return req.RequestWith(ctx, c.cl) })
	if err != nil || resp.ErrorCode != 0 {
		return false
	}
	for _, b := range resp.Brokers {
		if _, ok := v.Brokers[int(b.NodeID)]; !ok || b.IsFenced {
			v.Brokers[int(b.NodeID)] = execute.BrokerView{Zone: deref(b.Rack), Alive: !b.IsFenced}
		}
	}
	return resp.Version >= fencedVersion
}

// addMinISR adds min.insync.replicas, remembered for a while: reading it for
// every topic at every poll would cost more than all the rest.
func (c *Client) addMinISR(ctx context.Context, v execute.View) error {
	c.mu.Lock()
	var ask []string
	now := time.Now()
	for name, t := range v.Topics {
		if m, ok := c.minISR[name+t.ID]; !ok || now.Sub(m.read) > minISRAge {
			ask = append(ask, name)
		}
	}
	c.mu.Unlock()
	slices.Sort(ask)
	for batch := range slices.Chunk(ask, topicsPerRequest) {
		if err := c.readMinISR(ctx, v, batch, now); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, t := range v.Topics {
		t.MinISR = max(1, c.minISR[name+t.ID].value)
		v.Topics[name] = t
	}
	return nil
}

func (c *Client) readMinISR(ctx context.Context, v execute.View, topics []string, now time.Time) error {
	req := kmsg.NewPtrDescribeConfigsRequest()
	for _, t := range topics {
		r := kmsg.NewDescribeConfigsRequestResource()
		r.ResourceType = kmsg.ConfigResourceTypeTopic
		r.ResourceName = t
		r.ConfigNames = []string{"min.insync.replicas"}
		req.Resources = append(req.Resources, r)
	}
	resp, err := within(ctx, func(ctx context.Context) (*kmsg.DescribeConfigsResponse, error) { return req.RequestWith(ctx, c.cl) })
	if err != nil {
		return fmt.Errorf("reading min.insync.replicas: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range resp.Resources {
		if r.ErrorCode != 0 { // deleted since the metadata was read
			continue
		}
		for _, k := range r.Configs {
			if n, err := strconv.Atoi(deref(k.Value)); err == nil && k.Name == "min.insync.replicas" {
				c.minISR[r.ResourceName+v.Topics[r.ResourceName].ID] = minISR{n, now}
			}
		}
	}
	return nil
}

// addReassigning lists with Topics null, which means all. kadm's method returns
// an empty list without asking when it is given none.
func (c *Client) addReassigning(ctx context.Context, v execute.View) error {
	req := kmsg.NewPtrListPartitionReassignmentsRequest()
	req.Topics = nil
	req.TimeoutMillis = int32(listTimeout.Milliseconds())
	resp, err := within(ctx, func(ctx context.Context) (*kmsg.ListPartitionReassignmentsResponse, error) {
		return req.RequestWith(ctx, c.cl)
	})
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if err != nil && !errors.Is(err, kerr.ClusterAuthorizationFailed) {
		// Only the controller knows the list; any broker passes the question on.
		return fmt.Errorf("the controller does not answer: listing reassignments: %w", err)
	}
	if err != nil {
		return fmt.Errorf("listing reassignments: %w", err)
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			v.Reassigning[execute.TP{Topic: t.Topic, Partition: int(p.Partition)}] = execute.Reassigning{
				Replicas: ints(p.Replicas), Adding: ints(p.AddingReplicas), Removing: ints(p.RemovingReplicas),
			}
		}
	}
	return nil
}

func (c *Client) remember(v execute.View) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.alive = c.alive[:0]
	for id, b := range v.Brokers {
		if b.Alive {
			c.alive = append(c.alive, id)
		}
	}
	slices.Sort(c.alive)
}

// Sizes implements Kafka.
func (c *Client) Sizes(ctx context.Context, brokers []int, partitions []execute.TP) (execute.Sizes, error) {
	var set kadm.TopicsSet
	if partitions != nil {
		set = kadm.TopicsSet{}
		for _, p := range partitions {
			set.Add(p.Topic, int32(p.Partition))
		}
	}
	out := execute.Sizes{Brokers: map[int]execute.BrokerSizes{}, Offline: map[int][]string{}}
	var mu sync.Mutex
	_ = eachBroker(ctx, brokers, func(ctx context.Context, b int) error {
		dirs, err := within(ctx, func(ctx context.Context) (kadm.DescribedLogDirs, error) {
			return c.adm.DescribeBrokerLogDirs(ctx, int32(b), set)
		})
		if err != nil || len(dirs) == 0 {
			return nil // silent: absent from the result
		}
		mu.Lock()
		defer mu.Unlock()
		if off := offline(dirs); len(off) > 0 {
			out.Offline[b] = off
		} else if dirs.Error() == nil {
			out.Brokers[b] = brokerSizes(dirs)
		}
		return nil
	})
	return out, ctx.Err()
}

// offline names the directories that a broker says it cannot use.
func offline(dirs kadm.DescribedLogDirs) []string {
	var out []string
	for path, d := range dirs {
		if errors.Is(d.Err, kerr.KafkaStorageError) {
			out = append(out, path)
		}
	}
	slices.Sort(out)
	return out
}

// brokerSizes adds up a broker's directories. Those that report the very same sizes
// share a volume, whose room is there once. Nothing new goes to a cordoned one.
func brokerSizes(dirs kadm.DescribedLogDirs) execute.BrokerSizes {
	s := execute.BrokerSizes{Replicas: map[execute.TP]cluster.Bytes{}}
	type volume struct{ total, usable int64 }
	volumes := map[volume]int{}
	for _, path := range slices.Sorted(maps.Keys(dirs)) {
		d := dirs[path]
		if d.UsableBytes < 0 || s.Usable < 0 {
			s.Usable, s.Total, s.Dirs = -1, -1, nil
			continue
		}
		if d.IsCordoned {
			continue
		}
		v := volume{d.TotalBytes, d.UsableBytes}
		at, known := volumes[v]
		if !known {
			at = len(volumes)
			volumes[v] = at
			s.Usable += cluster.Bytes(d.UsableBytes)
			s.Total += cluster.Bytes(d.TotalBytes)
		}
		replicas := 0
		d.Topics.Each(func(kadm.DescribedLogDirPartition) { replicas++ })
		s.Dirs = append(s.Dirs, execute.Dir{Path: path, Replicas: replicas, Usable: cluster.Bytes(d.UsableBytes), Volume: at})
	}
	if len(s.Dirs) < 2 {
		s.Dirs = nil
	}
	dirs.EachPartition(func(p kadm.DescribedLogDirPartition) {
		s.Replicas[execute.TP{Topic: p.Topic, Partition: int(p.Partition)}] += cluster.Bytes(p.Size)
	})
	return s
}

// answered notes that a broker is there, whatever the last view said: a process
// that adopts a run in its last phase never has one.
func (c *Client) answered(id int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Contains(c.alive, id) {
		c.alive = append(c.alive, id)
		slices.Sort(c.alive)
	}
}

// wasAlive tells whether a broker was in the last view, or has answered since.
func (c *Client) wasAlive(id int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Contains(c.alive, id)
}

// anyBroker is one that answered lately.
func (c *Client) anyBroker() *kgo.Broker {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.alive) == 0 {
		return c.cl.SeedBrokers()[0]
	}
	return c.cl.Broker(c.alive[time.Now().UnixNano()%int64(len(c.alive))])
}

// Reassign implements Kafka. Replication factors are forbidden to change, where
// the broker knows the flag (4.1 and later).
func (c *Client) Reassign(ctx context.Context, targets []execute.Target) (map[execute.TP]error, error) {
	refused := map[execute.TP]error{}
	for _, shrink := range []bool{false, true} {
		req := kadm.AlterPartitionAssignmentsReq{}
		for _, t := range targets {
			switch {
			case t.Shrinks != shrink:
			case t.Replicas == nil:
				req.CancelAssign(t.Topic, int32(t.Partition))
			default:
				req.Assign(t.Topic, int32(t.Partition), int32s(t.Replicas))
			}
		}
		if len(req) == 0 {
			continue
		}
		rctx := ctx
		if !shrink {
			rctx = kadm.ForbidAlterRf(ctx)
		}
		resp, err := within(rctx, func(ctx context.Context) (kadm.AlterPartitionAssignmentsResponses, error) {
			return c.adm.AlterPartitionAssignments(ctx, req)
		})
		if err != nil {
			return refused, fmt.Errorf("submitting reassignments: %w", err)
		}
		resp.Each(func(r kadm.AlterPartitionAssignmentsResponse) {
			if r.Err != nil && !errors.Is(r.Err, kerr.NoReassignmentInProgress) {
				refused[execute.TP{Topic: r.Topic, Partition: int(r.Partition)}] = fmt.Errorf("%w: %s", r.Err, r.ErrMessage)
			}
		})
	}
	return refused, nil
}

// Elect implements Kafka.
func (c *Client) Elect(ctx context.Context, partitions []execute.TP) (map[execute.TP]error, error) {
	set := kadm.TopicsSet{}
	for _, p := range partitions {
		set.Add(p.Topic, int32(p.Partition))
	}
	refused := map[execute.TP]error{}
	if len(set) == 0 {
		return refused, nil
	}
	resp, err := within(ctx, func(ctx context.Context) (kadm.ElectLeadersResults, error) {
		return c.adm.ElectLeaders(ctx, kadm.ElectPreferredReplica, set)
	})
	if err != nil {
		return refused, fmt.Errorf("electing preferred leaders: %w", err)
	}
	for topic, ps := range resp {
		for n, r := range ps {
			if r.Err != nil && !errors.Is(r.Err, kerr.ElectionNotNeeded) {
				refused[execute.TP{Topic: topic, Partition: int(n)}] = r.Err
			}
		}
	}
	return refused, nil
}

// Unregister implements Kafka.
func (c *Client) Unregister(ctx context.Context, broker int) error {
	req := kmsg.NewPtrUnregisterBrokerRequest()
	req.BrokerID = int32(broker)
	kresp, err := c.anyBroker().RetriableRequest(ctx, req)
	if err != nil {
		return fmt.Errorf("unregistering broker %d: %w", broker, err)
	}
	resp := kresp.(*kmsg.UnregisterBrokerResponse)
	err = kerr.ErrorForCode(resp.ErrorCode)
	if err == nil || errors.Is(err, kerr.BrokerIDNotRegistered) {
		return nil
	}
	return fmt.Errorf("unregistering broker %d: %w: %s", broker, err, deref(resp.ErrorMessage))
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func ints(in []int32) []int {
	out := make([]int, len(in))
	for i, x := range in {
		out[i] = int(x)
	}
	return out
}

func int32s(in []int) []int32 {
	out := make([]int32, len(in))
	for i, x := range in {
		out[i] = int32(x)
	}
	return out
}
