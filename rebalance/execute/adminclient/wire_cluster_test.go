package adminclient

import (
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/rebalance/execute"
	"github.com/tidetable/tidetable/rebalance/placement"
)

// wire puts a placement model behind a fake Kafka's control hooks, so that the
// real Client and the real StateTopic speak to it over TCP. Topics of the model
// are answered by the model, all others (the state topic) by the fake itself.
type wire struct {
	mu         sync.Mutex
	model      *placement.Cluster
	fake       *kfake.Cluster
	hosts      map[int]string
	controller int32
	requests   map[int16]int
	lists      []int // partitions of every reassignment request
	nullList   bool  // reassignments were listed with Topics null
}

func newWire(t *testing.T, model *placement.Cluster) *wire {
	t.Helper()
	fake, err := kfake.NewCluster(kfake.NumBrokers(len(model.Brokers)), kfake.ClusterID(model.ID))
	if err != nil {
		t.Fatalf("starting the fake: %v", err)
	}
	t.Cleanup(fake.Close)
	w := &wire{model: model, fake: fake, hosts: map[int]string{}, requests: map[int16]int{}}
	for i, a := range fake.ListenAddrs() {
		w.hosts[i] = a
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{}
	resp, err := req.RequestWith(t.Context(), cl)
	if err != nil {
		t.Fatal(err)
	}
	w.controller = resp.ControllerID // the fake makes topics there only
	for key, answer := range map[int16]func(kmsg.Request) kmsg.Response{
		3: w.metadata, 32: w.describeConfigs, 35: w.logDirs, 43: w.elect, 44: w.alterConfigs,
		45: w.reassign, 46: w.list, 60: w.describeCluster, 64: w.unregister,
	} {
		fake.ControlKey(key, func(req kmsg.Request) (kmsg.Response, error, bool) {
			fake.KeepControl()
			w.mu.Lock()
			defer w.mu.Unlock()
			w.requests[key]++
			resp := answer(req)
			return resp, nil, resp != nil
		})
	}
	return w
}

// fakeRack is the rack that kfake gives to every broker.
const fakeRack = "krack"

// pass lets time pass in the model.
func (w *wire) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.model.Advance(d)
}

