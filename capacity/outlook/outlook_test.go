package outlook

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/metrics"
)

var monday = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)

// grown is hourly bytes in that grow by perDay of the first level a day, with
// weekends at 60 % and noise.
func grown(days int, level, perDay, noise float64, seed uint64) metrics.Series {
	rng := rand.New(rand.NewPCG(seed, 7))
	s := metrics.Series{Start: monday, Step: time.Hour}
	for i := range days * 24 {
		at := s.TimeAt(i)
		v := level * (1 + perDay*float64(i)/24) * (0.7 + 0.3*math.Sin(2*math.Pi*float64(at.Hour())/24)) / 1.0
		if d := at.Weekday(); d == time.Saturday || d == time.Sunday {
			v *= 0.6
		}
		s.Values = append(s.Values, v*(1+noise*rng.NormFloat64()))
	}
	return s
}

func TestTrendFindsSlopeAndWeek(t *testing.T) {
	tr, err := FitTrend(grown(60, 100e6, 0.005, 0.01, 1))
	if err != nil {
		t.Fatal(err)
	}
	if want := 0.5e6; math.Abs(tr.Slope-want) > 0.1*want || tr.SlopeLow > want || tr.SlopeHigh < want {
		t.Errorf("slope %.3g in [%.3g, %.3g], want %.3g", tr.Slope, tr.SlopeLow, tr.SlopeHigh, want)
	}
	if r := tr.Weekday[time.Saturday] / tr.Weekday[time.Wednesday]; math.Abs(r-0.6) > 0.03 {
		t.Errorf("Saturday is %.2f of Wednesday, want 0.6", r)
	}
}

// What comes later lies within the interval about as often as it says: 90 %,
// counted over many worlds 60 days after the last day seen.
func TestIntervalCoversWhatComes(t *testing.T) {
	inside, n := 0, 0
	for seed := range uint64(40) {
		all := grown(120, 100e6, 0.004, 0.05, seed)
		seen := all
		seen.Values = seen.Values[:60*24]
		tr, err := FitTrend(seen)
		if err != nil {
			t.Fatal(err)
		}
		days, first := dailyPeaks(all)
		for _, d := range days[70:] {
			r := tr.At(first.AddDate(0, 0, int(d.x)))
			n++
			if d.peak >= r.Low && d.peak <= r.High {
				inside++
			}
		}
	}
	if share := float64(inside) / float64(n); share < 0.85 {
		t.Errorf("%.0f %% of what came lay within the 90 %% interval", 100*share)
	}
}

func TestTrendSaysWhenItIsTooShort(t *testing.T) {
	if _, err := FitTrend(grown(13, 1, 0, 0, 1)); !errors.Is(err, ErrTooShort) {
		t.Errorf("got %v", err)
	}
	if _, err := FitTrend(metrics.Series{}); !errors.Is(err, ErrTooShort) {
		t.Errorf("got %v", err)
	}
	gap := grown(40, 1, 0, 0, 1)
	for i := 5 * 24; i < 15*24; i++ {
		gap.Values[i] = math.NaN()
	}
	if tr, err := FitTrend(gap); err != nil || tr.Days != 30 {
		t.Errorf("%d days, %v; want the 30 that were measured", tr.Days, err)
	}
}

func TestFlatLoadHasNoTrend(t *testing.T) {
	tr, err := FitTrend(grown(30, 100e6, 0, 0, 1))
	if err != nil || math.Abs(tr.Slope) > 1 {
		t.Errorf("slope %v, %v", tr.Slope, err)
	}
}

