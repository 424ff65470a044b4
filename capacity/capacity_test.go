package capacity

import (
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tidetable/tidetable/cluster"
)

// facts is a cluster of six brokers in three zones, each able to do 100 MB/s
// both ways, 200 MB/s on a disk of 1 TB, with 8 cores and 32 GB.
func facts() Facts {
	return Facts{Brokers: 6, Zones: 3, Profile: cluster.Capacity{
		CPUCores: 8, NetworkInBytesPerSecond: 100e6, NetworkOutBytesPerSecond: 100e6, DiskBytes: 1e12, DiskBytesPerSecond: 200e6,
		MemoryBytes: 32e9,
	}}
}

// demand is 100 MB/s produced at RF 3, read twice, 2 TB stored.
func demand() Demand {
	return Demand{Produced: 100e6, Replicated: 300e6, Consumed: 200e6, CPU: 12, Stored: 2e12, Replicas: 900, Partitions: 300, MaxRF: 3}
}

func find(t *testing.T, r Requirement, name string) Constraint {
	t.Helper()
	for _, c := range r.Constraints {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("there is no constraint %s", name)
	return Constraint{}
}

// Every number is worked out by hand beside it.
func TestEachConstraintMatchesItsFormula(t *testing.T) {
	limits := Limits{CPU: 0.6, NetworkIn: 0.7, NetworkOut: 0.7, Disk: 0.7, DiskBandwidth: 0.7}
	tests := map[string]struct {
		model Model
		spoil func(*Demand, *Facts)
		name  string
		want  int
	}{
		"network in": {Model{Limits: limits}, nil, "networkIn", 5}, // 300 ÷ 70 = 4.29
		// 100·(2+2) = 400 ÷ 70 = 5.7
		"network out":     {Model{Limits: limits}, nil, "networkOut", 6},
		"disk bandwidth":  {Model{Limits: limits}, nil, "diskBandwidth", 3},                                              // 300 ÷ 140 = 2.1
		"lagging readers": {Model{Limits: limits}, func(d *Demand, _ *Facts) { d.Catching = 200e6 }, "diskBandwidth", 4}, // 500 ÷ 140 = 3.6
		"cpu":             {Model{Limits: limits}, nil, "cpu", 3},                                                        // 12 ÷ 4.8 = 2.5
		// 100/34.95 + 400/26.21 + 200/26.21 = 25.75 ÷ 4.8 = 5.4
		"cpu by priors": {Model{Limits: limits}, func(d *Demand, _ *Facts) { d.CPU = -1 }, "cpu", 6},
		// 12 + √12 = 15.5 ÷ 8 = 1.9, and 12 ÷ 8 = 1.5
		"cpu staffing": {Model{}, nil, "cpu", 2},
		// 2 TB ÷ 0.7 TB = 2.9
		"storage":          {Model{Limits: limits}, nil, "disk", 3},
		"storage, N-1":     {Model{Limits: limits, Survive: Loss{Brokers: 1}}, nil, "disk", 4},       // and one to lose
		"storage, zone":    {Model{Limits: limits, Survive: Loss{Zones: 1}}, nil, "disk", 3},         // a zone comes back
		"partitions":       {Model{MaxReplicasPerBroker: 200}, nil, "partitions", 5},                 // 900 ÷ 200 = 4.5
		"replication":      {Model{}, nil, "replication", 3},                                         // RF
		"replication, N-2": {Model{Survive: Loss{Brokers: 2}}, nil, "replication", 5},                // B − 2 ≥ 3
		"one broker lost":  {Model{Limits: limits, Survive: Loss{Brokers: 1}}, nil, "networkOut", 7}, // 6 left of 7
		// 6 left of 9: load × 3/2
		"one zone of three":  {Model{Limits: limits, Survive: Loss{Zones: 1}}, nil, "networkOut", 9},
		"two zones of three": {Model{Limits: limits, Survive: Loss{Zones: 2}}, nil, "networkIn", 5},  // lost replicas are not written
		"zones not there":    {Model{Limits: limits, Survive: Loss{Zones: 3}}, nil, "networkOut", 7}, // one broker instead
		// 2 TB ÷ 0.36 TB = 5.6
		"catch-up":       {Model{CatchUp: time.Hour, MoveRate: 100e6}, nil, "catchUp", 6},
		"storage link":   {Model{Limits: limits, StorageNetwork: 80e6}, nil, "throughput", 6},           // 300 ÷ 56 = 5.4
		"a whole number": {Model{}, func(d *Demand, _ *Facts) { d.Replicated = 300e6 }, "networkIn", 3}, // exactly 3 stay 3
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			d, f := demand(), facts()
			if tc.spoil != nil {
				tc.spoil(&d, &f)
			}
			if c := find(t, tc.model.Size(d, f), tc.name); c.Brokers != tc.want || c.Unknown != "" {
				t.Errorf("%d brokers, want %d: %s %s", c.Brokers, tc.want, c.Formula, c.Unknown)
			}
		})
	}
}

