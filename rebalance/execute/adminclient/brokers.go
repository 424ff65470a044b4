package adminclient

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// BrokerAdmin does to brokers what is neither scaling nor moving: it keeps new
// replicas off those that leave, proves them empty, and forgets them when they
// are gone. Every call may be made twice.
type BrokerAdmin struct{ client *Client }

// NewBrokerAdmin makes a BrokerAdmin on a real cluster.
func NewBrokerAdmin(c *Client) *BrokerAdmin { return &BrokerAdmin{client: c} }

// cordonedDirs is the dynamic broker configuration that keeps new replicas off
// log directories (KIP-1066, brokers from 4.3 on).
const cordonedDirs = "cordoned.log.dirs"

// allDirs stands for every log directory of a broker.
const allDirs = "*"

// Cordon keeps new replicas off the brokers; nothing happens on brokers that do
// not know the configuration, or are down.
func (a *BrokerAdmin) Cordon(ctx context.Context, ids []int) error {
	for _, id := range ids {
		value, source, known, err := a.cordoned(ctx, id)
		if err != nil {
			return fmt.Errorf("cordoning broker %d: %w", id, err)
		}
		if !known || value == allDirs && source == kmsg.ConfigSourceDynamicBrokerConfig {
			continue
		}
		if err := a.setCordon(ctx, id, kmsg.IncrementalAlterConfigOpSet, kmsg.StringPtr(allDirs)); err != nil {
			return fmt.Errorf("cordoning broker %d: %w", id, err)
		}
	}
	return nil
}

// Uncordon lets the brokers take new replicas again. Only a cordon of whole
// brokers is taken away, as Cordon sets it; one of single directories is
// somebody else's.
func (a *BrokerAdmin) Uncordon(ctx context.Context, ids []int) error {
	for _, id := range ids {
		value, source, known, err := a.cordoned(ctx, id)
		if err != nil {
			return fmt.Errorf("uncordoning broker %d: %w", id, err)
		}
		theirs := source == kmsg.ConfigSourceDynamicBrokerConfig && value != "" && value != allDirs
		// A cordon that was just set may not show yet, so it is taken away unseen.
		if !known || theirs {
			continue
		}
		if err := a.setCordon(ctx, id, kmsg.IncrementalAlterConfigOpDelete, nil); err != nil {
			return fmt.Errorf("uncordoning broker %d: %w", id, err)
		}
	}
	return nil
}

// Cordoned are the brokers that Cordon has set, sorted; those that are down are
// left out.
func (a *BrokerAdmin) Cordoned(ctx context.Context) ([]int, error) {
	view, err := a.client.View(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("looking for cordons: %w", err)
	}
	var out []int
	for id, b := range view.Brokers {
		if !b.Alive {
			continue
		}
		value, source, known, err := a.cordoned(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("looking for the cordon of broker %d: %w", id, err)
		}
		if known && value == allDirs && source == kmsg.ConfigSourceDynamicBrokerConfig {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out, nil
}

// cordoned reads what is cordoned on one broker; known is false where the
// broker has no such configuration, and where it does not answer.
func (a *BrokerAdmin) cordoned(ctx context.Context, id int) (value string, source kmsg.ConfigSource, known bool, err error) {
	asked, cancel := context.WithTimeout(ctx, brokerTimeout)
	defer cancel()
	req := kmsg.NewPtrDescribeConfigsRequest()
	r := kmsg.NewDescribeConfigsRequestResource()
	r.ResourceType, r.ResourceName, r.ConfigNames = kmsg.ConfigResourceTypeBroker, strconv.Itoa(id), []string{cordonedDirs}
	req.Resources = append(req.Resources, r)
	kresp, err := a.client.cl.Broker(id).Request(asked, req)
	if err != nil {
		if ctx.Err() != nil {
			return "", 0, false, ctx.Err()
		}
		return "", 0, false, nil // a broker that is down takes no new replicas
	}
	for _, r := range kresp.(*kmsg.DescribeConfigsResponse).Resources {
		if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
			return "", 0, false, fmt.Errorf("reading its configuration: %w", err)
		}
		for _, k := range r.Configs {
			if k.Name == cordonedDirs {
				return deref(k.Value), k.Source, true, nil
			}
		}
	}
	return "", 0, false, nil
}

// setCordon asks the broker itself: no other takes this configuration for it.
func (a *BrokerAdmin) setCordon(ctx context.Context, id int, op kmsg.IncrementalAlterConfigOp, value *string) error {
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	req.Resources = append(req.Resources, resource(kmsg.ConfigResourceTypeBroker, strconv.Itoa(id),
		[]kmsg.IncrementalAlterConfigsRequestResourceConfig{alteration(cordonedDirs, op, value)}))
	kresp, err := a.client.cl.Broker(id).RetriableRequest(ctx, req)
	if err != nil {
		return err
	}
	for _, r := range kresp.(*kmsg.IncrementalAlterConfigsResponse).Resources {
		if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
			return fmt.Errorf("%w: %s", err, deref(r.ErrorMessage))
		}
	}
	return nil
}

// Empty proves from metadata, moves in flight and the brokers' own log
// directories that nothing is left on them. A broker that cannot be asked, that
// is not registered, or one of whose log directories is offline, is not proven:
// what Kafka has never heard of may be called by a wrong name.
func (a *BrokerAdmin) Empty(ctx context.Context, ids []int) (empty bool, why string, err error) {
	view, err := a.client.View(ctx, nil)
	if err != nil {
		return false, "", fmt.Errorf("proving brokers %v empty: %w", ids, err)
	}
	sizes, err := a.client.Sizes(ctx, ids, nil)
	if err != nil {
		return false, "", fmt.Errorf("proving brokers %v empty: %w", ids, err)
	}
	for _, id := range slices.Sorted(slices.Values(ids)) {
		if n := view.ReplicasOn(id); n > 0 {
			return false, fmt.Sprintf("%d replicas are on broker %d or on their way to or from it", n, id), nil
		}
		if _, registered := view.Brokers[id]; !registered {
			return false, fmt.Sprintf("broker %d is not registered: Kafka does not know a broker of that id", id), nil
		}
		held, answers := sizes.Brokers[id]
		if !answers {
			return false, fmt.Sprintf("the log dirs of broker %d cannot be read: it does not answer, or one of them is offline", id), nil
		}
		if len(held.Replicas) > 0 {
			return false, fmt.Sprintf("broker %d still holds %s in its log dirs", id, held.Few()), nil
		}
	}
	return true, "", nil
}

// Unregister forgets brokers that are gone: otherwise Kafka goes on placing new
// partitions on them (KIP-1073). One that is up is left registered.
func (a *BrokerAdmin) Unregister(ctx context.Context, ids []int) error {
	view, err := a.client.View(ctx, nil)
	if err != nil {
		return fmt.Errorf("unregistering brokers %v: %w", ids, err)
	}
	for _, id := range ids {
		b, registered := view.Brokers[id]
		switch {
		case !registered:
			continue
		case b.Alive:
			return fmt.Errorf("unregistering broker %d: it is up", id)
		}
		err := a.client.Unregister(ctx, id)
		if err != nil && !errors.Is(err, kerr.BrokerIDNotRegistered) {
			return fmt.Errorf("unregistering broker %d: %w", id, err)
		}
	}
	return nil
}
