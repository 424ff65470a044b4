package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/tidetable/tidetable/adapters/web"
	"github.com/tidetable/tidetable/controller"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/simulations"
)

// simulationPage shows what the loop decided in a simulated world on the page
// that the controller serves. It is read-only: there is nobody to hold.
type simulationPage struct {
	listener net.Listener
	store    *web.Store
	hosts    []string
}

// newSimulationPage takes the address before the simulation runs, so that one
// that is taken is said at once. Without an address there is no page.
func newSimulationPage(address string, hosts []string, o *simulations.Options) (*simulationPage, error) {
	if address == "" {
		return &simulationPage{}, nil
	}
	l, err := net.Listen("tcp", address) //nolint:noctx // listening locally takes no time
	if err != nil {
		return nil, fmt.Errorf("listening on --serve %s: %w", address, err)
	}
	p := &simulationPage{listener: l, store: web.NewStore(0), hosts: hosts}
	inner := o.Journal
	o.Journal = func(policy string, clock controller.Clock) (controller.Journal, error) {
		if inner == nil {
			return p.store, nil
		}
		j, err := inner(policy, clock)
		if err != nil {
			return nil, err
		}
		return both{j, p.store}, nil
	}
	return p, nil
}

// both records in two journals.
type both [2]controller.Journal

// Record is controller.Journal.
func (b both) Record(ctx context.Context, d decision.Decision) error {
	return errors.Join(b[0].Record(ctx, d), b[1].Record(ctx, d))
}

// serve shows the page until ctx ends.
func (p *simulationPage) serve(ctx context.Context, stderr io.Writer) error {
	if p.listener == nil {
		return nil
	}
	server := &http.Server{
		Handler: web.Handler(web.Options{
			Store: p.store, OpenReading: true, Hosts: p.hosts, Title: "simulation", Now: p.store.Latest,
		}),
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: time.Minute,
	}
	fmt.Fprintf(stderr, "the page is at http://%s/ until Ctrl-C\n", p.listener.Addr())
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(p.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the page: %w", err)
	}
	return nil
}

// close lets the address go when the simulation did not get as far as serving.
func (p *simulationPage) close() {
	if p.listener != nil {
		_ = p.listener.Close()
	}
}
