package controller

import (
	"testing"
	"time"

	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/controller/gates"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/forecast"
	"github.com/tidetable/tidetable/policy"
	"github.com/tidetable/tidetable/policy/parts"
)

// nightly is a forecast of so many bytes a second from 08:00 to 20:00, and half
// of it at night.
func nightly(now time.Time, high float64, ahead time.Duration) *prediction {
	p := &prediction{madeAt: now, ahead: ahead, p: forecast.Prediction{Step: 5 * time.Minute, Quantiles: []float64{0.5, 0.95}, Trusted: true}}
	for d := 5 * time.Minute; d <= ahead; d += 5 * time.Minute {
		v := high
		if h := now.Add(d).Hour(); h < 8 || h >= 20 {
			v = high / 2
		}
		p.p.Points = append(p.p.Points, forecast.Point{Time: now.Add(d), Values: []float64{v, v}})
	}
	return p
}

// morning is 07:00 of a cluster of six brokers that carry 70 MB/s each: 420 MB/s with
// replication, and twice that by day.
func morning(stored cluster.Bytes, ahead time.Duration) (Facts, Expectations) {
	now := start.Truncate(24 * time.Hour).Add(7 * time.Hour)
	const reading = 140e6
	load := Load{prediction: nightly(now, 280e6, ahead), Peak: reading, Factor: 1}
	return Facts{
		Now: now, Asked: 6, Brokers: capacity.Facts{Brokers: 6, Zones: 3, Profile: cluster.Capacity{
			CPUCores: 100, NetworkInBytesPerSecond: 100e6, NetworkOutBytesPerSecond: 1e9, DiskBytes: 100e12, DiskBytesPerSecond: 1e9,
		}},
		Demand: capacity.Demand{
			Produced: reading, Consumed: reading, Replicated: 3 * reading, CPU: 1, Stored: stored, Replicas: 36, Partitions: 12, MaxRF: 3,
		},
	}, Expectations{In: load, Out: load, Trusted: true, Horizon: 30 * time.Minute, Start: 3 * time.Minute, MoveRate: 100e6}
}

// scheduled is the schedule of a cluster of brokers that carry 70 MB/s each, at
// 07:00, for 840 MB/s by day with replication: 12 brokers, and 6 at night.
func scheduled(t *testing.T, edit func(*policy.Spec), stored cluster.Bytes, ahead time.Duration) *decision.Schedule {
	t.Helper()
	p := testPolicy(policy.Recommend)
	p.Spec.Brokers.Max, p.Spec.Brokers.Survive = 20, policy.Survive{Nothing: true}
	if edit != nil {
		edit(&p.Spec)
	}
	p.SetDefaults()
	ready, err := parts.Of(p.Spec)
	if err != nil {
		t.Fatal(err)
	}
	f, e := morning(stored, ahead)
	s := scheduler{spec: p.Spec, parts: ready}
	r := Requirement{Requirement: ready.Model.Size(f.Demand, f.Brokers)}
	return s.schedule(&f, &e, &r, false)
}

func TestSizesAreScheduledAheadOfTheDay(t *testing.T) {
	s := scheduled(t, nil, 1e12, 48*time.Hour)
	if s == nil || len(s.Changes) < 2 {
		t.Fatalf("scheduled %+v", s)
	}
	up, down := s.Changes[0], s.Changes[1]
	if up.To != 12 || up.Ready.Hour() > 8 || up.For.Hour() > 8 || down.To != 6 || down.At.Hour() < 19 {
		t.Errorf("scheduled %+v", s.Changes)
	}
	if s.Unit != "broker-hours" || s.Needed != 6 {
		t.Errorf("in %s, %d needed", s.Unit, s.Needed)
	}
}

