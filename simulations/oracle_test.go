package simulations

import (
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/tidetable/tidetable/simulations/policies"
	"github.com/tidetable/tidetable/simulations/scenario"
)

// The oracle is a lower bound: in no random world, with faults or without, does
// any policy cost less with no more violation minutes. A handful of worlds here,
// and as many as TIDETABLE_ORACLE_WORLDS says in make soak-oracle.
func TestNoPolicyCostsLessThanTheOracle(t *testing.T) {
	worlds := 6
	if v := os.Getenv("TIDETABLE_ORACLE_WORLDS"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatal(err)
		}
		worlds = n
	}
	kept, closest := 0, 0.0
	for seed := range worlds {
		rng := rand.New(rand.NewPCG(uint64(seed), 17))
		p, err := scenario.Decode([]byte(randomScenario(rng)), "random", scenario.Sources{})
		if err != nil {
			continue // faults that contradict one another
		}
		runs, err := compareRun(t.Context(), p, 0, Options{Gates: allGates().Gates, Forecaster: allGates().Forecaster, quick: seed%10 > 0})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		least := *oracleOf(runs)
		for _, r := range runs {
			m := r.Measures
			if r.Policy == policies.OracleName || m.SLOViolationMinutes > least.SLOViolationMinutes {
				continue
			}
			kept++
			closest = max(closest, least.Cost/m.Cost)
			if m.Cost < least.Cost*(1-1e-9) {
				t.Errorf("seed %d: %s costs %.6g with %g violation minutes, and the least that is possible is said to be %.6g\n%+v\n%+v",
					seed, r.Policy, m.Cost, m.SLOViolationMinutes, least.Cost, m, least)
			}
		}
	}
	t.Logf("%d runs of %d worlds kept their promise; the nearest cost %.3f times the least", kept, worlds, 1/closest)
	if kept < worlds {
		t.Error("the worlds are too hard to tell anything")
	}
}

// What whoever knew the demand pays is its brokers by the hour and what crosses zones,
// each once.
func TestTheOptimumPaysForEveryHourOnce(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	changed := 0
	for range 5 {
		p, err := scenario.Decode([]byte(randomScenario(rng)), "random", scenario.Sources{})
		if err != nil {
			t.Fatal(err)
		}
		m, err := Optimum(p)
		if err != nil {
			t.Fatal(err)
		}
		prices := p.MovePrices()
		if want := m.BrokerHours*prices.BrokerHour + m.CrossZoneBytes/1e9*prices.CrossZoneGigabyte; math.Abs(m.Cost-want) > 1e-6*want {
			t.Errorf("%d changes cost %g, and come to %g", m.ScaleActions, m.Cost, want)
		}
		changed += m.ScaleActions
	}
	if changed == 0 {
		t.Error("nothing ever changes: the test shows nothing")
	}
}
