package simulations

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/tidetable/tidetable/controller"
	"github.com/tidetable/tidetable/forecast"
	"github.com/tidetable/tidetable/policy"
	"github.com/tidetable/tidetable/policy/parts"
	"github.com/tidetable/tidetable/simulations/scenario"
	"github.com/tidetable/tidetable/simulations/world"
)

// What a simulation hands to the production loop is the policy, field for
// field, but for the mode; and the loop makes its forecaster of what the policy
// says. Every other part a policy becomes is made inside the loop itself.
func TestEveryPolicyFieldReachesTheSimulatedLoop(t *testing.T) {
	plan, err := scenario.Decode([]byte(randomScenario(rand.New(rand.NewPCG(1, 2)))), "wired", scenario.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := plan.World(0)
	if err != nil {
		t.Fatal(err)
	}
	w, err := world.New(c)
	if err != nil {
		t.Fatal(err)
	}
	var doc policy.Policy
	doc.SetDefaults()
	fill(reflect.ValueOf(&doc.Spec).Elem())
	l := &loop{name: "tidetable", doc: doc, every: time.Minute}
	var asked []forecast.Options
	l.options.Forecaster = func(o forecast.Options) forecast.Forecaster {
		asked = append(asked, o)
		return forecast.New(o)
	}
	cfg, err := l.config(w)
	if err != nil {
		t.Fatal(err)
	}
	got, want := cfg.Policy.Spec, doc.Spec
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the loop is given\n%+v\nof\n%+v", got, want)
	}
	// A valid one goes on into the loop.
	valid := DefaultPolicy(plan, false)
	valid.Spec.Rebalance.Throttle = "25MB/s"
	valid.Spec.Forecast.TimeZone = "Europe/Berlin"
	valid.Spec.Forecast.Holidays = []string{"DE"}
	valid.Spec.Forecast.Horizon = policy.Duration(20 * time.Hour)
	valid.Spec.Forecast.Events = []policy.Event{{Name: "sale", At: []string{"2026-03-02T03:00:00Z"}, Duration: policy.Duration(time.Hour),
		Uplift: 5}}
	valid.SetDefaults()
	l.doc = valid
	if cfg, err = l.config(w); err != nil {
		t.Fatal(err)
	}
	if _, err := controller.New(cfg); err != nil {
		t.Fatal(err)
	}
	if m := cfg.Mover.(world.Mover); m.Throttle != 25e6 {
		t.Errorf("data are moved at %v, and the policy says 25 MB/s", m.Throttle)
	}
	ready, err := parts.Of(valid.Spec)
	if err != nil {
		t.Fatal(err)
	}
	if len(asked) != 1 || !reflect.DeepEqual(asked[0].MaxAhead, ready.Forecast.MaxAhead) || asked[0].Events == nil ||
		len(asked[0].Events.Events) != 1 ||
		!reflect.DeepEqual(asked[0].Events.Holidays, []string{"DE"}) || asked[0].Events.Zone.String() != "Europe/Berlin" {
		t.Errorf("the forecaster is asked for %+v, and the policy says %+v", asked, ready.Forecast)
	}
}

// fill sets every field to something that is not its zero value.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i))
			}
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key)
		fill(value)
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat(0.5)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	}
}

// An event that nobody has seen yet raises the forecast, and with it what the
// simulated loop asks for: it did not, while the simulator made forecasters of
// its own.
func TestAnEventOfThePolicyChangesTheSimulation(t *testing.T) {
	const doc = `
version: 1
name: sale
duration: 4h
history: 3d
cluster:
  brokers: {count: 3, zones: [a, b, c], shape: {cpuCores: 4, network: 100MB/s, disk: 500GB, diskBandwidth: 200MB/s}}
loads:
  - {name: web, generate: {base: 8MB/s, day: 0.3, noise: 0.02}}
topics:
  - {name: orders, partitions: 24, retention: 30m}
policies: [tidetable]
`
	peak := func(events string) int {
		p, err := scenario.Decode([]byte(doc+"policy:\n  spec: {mode: Act, interval: 1m, brokers: {max: 30, survive: {nothing: true}}"+
			events+"}\n"),
			"sale", scenario.Sources{})
		if err != nil {
			t.Fatal(err)
		}
		r, err := Compare(t.Context(), p, Options{Forecaster: controller.NewForecaster, Gates: nil})
		if err != nil {
			t.Fatal(err)
		}
		most := 0
		for _, x := range r.Runs[0].Actions {
			most = max(most, x.To)
		}
		return most
	}
	without, with := peak(""), peak(`, forecast: {events: [{name: sale, at: ["2026-03-02T02:00:00Z"], duration: 1h, uplift: 8}]}`)
	if with <= without {
		t.Errorf("the largest size is %d with an event of eight times the load, and %d without", with, without)
	}
}