func TestBindingConstraintIsTheLargest(t *testing.T) {
	r := Model{Limits: Limits{NetworkOut: 0.7}, Survive: Loss{Zones: 1}}.Size(demand(), facts())
	if r.Brokers != 9 || r.Bottleneck != "networkOut" || !r.Complete {
		t.Errorf("%d brokers by %s, complete %v", r.Brokers, r.Bottleneck, r.Complete)
	}
	if !strings.Contains(r.Explain(), "9 brokers, bound by networkOut") {
		t.Error(r.Explain())
	}
}

func TestUnknownIsNeverAZeroThatCounts(t *testing.T) {
	tests := map[string]func(*Demand, *Facts){
		"no rates":    func(d *Demand, _ *Facts) { d.LoadUnknown = "prometheus is gone" },
		"no capacity": func(_ *Demand, f *Facts) { f.Profile.NetworkInBytesPerSecond = 0 },
		"no sizes":    func(d *Demand, _ *Facts) { d.Stored = -1 },
		"no disks":    func(_ *Demand, f *Facts) { f.Profile.DiskBytes = 0 },
		"NaN":         func(d *Demand, _ *Facts) { d.Replicated = cluster.BytesPerSecond(math.NaN()) },
		"infinite":    func(d *Demand, _ *Facts) { d.Consumed = cluster.BytesPerSecond(math.Inf(1)) },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			d, f := demand(), facts()
			spoil(&d, &f)
			r := Model{}.Size(d, f)
			if r.Complete {
				t.Errorf("counts as complete: %s", r.Explain())
			}
			for _, c := range r.Constraints {
				if c.Unknown != "" && c.Brokers != 0 {
					t.Errorf("%s is unknown, and asks for %d", c.Name, c.Brokers)
				}
			}
		})
	}
}

func TestAdviceNeverBinds(t *testing.T) {
	d := demand()
	r := Model{CacheSeconds: 1e9}.Size(d, facts())
	if c := find(t, r, "pageCache"); !c.Advisory || c.Brokers <= r.Brokers {
		t.Errorf("page cache %+v, requirement %d", c, r.Brokers)
	}
	// 0.5 × 32 GB ÷ (300 MB/s ÷ 6) = 320 s
	if c := find(t, r, "pageCache"); math.Abs(c.PerBroker-320) > 1 {
		t.Errorf("%.1f s of reads come from memory, want 320", c.PerBroker)
	}
}

// Three zones hold a whole copy each: the zone with fewest brokers decides, and not
// the mean. Five brokers in zones of two, two and one were enough while the lone
// one's disk was full. What a lost zone took with it is not written to the others.
func TestTheZoneWithFewestBrokersDecides(t *testing.T) {
	limits := Limits{NetworkIn: 0.7, Disk: 0.7, DiskBandwidth: 0.7}
	whole := []Spread{{RF: 3, Arriving: 1, Disk: 1}}
	for name, tc := range map[string]struct {
		survive Loss
		change  func(*Demand, *Facts)
		of      string
		want    int
	}{
		"disk":                    {Loss{}, func(d *Demand, _ *Facts) { d.Stored = 3.3e12 }, "disk", 6}, // 1.1 TB a zone of 0.7 TB brokers
		"disk, a zone may go":     {Loss{Zones: 1}, func(d *Demand, _ *Facts) { d.Stored = 3.3e12 }, "disk", 6},
		"network in":              {Loss{}, func(d *Demand, _ *Facts) { d.Replicated = 330e6 }, "networkIn", 6}, // 110 of 70 MB/s
		"network in, a zone gone": {Loss{Zones: 1}, func(d *Demand, _ *Facts) { d.Replicated = 330e6 }, "networkIn", 6},
		"one copy for two zones":  {Loss{Zones: 1}, func(d *Demand, _ *Facts) { d.Replicated, d.Spread = 330e6, nil }, "networkIn", 5},
		"a zone is not known":     {Loss{}, func(d *Demand, f *Facts) { d.Replicated, f.ZoneUnknown = 330e6, true }, "networkIn", 5},
	} {
		d, f := demand(), facts()
		d.Spread = whole
		tc.change(&d, &f)
		c := find(t, Model{Limits: limits, Survive: tc.survive}.Size(d, f), tc.of)
		if c.Brokers != tc.want {
			t.Errorf("%s: %d brokers, want %d: %s", name, c.Brokers, tc.want, c.Formula)
		}
	}
}

