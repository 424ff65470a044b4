package parts

import (
	"strings"
	"testing"
	"time"

	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/policy"
)

func spec(change func(*policy.Spec)) policy.Spec {
	p := policy.Policy{Metadata: policy.Metadata{Name: "claims"}}
	p.SetDefaults()
	change(&p.Spec)
	return p.Spec
}

func TestEachPartIsWhatThePolicySays(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*policy.Spec)
		holds  func(Parts) bool
	}{
		"reach of a short horizon": {func(s *policy.Spec) { s.Forecast.Horizon = policy.Duration(time.Hour) }, func(p Parts) bool { return p.Forecast.MaxAhead == 24*time.Hour }},
		"reach of a long horizon":  {func(s *policy.Spec) { s.Forecast.Horizon = policy.Duration(100 * time.Hour) }, func(p Parts) bool { return p.Forecast.MaxAhead == 48*time.Hour }},
		"holidays and zone": {func(s *policy.Spec) { s.Forecast.Holidays, s.Forecast.TimeZone = []string{"DE"}, "Europe/Berlin" },
			func(p Parts) bool {
				return p.Forecast.Events.Zone.String() == "Europe/Berlin" && p.Forecast.Events.Holidays[0] == "DE"
			}},
		"no calendar":      {func(*policy.Spec) {}, func(p Parts) bool { return p.Forecast.Events == nil }},
		"throttle auto":    {func(s *policy.Spec) { s.Rebalance.Throttle = "auto" }, func(p Parts) bool { return p.Model.MoveRate == assumedMoveRate }},
		"throttle":         {func(s *policy.Spec) { s.Rebalance.Throttle = "20MB/s" }, func(p Parts) bool { return p.Model.MoveRate == 20e6 }},
		"budget of a plan": {func(s *policy.Spec) { s.Rebalance.MaxBytes = "500GB" }, func(p Parts) bool { return p.Moves.Budget.Bytes == 500e9 }},
		"excluded topics":  {func(s *policy.Spec) { s.Rebalance.Exclude.Topics = []string{"^__"} }, func(p Parts) bool { return p.Moves.ExcludeTopics[0].MatchString("__consumer_offsets") }},
		"leaders near consumers, by price": {func(s *policy.Spec) { s.Rebalance.Zones.PreferConsumers, s.Cost.CrossZoneGigabyte = true, 0.02 },
			func(p Parts) bool { return p.Moves.Locality != nil && p.Moves.Locality.PricePerGigabyte == 0.02 }},
		"nothing need survive": {func(s *policy.Spec) { s.Brokers.Survive = policy.Survive{Nothing: true, Zones: 1} }, func(p Parts) bool { return p.Model.Survive == capacity.Loss{} }},
		"the price of a shape": {func(s *policy.Spec) { s.Brokers.Shape = capacity.Shapes()[0].Name }, func(p Parts) bool { return p.Shape != nil && p.Prices.BrokerHour == p.Shape.HourlyPrice }},
		"a price of its own":   {func(s *policy.Spec) { s.Brokers.Shape, s.Cost.BrokerHour = capacity.Shapes()[0].Name, 9 }, func(p Parts) bool { return p.Prices.BrokerHour == 9 }},
	} {
		p, err := Of(spec(c.change))
		if err != nil || !c.holds(p) {
			t.Errorf("%s: %v, %+v", name, err, p)
		}
	}
}

func TestWhatCannotBeUsedIsNamed(t *testing.T) {
	for want, change := range map[string]func(*policy.Spec){
		"spec.brokers.shape":      func(s *policy.Spec) { s.Brokers.Shape = "m99.huge" },
		"spec.forecast.timeZone":  func(s *policy.Spec) { s.Forecast.TimeZone = "Mars/Olympus" },
		"spec.forecast.events[0]": func(s *policy.Spec) { s.Forecast.Events = []policy.Event{{Name: "x", Schedule: "whenever"}} },
	} {
		if _, err := Of(spec(change)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want one that names %s", err, want)
		}
	}
}

func TestTheForecasterIsToldTheZoneWhereThereAreNoEvents(t *testing.T) {
	s := policy.Spec{}
	s.Forecast.TimeZone = "Europe/Berlin"
	p, err := Of(s)
	if err != nil {
		t.Fatal(err)
	}
	if z := p.Forecast.Zone; p.Forecast.Events != nil || z == nil || z.String() != "Europe/Berlin" {
		t.Errorf("the options hold %+v", p.Forecast)
	}
}
