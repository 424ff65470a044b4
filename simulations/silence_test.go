package simulations

import (
	"testing"
	"time"

	"github.com/tidetable/tidetable/simulations/world"
)

// Producers that fall silent at noon for two hours are a fault and no lull: the
// fleet stays for the burst that comes. It went from 21 replicas to 2.
func TestSilentProducersAreNoLull(t *testing.T) {
	const doc = `
version: 1
name: silence
seed: 4
start: 2026-03-09T08:00:00Z
duration: 7h
history: 7d
cluster:
  brokers: {count: 6, zones: [a, b, c], shape: {cpuCores: 2, network: 200MB/s, disk: 2TB, diskBandwidth: 300MB/s}}
loads:
  - {name: web, generate: {base: 20MB/s, day: 0.6, noise: 0.03}}
topics:
  - {name: orders, partitions: 60, retention: 1h}
groups:
  - {name: billing, topics: [orders], perReplica: 1500, replicas: 22, min: 2, max: 60}
changes:
  - {kind: campaign, load: web, at: 3h, duration: 2h, ramp: 1m, factor: 0.0001}
policies: [tidetable]
`
	p := read(t, doc)
	c, err := p.World(0)
	if err != nil {
		t.Fatal(err)
	}
	w, err := world.New(c)
	if err != nil {
		t.Fatal(err)
	}
	pol, err := newTidetable(p, "tidetable", nil, allGates())
	if err != nil {
		t.Fatal(err)
	}
	replicas, brokers := 0, 0
	for w.Now().Before(p.EndTime()) {
		if err := pol.Tick(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		at := w.Now().Sub(p.StartTime())
		if at == 170*time.Minute {
			replicas, brokers = w.Group(0).Want, brokersOf(w)
		}
		if at > 3*time.Hour && at < 5*time.Hour+10*time.Minute && (w.Group(0).Want < replicas*8/10 || brokersOf(w) < brokers) {
			t.Fatalf("after %s: %d replicas and %d brokers, of %d and %d", at, w.Group(0).Want, brokersOf(w), replicas, brokers)
		}
		w.Step()
	}
	if v := w.Totals.ViolationSeconds / 60; replicas < 15 || v > 0 {
		t.Errorf("%d replicas before; %.0f violation minutes, %.3g bytes rejected", replicas, v, w.Totals.Rejected)
	}
}