func (w *wire) metadata(kreq kmsg.Request) kmsg.Response {
	req := kreq.(*kmsg.MetadataRequest)
	var names []string
	for _, t := range req.Topics {
		if t.Topic != nil {
			names = append(names, *t.Topic)
		}
	}
	if req.Topics == nil {
		for n := range w.model.Topics {
			names = append(names, n)
		}
	}
	for _, n := range names {
		if w.model.Topics[n] == nil && !strings.HasPrefix(n, "gone") {
			return nil // the fake's own
		}
	}
	if len(names) == 0 && req.Topics != nil && len(req.Topics) > 0 {
		return nil
	}
	resp := req.ResponseKind().(*kmsg.MetadataResponse)
	resp.ClusterID, resp.ControllerID = kmsg.StringPtr(w.model.ID), w.controller
	for id, b := range w.model.Brokers {
		if b.Alive {
			// The client drops its connections to a broker whose address or rack
			// changes, so both must be what the fake itself says.
			host, port, _ := net.SplitHostPort(w.hosts[id])
			n, _ := strconv.Atoi(port)
			resp.Brokers = append(resp.Brokers, kmsg.MetadataResponseBroker{NodeID: int32(id), Host: host, Port: int32(n),
				Rack: kmsg.StringPtr(fakeRack)})
		}
	}
	slices.Sort(names)
	for _, n := range names {
		rt := kmsg.NewMetadataResponseTopic()
		rt.Topic = kmsg.StringPtr(n)
		t := w.model.Topics[n]
		if t == nil {
			rt.ErrorCode = kerr.UnknownTopicOrPartition.Code
			resp.Topics = append(resp.Topics, rt)
			continue
		}
		copy(rt.TopicID[:], t.ID)
		rt.IsInternal = t.Internal
		for i, s := range t.Partitions {
			rt.Partitions = append(rt.Partitions, kmsg.MetadataResponseTopicPartition{Partition: int32(i), Leader: int32(s.Leader),
				Replicas: int32s(s.Replicas), ISR: int32s(s.ISR)})
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

func (w *wire) describeCluster(kreq kmsg.Request) kmsg.Response {
	req := kreq.(*kmsg.DescribeClusterRequest)
	resp := req.ResponseKind().(*kmsg.DescribeClusterResponse)
	for id, b := range w.model.Brokers {
		if b.Alive || req.IncludeFencedBrokers {
			resp.Brokers = append(resp.Brokers, kmsg.DescribeClusterResponseBroker{NodeID: int32(id), IsFenced: !b.Alive,
				Rack: kmsg.StringPtr(b.Zone)})
		}
	}
	return resp
}

func (w *wire) describeConfigs(kreq kmsg.Request) kmsg.Response {
	req := kreq.(*kmsg.DescribeConfigsRequest)
	resp := req.ResponseKind().(*kmsg.DescribeConfigsResponse)
	for _, r := range req.Resources {
		out := kmsg.NewDescribeConfigsResponseResource()
		out.ResourceType, out.ResourceName = r.ResourceType, r.ResourceName
		add := func(name, value string, source kmsg.ConfigSource) {
			c := kmsg.NewDescribeConfigsResponseResourceConfig()
			c.Name, c.Value, c.Source = name, kmsg.StringPtr(value), source
			out.Configs = append(out.Configs, c)
		}
		if r.ResourceType == kmsg.ConfigResourceTypeBroker {
			id, _ := strconv.Atoi(r.ResourceName)
			b := w.model.Brokers[id]
			for key, v := range map[string]cluster.BytesPerSecond{execute.LeaderSide.RateKey(): b.Leader,
				execute.FollowerSide.RateKey(): b.Follower} {
				if v > 0 {
					add(key, strconv.FormatInt(int64(v), 10), kmsg.ConfigSourceDynamicBrokerConfig)
				} else { // a broker without one still shows its default
					add(key, "9223372036854775807", kmsg.ConfigSourceDefaultConfig)
				}
			}
		} else if t := w.model.Topics[r.ResourceName]; t == nil {
			out.ErrorCode = kerr.UnknownTopicOrPartition.Code
		} else {
			add("min.insync.replicas", strconv.Itoa(t.MinISR), kmsg.ConfigSourceDynamicTopicConfig)
			for s, l := range map[execute.Side]map[placement.Replica]bool{execute.LeaderSide: t.LeaderThrottled,
				execute.FollowerSide: t.FollowerThrottled} {
				var items []string
				for x := range l {
					items = append(items, strconv.Itoa(x.Number)+":"+strconv.Itoa(x.Broker))
				}
				slices.Sort(items)
				add(s.ListKey(), strings.Join(items, ","), kmsg.ConfigSourceDynamicTopicConfig)
			}
		}
		resp.Resources = append(resp.Resources, out)
	}
	return resp
}

// alterConfigs refuses what Kafka refuses: another broker's configuration, and
// a key that is named twice for one resource.
func (w *wire) alterConfigs(kreq kmsg.Request) kmsg.Response {
	req := kreq.(*kmsg.IncrementalAlterConfigsRequest)
	resp := req.ResponseKind().(*kmsg.IncrementalAlterConfigsResponse)
	for _, r := range req.Resources {
		out := kmsg.NewIncrementalAlterConfigsResponseResource()
		out.ResourceType, out.ResourceName = r.ResourceType, r.ResourceName
		seen := map[string]bool{}
		for _, c := range r.Configs {
			id, _ := strconv.Atoi(r.ResourceName)
			switch {
			case seen[c.Name], r.ResourceType == kmsg.ConfigResourceTypeBroker && int(w.fake.CurrentNode()) != id:
				out.ErrorCode = kerr.InvalidRequest.Code
			case r.ResourceType == kmsg.ConfigResourceTypeBroker:
				v, _ := strconv.ParseFloat(deref(c.Value), 64)
				if c.Name == execute.LeaderSide.RateKey() {
					w.model.Brokers[id].Leader = cluster.BytesPerSecond(v)
				} else {
					w.model.Brokers[id].Follower = cluster.BytesPerSecond(v)
				}
			default:
				w.alterList(r.ResourceName, c)
			}
			seen[c.Name] = true
		}
		resp.Resources = append(resp.Resources, out)
	}
	return resp
}

func (w *wire) alterList(topic string, c kmsg.IncrementalAlterConfigsRequestResourceConfig) {
	list := w.model.Topics[topic].LeaderThrottled
	if c.Name == execute.FollowerSide.ListKey() {
		list = w.model.Topics[topic].FollowerThrottled
	}
	for item := range strings.SplitSeq(deref(c.Value), ",") {
		p, b, _ := strings.Cut(item, ":")
		pn, _ := strconv.Atoi(p)
		bn, _ := strconv.Atoi(b)
		r := placement.Replica{Partition: placement.Partition{Topic: topic, Number: pn}, Broker: bn}
		if c.Op == kmsg.IncrementalAlterConfigOpAppend {
			list[r] = true
		} else {
			delete(list, r)
		}
	}
}

func (w *wire) logDirs(kreq kmsg.Request) kmsg.Response {
	req := kreq.(*kmsg.DescribeLogDirsRequest)
	resp := req.ResponseKind().(*kmsg.DescribeLogDirsResponse)
	b := int(w.fake.CurrentNode())
	dir := kmsg.NewDescribeLogDirsResponseDir()
	dir.Dir, dir.TotalBytes, dir.UsableBytes = "/data", int64(w.model.Brokers[b].Disk), int64(w.model.Free(b))
	for _, p := range w.model.Partitions() {
		n, ok := w.model.Topics[p.Topic].Partitions[p.Number].Held[b]
		if !ok {
			continue
		}
		rt := kmsg.NewDescribeLogDirsResponseDirTopic()
		rt.Topic = p.Topic
		rp := kmsg.NewDescribeLogDirsResponseDirTopicPartition()
		rp.Partition, rp.Size = int32(p.Number), int64(n)
		rt.Partitions = append(rt.Partitions, rp)
		dir.Topics = append(dir.Topics, rt)
	}
	resp.Dirs = append(resp.Dirs, dir)
	return resp
}

func (w *wire) reassign(kreq kmsg.Request) kmsg.Response {
	req := kreq.(*kmsg.AlterPartitionAssignmentsRequest)
	resp := req.ResponseKind().(*kmsg.AlterPartitionAssignmentsResponse)
	n := 0
	for _, t := range req.Topics {
		rt := kmsg.NewAlterPartitionAssignmentsResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			n++
			rp := kmsg.NewAlterPartitionAssignmentsResponseTopicPartition()
			rp.Partition = p.Partition
			var target []int
			if p.Replicas != nil {
				target = ints(p.Replicas)
			}
			rp.ErrorCode = kafkaError(w.model.Reassign(placement.Partition{Topic: t.Topic, Number: int(p.Partition)}, target,
				req.AllowReplicationFactorChange))
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	w.lists = append(w.lists, n)
	return resp
}

func (w *wire) list(kreq kmsg.Request) kmsg.Response {
	req := kreq.(*kmsg.ListPartitionReassignmentsRequest)
	w.nullList = req.Topics == nil
	resp := req.ResponseKind().(*kmsg.ListPartitionReassignmentsResponse)
	for _, p := range w.model.Partitions() {
		s := w.model.Topics[p.Topic].Partitions[p.Number]
		if len(s.Adding)+len(s.Removing) == 0 {
			continue
		}
		rt := kmsg.NewListPartitionReassignmentsResponseTopic()
		rt.Topic = p.Topic
		rt.Partitions = append(rt.Partitions, kmsg.ListPartitionReassignmentsResponseTopicPartition{
			Partition: int32(p.Number), Replicas: int32s(s.Replicas), AddingReplicas: int32s(s.Adding), RemovingReplicas: int32s(s.Removing)})
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

func (w *wire) elect(kreq kmsg.Request) kmsg.Response {
	req := kreq.(*kmsg.ElectLeadersRequest)
	resp := req.ResponseKind().(*kmsg.ElectLeadersResponse)
	for _, t := range req.Topics {
		rt := kmsg.NewElectLeadersResponseTopic()
		rt.Topic = t.Topic
		for _, n := range t.Partitions {
			rp := kmsg.NewElectLeadersResponseTopicPartition()
			rp.Partition = n
			rp.ErrorCode = kafkaError(w.model.Elect(placement.Partition{Topic: t.Topic, Number: int(n)}))
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

func (w *wire) unregister(kreq kmsg.Request) kmsg.Response {
	req := kreq.(*kmsg.UnregisterBrokerRequest)
	resp := req.ResponseKind().(*kmsg.UnregisterBrokerResponse)
	resp.ErrorCode = kafkaError(w.model.Unregister(int(req.BrokerID)))
	return resp
}

func kafkaError(err error) int16 {
	for ours, theirs := range map[error]*kerr.Error{
		placement.ErrUnknownPartition: kerr.UnknownTopicOrPartition, placement.ErrInvalidReplicas: kerr.InvalidReplicaAssignment,
		placement.ErrInvalidFactor: kerr.InvalidReplicationFactor, placement.ErrNoReassignment: kerr.NoReassignmentInProgress,
		placement.ErrPreferredNotInISR: kerr.PreferredLeaderNotAvailable, placement.ErrElectionNotNeeded: kerr.ElectionNotNeeded,
		placement.ErrNotRegistered: kerr.BrokerIDNotRegistered,
	} {
		if errors.Is(err, ours) {
			return theirs.Code
		}
	}
	return 0
}
