package adminclient

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/rebalance/execute"
)

// Connection is what a mover needs of a cluster; close it when done.
type Connection struct {
	*Client
	Store  *StateTopic
	client *kgo.Client
}

// A mover looks at the cluster every few seconds, and hears from brokers that
// are down sooner than a client that only produces would care to.
const (
	metadataMinAge = 500 * time.Millisecond
	metadataMaxAge = 15 * time.Second
	retryTimeout   = 15 * time.Second
)

// Connect reaches a cluster by opts; the run's state is in the topic.
func Connect(topic string, opts ...kgo.Opt) (*Connection, error) {
	opts = append(opts, kgo.MetadataMinAge(metadataMinAge), kgo.MetadataMaxAge(metadataMaxAge), kgo.RetryTimeout(retryTimeout))
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("connecting to kafka: %w", err)
	}
	store, err := NewStateTopic(topic, opts...)
	if err != nil {
		client.Close()
		return nil, err
	}
	return &Connection{Client: New(client), Store: store, client: client}, nil
}

// Probe measures clients' health by asking the brokers.
func (c *Connection) Probe() *Probe { return NewProbe(c.client) }

// Config is a mover on the connection. A rate of zero adapts to the clients'
// health, by probing the brokers; any other is kept, in bytes a second.
func (c *Connection) Config(rate cluster.BytesPerSecond) execute.Config {
	cfg := execute.Config{Kafka: c.Client, Store: c.Store, Throttle: execute.DefaultThrottle}
	if rate > 0 {
		cfg.Throttle = execute.ThrottlePolicy{Start: rate, Min: rate, Max: rate}
		return cfg
	}
	cfg.Clients = c.Probe()
	return cfg
}

// Close ends the connection.
func (c *Connection) Close() {
	c.Store.Close()
	c.client.Close()
}
