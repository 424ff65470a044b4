package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/metrics"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"golang.org/x/sync/errgroup"
)

// Placement reads the cluster. It fails only when the brokers and topics
// themselves cannot be read; what else is missing is named in Stale. Loads hold
// sizes, and from the second reading on the records written a second.
func (r *Reader) Placement(ctx context.Context) (cluster.Snapshot, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last == nil && r.cfg.RateOver > 0 {
		if err := r.watchOffsets(ctx); err != nil {
			return cluster.Snapshot{}, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	at := r.cfg.Now()
	// What moves is listed before and after the replicas are read: a move that
	// ends or begins meanwhile would leave a replica that nothing explains.
	earlier, _ := r.reassignments(ctx)
	meta, err := within(ctx, func() (kadm.Metadata, error) { return r.admin.Metadata(ctx) })
	if err != nil {
		return cluster.Snapshot{}, r.wrap(ctx, err)
	}
	p := &placement{Snapshot: cluster.Snapshot{Version: cluster.SnapshotVersion, TakenAt: at, ClusterID: meta.Cluster}, meta: meta}
	// The rest does not depend on each other; each part notes its own failure.
	var (
		fenced  []fencedBroker
		voters  map[int]bool
		dirs    kadm.DescribedAllLogDirs
		configs map[string]map[string]string
		now     *offsets
		groups  []cluster.Group
		moves   []cluster.Reassignment
	)
	fail := make([]error, 7)
	var g errgroup.Group
	g.Go(func() error { fenced, fail[0] = r.fenced(ctx); return nil })
	g.Go(func() error { dirs, fail[1] = r.admin.DescribeAllLogDirs(ctx, nil); return nil })
	g.Go(func() error { configs, fail[2] = r.configs(ctx, meta); return nil })
	g.Go(func() error { moves, fail[3] = r.reassignments(ctx); return nil })
	g.Go(func() error {
		now, fail[4] = r.offsets(ctx, at)
		groups, fail[5] = r.groups(ctx, now)
		return nil
	})
	g.Go(func() error { voters, fail[6] = r.voters(ctx); return nil })
	_ = g.Wait() // failures are kept by part
	p.brokers(fenced, voters)
	p.topics(configs)
	p.logDirs(dirs)
	p.Groups, p.Reassignments = groups, withEarlier(moves, earlier, p.Topics)
	p.rates(r.last, now)
	for i, part := range [][]cluster.Signal{
		{cluster.SignalFencedBrokers}, {metrics.PartitionSize, metrics.BrokerDiskUsed, metrics.BrokerDiskCapacity},
		{cluster.SignalTopicConfigs}, {cluster.SignalReassignments}, {metrics.TopicMessagesIn, metrics.GroupLag}, {metrics.GroupLag},
		{cluster.SignalQuorum},
	} {
		if fail[i] == nil {
			continue
		}
		for _, signal := range part {
			p.stale(signal, reason(fail[i]))
		}
	}
	if now != nil && now.complete {
		r.last = now
	}
	p.Sort()
	return p.Snapshot, nil
}

// watchOffsets takes a first reading of offsets and waits. That it fails is
// left to the reading proper to say, unless nobody answers at all.
func (r *Reader) watchOffsets(ctx context.Context) error {
	reading, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	if _, err := within(reading, func() (kadm.Metadata, error) { return r.admin.BrokerMetadata(reading) }); err != nil {
		return r.wrap(reading, err)
	}
	first, err := r.offsets(reading, r.cfg.Now())
	if err == nil {
		_, err = r.groups(reading, first)
	}
	if err == nil && first.complete {
		r.last = first
	}
	select {
	case <-time.After(r.cfg.RateOver):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// within ends the wait when the context does. The client gives a connection
// that says nothing ten seconds of its own, whatever the context says.
func within[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		v, err := f()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// placement is the snapshot being made.
type placement struct {
	cluster.Snapshot
	meta kadm.Metadata
}

func (p *placement) stale(signal cluster.Signal, reason string) {
	if slices.ContainsFunc(p.Stale, func(x cluster.StaleSignal) bool { return x.Signal == signal }) {
		return
	}
	p.Stale = append(p.Stale, cluster.StaleSignal{Signal: signal, Cause: cluster.CauseNotRead, Reason: reason})
}

// wrap says which cluster failed and how, in one line.
func (r *Reader) wrap(ctx context.Context, err error) error {
	at := strings.Join(r.cfg.Bootstrap, ",")
	var auth *kadm.AuthError
	switch {
	case isCertificateError(err):
		return fmt.Errorf("reading Kafka at %s: its certificate is not accepted: %w", at, err)
	case isCredentialsError(err):
		return fmt.Errorf("reading Kafka at %s: the credentials are not accepted: %w", at, err)
	case errors.As(err, &auth):
		return fmt.Errorf("reading Kafka at %s: not allowed: %w", at, err)
	case errors.Is(err, io.EOF):
		// What a broker does when it wants TLS and gets none, or the other way
		// round, and what some do on wrong credentials.
		return fmt.Errorf("reading Kafka at %s: it closes the connection; are TLS and the credentials what it wants? %w", at, err)
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("reading Kafka at %s: nobody answers within %s: %w", at, r.cfg.Timeout, err)
	}
	return fmt.Errorf("reading Kafka at %s: nobody answers: %w", at, err)
}

func isCredentialsError(err error) bool {
	return errors.Is(err, kerr.SaslAuthenticationFailed) || errors.Is(err, kerr.UnsupportedSaslMechanism) ||
		errors.Is(err, kerr.IllegalSaslState)
}

func isCertificateError(err error) bool {
	var (
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
		verify  *tls.CertificateVerificationError
	)
	return errors.As(err, &unknown) || errors.As(err, &host) || errors.As(err, &invalid) || errors.As(err, &verify)
}

// reason is a part's failure in one line.
func reason(err error) string {
	return "Kafka did not tell it: " + strings.Join(strings.Fields(err.Error()), " ")
}
