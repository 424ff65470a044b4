package adminclient

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/rebalance/execute"
)

// Throttles implements Kafka.
func (c *Client) Throttles(ctx context.Context, brokers []int, topics []string) (execute.Throttles, error) {
	out := execute.Throttles{Rates: map[execute.RateOn]cluster.BytesPerSecond{}, Entries: map[execute.Entry]bool{},
		Wild: map[string]bool{}, Unread: map[int]bool{}}
	var mu sync.Mutex
	_ = eachBroker(ctx, brokers, func(ctx context.Context, b int) error {
		rates, err := c.brokerRates(ctx, b)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			out.Unread[b] = true
		} else {
			c.answered(b)
		}
		for s, v := range rates {
			out.Rates[execute.RateOn{Broker: b, Side: s}] = v
		}
		return nil
	})
	for batch := range slices.Chunk(topics, topicsPerRequest) {
		if err := c.topicLists(ctx, batch, out); err != nil {
			return out, err
		}
	}
	return out, ctx.Err()
}

// brokerRates reads the rates set on one broker. Only that broker can tell.
func (c *Client) brokerRates(ctx context.Context, broker int) (map[execute.Side]cluster.BytesPerSecond, error) {
	req := kmsg.NewPtrDescribeConfigsRequest()
	r := kmsg.NewDescribeConfigsRequestResource()
	r.ResourceType = kmsg.ConfigResourceTypeBroker
	r.ResourceName = strconv.Itoa(broker)
	for _, s := range execute.Sides {
		r.ConfigNames = append(r.ConfigNames, s.RateKey())
	}
	req.Resources = append(req.Resources, r)
	kresp, err := c.cl.Broker(broker).Request(ctx, req)
	if err != nil {
		return nil, err
	}
	out := map[execute.Side]cluster.BytesPerSecond{}
	for _, r := range kresp.(*kmsg.DescribeConfigsResponse).Resources {
		if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
			return nil, err
		}
		for _, k := range r.Configs {
			// After a removal the answer shows a static or default value: the
			// source tells, not the value.
			if k.Source != kmsg.ConfigSourceDynamicBrokerConfig || k.Value == nil {
				continue
			}
			for _, s := range execute.Sides {
				if n, err := strconv.ParseFloat(*k.Value, 64); err == nil && k.Name == s.RateKey() {
					out[s] = cluster.BytesPerSecond(n)
				}
			}
		}
	}
	return out, nil
}

func (c *Client) topicLists(ctx context.Context, topics []string, out execute.Throttles) error {
	req := kmsg.NewPtrDescribeConfigsRequest()
	for _, t := range topics {
		r := kmsg.NewDescribeConfigsRequestResource()
		r.ResourceType = kmsg.ConfigResourceTypeTopic
		r.ResourceName = t
		for _, s := range execute.Sides {
			r.ConfigNames = append(r.ConfigNames, s.ListKey())
		}
		req.Resources = append(req.Resources, r)
	}
	resp, err := within(ctx, func(ctx context.Context) (*kmsg.DescribeConfigsResponse, error) { return req.RequestWith(ctx, c.cl) })
	if err != nil {
		return fmt.Errorf("reading throttle lists: %w", err)
	}
	for _, r := range resp.Resources {
		if r.ErrorCode != 0 { // the topic is gone, and its list with it
			continue
		}
		for _, k := range r.Configs {
			if k.Source != kmsg.ConfigSourceDynamicTopicConfig {
				continue
			}
			for _, s := range execute.Sides {
				if k.Name == s.ListKey() {
					parseList(r.ResourceName, s, deref(k.Value), out)
				}
			}
		}
	}
	return nil
}

// parseList reads "partition:broker,…" or "*".
func parseList(topic string, s execute.Side, value string, out execute.Throttles) {
	for item := range strings.SplitSeq(value, ",") {
		item = strings.TrimSpace(item)
		if item == "*" {
			out.Wild[topic] = true
			continue
		}
		p, b, ok := strings.Cut(item, ":")
		pn, err1 := strconv.Atoi(p)
		bn, err2 := strconv.Atoi(b)
		if ok && err1 == nil && err2 == nil {
			out.Entries[execute.Entry{Topic: topic, Side: s, Partition: pn, Broker: bn}] = true
		}
	}
}