// More load, more loss or less capacity never needs fewer brokers.
func TestRequirementIsMonotone(t *testing.T) {
	m := Model{Limits: Limits{CPU: 0.6, NetworkIn: 0.7, NetworkOut: 0.7, Disk: 0.7, DiskBandwidth: 0.7}, Survive: Loss{Zones: 1}}
	last := 0
	for f := 0.1; f < 20; f += 0.1 {
		n := m.Size(demand().Scale(f, f), facts()).Brokers
		if n < last {
			t.Fatalf("%.1f times the load needs %d brokers, less needs %d", f, n, last)
		}
		last = n
	}
}

func TestStoredGrowsNoFasterThanItIsWritten(t *testing.T) {
	topic := func(config map[string]string, size float64) cluster.Snapshot {
		return cluster.Snapshot{Topics: []cluster.Topic{{Name: "t", Config: config, Partitions: []cluster.Partition{
			{Replicas: []int{0, 1, 2}, Load: cluster.Load{BytesInPerSecond: 1e6, SizeBytes: cluster.Bytes(size)}},
		}}}}
	}
	hour := map[string]string{"retention.ms": "3600000", "segment.bytes": "1000000"}
	tests := map[string]struct {
		s      cluster.Snapshot
		growth float64
		within time.Duration
		want   float64
	}{
		"filled":           {topic(hour, 3.6e9), 1, time.Hour, 3 * 3.601e9},
		"filling":          {topic(hour, 1e9), 1, 10 * time.Minute, 3 * 1.6e9}, // 1 GB and ten minutes at 1 MB/s
		"filling for ever": {topic(hour, 1e9), 1, 99 * time.Hour, 3 * 3.601e9}, // an hour and a segment
		"grown":            {topic(hour, 3.6e9), 2, 0, 3 * 7.2e9},
		"never shrinks":    {topic(hour, 9e9), 0.5, time.Hour, 3 * 9e9},
		"size unknown":     {topic(hour, 0), 1, 0, 3 * 3.601e9},
		"bytes bound": {topic(map[string]string{"retention.ms": "3600000", "retention.bytes": "1000000000", "segment.bytes": "1"},
			0), 1, 0, 3 * 1e9},
		"compacted":        {topic(map[string]string{"cleanup.policy": "compact", "retention.ms": "3600000"}, 5e9), 2, time.Hour, 3 * 10e9},
		"for ever":         {topic(map[string]string{"retention.ms": "-1"}, 5e9), 1, time.Hour, 3 * 8.6e9}, // an hour at 1 MB/s more
		"for ever, double": {topic(map[string]string{"retention.ms": "-1"}, 5e9), 2, time.Hour, 3 * 12.2e9},
		"emptied by its application": {topic(map[string]string{"retention.ms": "-1", "segment.bytes": "100000000"}, 6e7), 1,
			90 * 24 * time.Hour, 3 * 6e7},
		"tiered": {topic(map[string]string{"retention.ms": "-1", "remote.storage.enable": "true",
			"local.retention.ms": "60000", "segment.bytes": "1"}, 0), 1, 0, 3 * 6e7},
	}
	for name, tc := range tests {
		if got := float64(StoredAt(tc.s, 1, tc.growth, tc.within)); math.Abs(got-tc.want) > 1e-3*tc.want {
			t.Errorf("%s: %.4g B, want %.4g", name, got, tc.want)
		}
	}
}