func TestPricesDecideWhetherTheNightPays(t *testing.T) {
	price := func(c policy.Cost) func(*policy.Spec) { return func(s *policy.Spec) { s.Cost = c } }
	// 6 brokers of 12 hours of the night are 72 broker-hours; 4 TB go and come back.
	for name, c := range map[string]struct {
		cost  policy.Cost
		stays bool
	}{
		"moves are free":                 {policy.Cost{BrokerHour: 1, MovedGigabyte: 1e-9, Change: 1}, false},
		"moves cost more than the night": {policy.Cost{BrokerHour: 1, CrossZoneGigabyte: 0.02}, true},
		"brokers are dear":               {policy.Cost{BrokerHour: 4, CrossZoneGigabyte: 0.02}, false},
		"a change is dear":               {policy.Cost{BrokerHour: 1, MovedGigabyte: 1e-9, Change: 60}, true},
	} {
		s := scheduled(t, price(c.cost), 8e12, 48*time.Hour)
		if s == nil {
			t.Fatalf("%s: nothing is scheduled", name)
		}
		if stays := len(s.Changes) == 1; stays != c.stays {
			t.Errorf("%s: %+v", name, s.Changes)
		}
		if c.stays && len(s.Changes) == 1 && s.Unit != "USD" {
			t.Errorf("%s: in %s", name, s.Unit)
		}
	}
}

func TestNothingIsScheduledWithoutADaysForecast(t *testing.T) {
	if s := scheduled(t, nil, 1e12, 6*time.Hour); s != nil {
		t.Errorf("scheduled %+v", s)
	}
}

func TestWhatTakesTooLongToJudgeIsLeftToTheHorizon(t *testing.T) {
	if s := scheduled(t, nil, 60e12, 48*time.Hour); s != nil { // 8.6 TB at 80 MB/s: 30 hours
		t.Errorf("scheduled %+v", s)
	}
}

func TestAnAlertsUpliftMakesAnotherSchedule(t *testing.T) {
	for _, uplift := range []float64{1, 2} {
		p := testPolicy(policy.Recommend)
		p.Spec.Brokers.Max, p.Spec.Brokers.Survive = 20, policy.Survive{Nothing: true}
		p.SetDefaults()
		ready, err := parts.Of(p.Spec)
		if err != nil {
			t.Fatal(err)
		}
		f, e := morning(1e12, 48*time.Hour)
		s := scheduler{spec: p.Spec, parts: ready}
		r := Requirement{Requirement: ready.Model.Size(f.Demand, f.Brokers)}
		if first := s.schedule(&f, &e, &r, false); first == nil || first.Needed != 6 {
			t.Fatalf("scheduled %+v", first)
		}
		e.In.Peak, e.In.Factor = e.In.Peak*uplift, uplift
		if again := s.schedule(&f, &e, &r, false); (again.Needed > 6) != (uplift > 1) {
			t.Errorf("at %g times the load %d are needed", uplift, again.Needed)
		}
	}
}

func TestBoundsGoBeforeWhatPays(t *testing.T) {
	for name, c := range map[string]struct{ asked, least, most, want int }{
		"below the minimum": {3, 6, 12, 6},
		"above the maximum": {8, 3, 6, 6},
		"within":            {5, 3, 6, 5},
	} {
		s := proposer{spec: policy.Spec{Mode: policy.Recommend, Brokers: policy.Brokers{Min: c.least, Max: c.most, MaxStep: 9}}, needs: map[string]*needs{}}
		p := Proposed{Needs: map[string]gates.NeedWindow{}}
		s.brokers(readings{
			Facts: &Facts{Now: start, Asked: c.asked}, Expectations: &Expectations{Trusted: true},
			Requirement: &Requirement{Requirement: capacity.Requirement{Brokers: 3, Complete: true}},
			Schedule:    &decision.Schedule{Needed: 3},
			neededAt:    func(int) (time.Time, bool) { return time.Time{}, false },
			longFill:    func(int, int) bool { return false },
		}, &p)
		if p.Recommended != c.want {
			t.Errorf("%s: %d are recommended, want %d", name, p.Recommended, c.want)
		}
	}
}

func TestClosedWindowsPutScaleInsOff(t *testing.T) {
	open := []policy.Window{{Schedule: "0 22 * * *", Duration: policy.Duration(2 * time.Hour)}}
	s := scheduled(t, func(s *policy.Spec) { s.Gates.Windows = open }, 1e12, 48*time.Hour)
	for _, c := range s.Changes {
		if h := c.At.Hour(); c.To < c.From && h != 22 && h != 23 {
			t.Errorf("%s", c.Words())
		}
	}
}