func input() Input {
	s := cluster.Snapshot{Version: 1, TakenAt: monday}
	for i := range 6 {
		s.Brokers = append(s.Brokers, cluster.Broker{ID: i, Zone: string(rune('a' + i%3)), State: cluster.BrokerAlive, Capacity: cluster.Capacity{
			CPUCores: 64, NetworkInBytesPerSecond: 100e6, NetworkOutBytesPerSecond: 200e6, DiskBytes: 1e12, DiskBytesPerSecond: 500e6,
		}})
	}
	t := cluster.Topic{Name: "t", Config: map[string]string{"min.insync.replicas": "2"}}
	for p := range 6 {
		r := []int{p, (p + 1) % 6, (p + 2) % 6}
		t.Partitions = append(t.Partitions, cluster.Partition{Partition: p, Leader: p, Replicas: r, ISR: r,
			Load: cluster.Load{BytesInPerSecond: 10e6, SizeBytes: 1e9, LeaderCPUCores: 0.1}})
	}
	s.Topics = []cluster.Topic{t}
	return Input{Snapshot: s, Horizon: 90 * 24 * time.Hour, Min: 3, MoveRate: 100e6, Start: 3 * time.Minute,
		Model: capacity.Model{Limits: capacity.Limits{NetworkIn: 0.6}}}
}

// 60 MB/s × RF 3 = 180 ÷ 60 = 3 brokers now. Doubled: 6. Six do for exactly
// that, so that at 110 % more they run out on the day the load passes double. Each
// of three zones holds a whole copy, so that whole rounds of zones are needed.
func TestGrowthGivesTheDateTheSizeRunsOut(t *testing.T) {
	in := input()
	g := 1.1
	in.Growth = &g
	o, err := Ahead(in)
	if err != nil {
		t.Fatal(err)
	}
	if o.BrokersNow != 6 || o.BrokersNeededNow != 3 || o.Requirement.Brokers != 9 || o.BindingConstraint != "networkIn" {
		t.Errorf("%d now, %d needed now, %d at the end by %s; want 6, 3, 9 by networkIn", o.BrokersNow, o.BrokersNeededNow, o.Requirement.Brokers,
			o.BindingConstraint)
	}
	// 2.1^(d/90) > 2 → d > 84.08
	if want := monday.AddDate(0, 0, 85); o.RunsOut == nil || !o.RunsOut.At.Equal(want) || o.RunsOut.Constraint != "networkIn" {
		t.Errorf("runs out %+v, want %s", o.RunsOut, want)
	}
	if len(o.Months) != 3 || o.Months[2].Brokers.Mid != 9 || o.Months[0].Brokers.Mid != 6 {
		t.Errorf("months %+v", o.Months)
	}
	in.Growth = nil
	if o, _ = Ahead(in); o.RunsOut != nil || len(o.Notes) == 0 {
		t.Errorf("without growth it runs out %+v; notes %v", o.RunsOut, o.Notes)
	}
}

func TestLosingAZone(t *testing.T) {
	in := input()
	e, err := Lose(in, Part{Zone: "a"})
	if err != nil {
		t.Fatal(err)
	}
	// 180 MB/s ÷ 60 = 3 brokers; four are left. No zone is a rack here, so some
	// partitions have two of three replicas on brokers 0 and 3: none has.
	if !e.Holds || e.BrokersLeft != 4 || e.BrokersToAdd != 0 || e.PartitionsUnderMinISR != 0 {
		t.Errorf("%+v", e)
	}
	in.PeakNow = 100e6 // 300 ÷ 60 = 5
	in.Prices.BrokerHour = 1
	if e, _ = Lose(in, Part{Zone: "a"}); e.Holds || e.Overloaded != "networkIn" || e.BrokersToAdd != 1 || math.Abs(e.CostToHold-730.5) > 1 {
		t.Errorf("%+v", e)
	}
	for _, bad := range []string{"zone=z", "broker=99"} {
		if part, err := ParsePart(bad); err != nil || part.String() != bad {
			t.Errorf("%q is read as %q, %v", bad, part, err)
		} else if _, err := Lose(in, part); err == nil {
			t.Errorf("%q was lost, and is not there", bad)
		}
	}
	for _, bad := range []string{"rack=a", "zone", "zone=", "broker=x", "broker=", ""} {
		if _, err := ParsePart(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestCheapestShapeComesFirst(t *testing.T) {
	in := input()
	in.ShapePrices = map[string]float64{"generic-small": 10, "generic-large": 0.1}
	o, err := Ahead(in)
	if err != nil || len(o.Shapes) != 2 || o.Shapes[0].Shape != "generic-large" {
		t.Errorf("%+v, %v", o.Shapes, err)
	}
}