func TestWhatBrokersCompressFillsAtMostAsFastAsItComesIn(t *testing.T) {
	s := cluster.Snapshot{Topics: []cluster.Topic{{Name: "app-store-repartition", Config: map[string]string{"retention.ms": "-1"},
		Partitions: []cluster.Partition{{Replicas: []int{0}, Load: cluster.Load{BytesInPerSecond: 1e6, SizeBytes: 5e10}}}}}}
	if got := StoredAt(s, 1, 1, time.Hour); got != 5e10 {
		t.Errorf("a repartition topic grows to %s", got)
	}
	week := map[string]string{"retention.ms": "604800000", "segment.bytes": "1"}
	s.Topics[0].Name, s.Topics[0].Config = "t", week
	if got := StoredAhead(s, 1, 1, 10*24*time.Hour); math.Abs(float64(got)-6.048e11) > 1e6 {
		t.Errorf("a week of retention fills with %s, want 604.8 GB", got)
	}
	week["compression.type"] = "zstd"
	if likely, most := StoredAhead(s, 1, 1, 10*24*time.Hour), StoredAt(s, 1, 1, 10*24*time.Hour); likely != 5e10 || most < 6e11 {
		t.Errorf("compressed by brokers: %s, at most %s", likely, most)
	}
}

func TestConsumers(t *testing.T) {
	base := ConsumerDemand{Group: "g", Arriving: 600, PerReplica: 100, Partitions: 24, Current: 6, Utilisation: 0.8, Min: 1,
		DrainIn: time.Minute}
	tests := map[string]struct {
		change func(*ConsumerDemand)
		want   int
	}{
		// 600 ÷ 80 = 7.5 → 8, three partitions each
		"steady": {func(*ConsumerDemand) {}, 8},
		// 8 would give two partitions to some: 120 > 95
		"spread": {func(d *ConsumerDemand) { d.Partitions = 10 }, 10},
		// 8 of 18 → 3 partitions are 100 > 95; 9 → 2
		"spread evenly":       {func(d *ConsumerDemand) { d.Partitions = 18 }, 9},
		"capped":              {func(d *ConsumerDemand) { d.Arriving = 6000 }, 24},                       // no more than partitions
		"maximum":             {func(d *ConsumerDemand) { d.Max = 5 }, 5},                                //
		"minimum":             {func(d *ConsumerDemand) { d.Arriving, d.Min = 1, 3 }, 3},                 //
		"nothing arrives":     {func(d *ConsumerDemand) { d.Arriving = 0 }, 1},                           //
		"lag within the aim":  {func(d *ConsumerDemand) { d.Backlog = 36000 }, 8},                        // a minute of arrivals is no backlog
		"lag beyond the aim":  {func(d *ConsumerDemand) { d.Backlog = 36000 + 60000 }, 16},               // 600 + 60000/60 = 1600 ÷ 100
		"only known at least": {func(d *ConsumerDemand) { d.AtLeast = true }, 6},                         // what they do now, no more room
		"μ unknown":           {func(d *ConsumerDemand) { d.PerReplica = 0 }, 6},                         // kept
		"partitions unknown":  {func(d *ConsumerDemand) { d.Partitions = 0 }, 6},                         // kept
		"unknown, below min":  {func(d *ConsumerDemand) { d.PerReplica, d.Current, d.Min = 0, 1, 2 }, 2}, //
		"NaN":                 {func(d *ConsumerDemand) { d.Arriving = cluster.MessagesPerSecond(math.NaN()) }, 6},
	}
	for name, tc := range tests {
		d := base
		tc.change(&d)
		if r := SizeConsumers(d); r.Replicas != tc.want {
			t.Errorf("%s: %d replicas, want %d: %s", name, r.Replicas, tc.want, r.Why)
		}
	}
}

// Whatever the numbers, the replica with most partitions keeps up, and no
// smaller count would do.
func FuzzSizeConsumers(f *testing.F) {
	f.Add(600.0, 100.0, 24, int64(0))
	f.Add(1.0, 0.001, 7, int64(1e9))
	f.Fuzz(func(t *testing.T, lambda, mu float64, partitions int, lag int64) {
		if !(lambda >= 0 && lambda < 1e12) || !(mu > 1e-6 && mu < 1e12) || partitions < 1 || partitions > 10000 || lag < 0 {
			t.Skip()
		}
		r := SizeConsumers(ConsumerDemand{Arriving: cluster.MessagesPerSecond(lambda), PerReplica: cluster.MessagesPerSecond(mu),
			Partitions: partitions, Utilisation: 0.8, Backlog: lag, DrainIn: time.Minute})
		if r.Replicas < 1 || r.Replicas > partitions {
			t.Fatalf("%d replicas of %d partitions", r.Replicas, partitions)
		}
		if most := (partitions + r.Replicas - 1) / r.Replicas; r.Replicas < partitions && float64(most)*lambda/float64(partitions) > mu {
			t.Fatalf("with %d replicas one has %d of %d partitions: %g > %g", r.Replicas, most, partitions,
				float64(most)*lambda/float64(partitions), mu)
		}
	})
}