// SetThrottles implements Kafka. A broker takes changes of its own rates only,
// so each gets a request of its own; one that is down gets none, and keeps a
// rate that holds nobody back, since the lists name no replica for it. The
// lists go to any broker. Appending and subtracting leaves the entries of
// others alone. Brokers that do not take their rates are named by a
// SilentError; no list is appended to then, so that nothing is listed that has
// no rate.
func (c *Client) SetThrottles(ctx context.Context, ch execute.ThrottleChange) error {
	// Rates before lists: a replica that is listed and has no rate is not held
	// back at all.
	if err := c.setRates(ctx, rateConfigs(ch)); err != nil {
		return err
	}
	// One request may name a key once, so what is appended and what is
	// subtracted are two.
	for _, lists := range [][]kmsg.IncrementalAlterConfigsRequestResource{
		listResources(ch.Append, kmsg.IncrementalAlterConfigOpAppend),
		listResources(ch.Subtract, kmsg.IncrementalAlterConfigOpSubtract),
	} {
		if len(lists) == 0 {
			continue
		}
		if err := alter(ctx, c.anyBroker(), lists...); err != nil {
			return fmt.Errorf("setting throttle lists: %w", err)
		}
	}
	return nil
}

// setRates asks every broker that was alive at the last look to change its own
// rates, one after the other but not longer than each may take.
func (c *Client) setRates(ctx context.Context, rates map[int][]kmsg.IncrementalAlterConfigsRequestResourceConfig) error {
	var silent execute.SilentError
	for _, id := range slices.Sorted(maps.Keys(rates)) {
		if !c.wasAlive(id) {
			continue
		}
		bctx, cancel := context.WithTimeout(ctx, brokerTimeout)
		err := alter(bctx, c.cl.Broker(id), resource(kmsg.ConfigResourceTypeBroker, strconv.Itoa(id), rates[id]))
		cancel()
		switch {
		case err == nil:
		case errors.As(err, new(*kerr.Error)): // it answered, and refused
			return fmt.Errorf("setting throttle rates of broker %d: %w", id, err)
		default:
			silent.Brokers = append(silent.Brokers, id)
			silent.Err = errors.Join(silent.Err, fmt.Errorf("setting its throttle rates: %w", err))
		}
	}
	if len(silent.Brokers) > 0 {
		return &silent
	}
	return nil
}

// alter sends one request; a topic that is gone took its list with it.
func alter(ctx context.Context, to *kgo.Broker, resources ...kmsg.IncrementalAlterConfigsRequestResource) error {
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	req.Resources = resources
	kresp, err := to.RetriableRequest(ctx, req)
	if err != nil {
		return err
	}
	for _, r := range kresp.(*kmsg.IncrementalAlterConfigsResponse).Resources {
		err := kerr.ErrorForCode(r.ErrorCode)
		if err == nil || errors.Is(err, kerr.UnknownTopicOrPartition) {
			continue
		}
		return fmt.Errorf("%s: %w: %s", r.ResourceName, err, deref(r.ErrorMessage))
	}
	return nil
}

func rateConfigs(ch execute.ThrottleChange) map[int][]kmsg.IncrementalAlterConfigsRequestResourceConfig {
	out := map[int][]kmsg.IncrementalAlterConfigsRequestResourceConfig{}
	add := func(r execute.RateOn, op kmsg.IncrementalAlterConfigOp, value *string) {
		out[r.Broker] = append(out[r.Broker], alteration(r.Side.RateKey(), op, value))
	}
	for r, v := range ch.Rates {
		add(r, kmsg.IncrementalAlterConfigOpSet, kmsg.StringPtr(strconv.FormatInt(int64(v), 10)))
	}
	for _, r := range ch.Unset {
		add(r, kmsg.IncrementalAlterConfigOpDelete, nil)
	}
	return out
}

func listResources(entries []execute.Entry, op kmsg.IncrementalAlterConfigOp) []kmsg.IncrementalAlterConfigsRequestResource {
	values := map[string]map[execute.Side][]string{}
	for _, e := range entries {
		if values[e.Topic] == nil {
			values[e.Topic] = map[execute.Side][]string{}
		}
		values[e.Topic][e.Side] = append(values[e.Topic][e.Side], fmt.Sprintf("%d:%d", e.Partition, e.Broker))
	}
	var out []kmsg.IncrementalAlterConfigsRequestResource
	for topic, lists := range values {
		var configs []kmsg.IncrementalAlterConfigsRequestResourceConfig
		for side, list := range lists {
			configs = append(configs, alteration(side.ListKey(), op, kmsg.StringPtr(strings.Join(list, ","))))
		}
		out = append(out, resource(kmsg.ConfigResourceTypeTopic, topic, configs))
	}
	return out
}

func alteration(name string, op kmsg.IncrementalAlterConfigOp, value *string) kmsg.IncrementalAlterConfigsRequestResourceConfig {
	c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	c.Name, c.Op, c.Value = name, op, value
	return c
}

func resource(kind kmsg.ConfigResourceType, name string,
	cs []kmsg.IncrementalAlterConfigsRequestResourceConfig) kmsg.IncrementalAlterConfigsRequestResource {
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName, r.Configs = kind, name, cs
	return r
}