// facts.md's worked example: 100 MB/s, RF 3, 24 h, six brokers to seven: 3.7 TB
// for the new one, 10.3 h at 100 MB/s.
func TestLeadTimeWorkedExample(t *testing.T) {
	stored := cluster.Bytes(100e6 * 3 * 86400)
	data := DataToFill(stored, 6, 7)
	if math.Abs(float64(data)-3.7e12) > 0.05e12 {
		t.Errorf("%s for the new broker, want 3.7 TB", data)
	}
	if d := LeadTime(0, 0, data, 100e6); math.Abs(d.Hours()-10.3) > 0.05 {
		t.Errorf("%s, want 10.3 h", d)
	}
	if d := LeadTime(time.Minute, time.Minute, data, 0); d < 365*24*time.Hour {
		t.Errorf("data that cannot move arrives in %s", d)
	}
	if d := LeadTime(2*time.Minute, time.Minute, 0, 0); d != 3*time.Minute {
		t.Errorf("without data: %s", d)
	}
}

func TestCrossZoneAndCost(t *testing.T) {
	c := CrossZone(demand(), 3, false)
	if math.Abs(float64(c.Total())-(2.0/3*100e6+200e6+2.0/3*200e6)) > 1 {
		t.Errorf("%+v", c)
	}
	if CrossZone(demand(), 1, false).Total() != 0 || CrossZone(demand(), 3, true).Consume != 0 {
		t.Error("one zone crosses nothing, and followers nearby are read from nearby")
	}
	// 3 × 0.8 × 730.5 + 3 × 1000 GB × 0.08 + 1 MB/s × 2,629,800 s = 2629.8 GB × 0.01
	got := Prices{BrokerHour: 0.8, GigabyteMonth: 0.08, CrossZoneGigabyte: 0.01}.Monthly(3, 0, 1e12, 1e6)
	if want := 3*0.8*730.5 + 240 + 26.298; math.Abs(got-want) > 1e-6 {
		t.Errorf("%f a month, want %f", got, want)
	}
}

func TestShapesAreThereAndSmallestCountsOfMixedBrokers(t *testing.T) {
	if len(Shapes()) < 5 {
		t.Errorf("%d shapes", len(Shapes()))
	}
	for _, s := range Shapes() {
		c := s.Capacity()
		if c.CPUCores <= 0 || c.NetworkInBytesPerSecond <= 0 || c.DiskBytes <= 0 || c.DiskBytesPerSecond <= 0 || s.Source == "" {
			t.Errorf("shape %s is incomplete: %+v", s.Name, s)
		}
	}
	if _, err := ShapeNamed("nonesuch"); err == nil || !strings.Contains(err.Error(), "m5.large") {
		t.Errorf("got %v", err)
	}
	shape, _ := ShapeNamed("m5.large")
	p := ProfileOf([]cluster.Broker{
		{Capacity: cluster.Capacity{CPUCores: 8, DiskBytes: 2e12}}, {Capacity: cluster.Capacity{CPUCores: 4, DiskBytes: 1e12}},
		{State: cluster.BrokerDead, Capacity: cluster.Capacity{CPUCores: 1}},
	}, &shape)
	if p.CPUCores != 4 || p.DiskBytes != 1e12 || p.NetworkInBytesPerSecond != shape.NetworkBytesPerSecond {
		t.Errorf("%+v", p)
	}
}

func BenchmarkSize(b *testing.B) {
	m := Model{Limits: Limits{CPU: 0.6, NetworkIn: 0.7}, Survive: Loss{Zones: 1}}
	d, f := demand(), facts()
	b.ReportAllocs()
	for b.Loop() {
		m.Size(d, f)
	}
}

func TestEveryConstraintHasItsRowInTheDocs(t *testing.T) {
	page, err := os.ReadFile("../docs/formulas.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range constraints {
		if !strings.Contains(string(page), "| `"+c.name+"` |") {
			t.Errorf("docs/formulas.md has no row for %s", c.name)
		}
	}
}
