package execute

import (
	"testing"
	"time"

	"github.com/tidetable/tidetable/cluster"
)

func TestRateRisesByStepsAndFallsByHalf(t *testing.T) {
	p := ThrottlePolicy{Start: 20e6, Min: 1e6, Max: 100e6}
	for _, c := range []struct {
		name           string
		rate           cluster.BytesPerSecond
		health         Health
		used, incoming cluster.BytesPerSecond
		want           cluster.BytesPerSecond
	}{
		{"well and busy", 20e6, Well, 19e6, 0, 21e6},
		{"well and idle: nothing was tried", 20e6, Well, 1e6, 0, 20e6},
		{"unknown stays", 20e6, Unknown, 19e6, 0, 20e6},
		{"hurt halves", 20e6, Hurt, 19e6, 0, 10e6},
		{"never below the least", 1.5e6, Hurt, 0, 0, 1e6},
		{"never below what the moves need", 20e6, Hurt, 19e6, 12e6, 18e6},
		{"never over the most", 99.5e6, Well, 99e6, 0, 100e6},
		{"not even for what the moves need", 20e6, Unknown, 0, 90e6, 100e6},
	} {
		if got := p.nextRate(c.rate, c.health, c.used, c.incoming); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if !p.carries(66e6) || p.carries(67e6) {
		t.Error("a maximum of 100 MB/s carries up to 66.7 MB/s of produced data")
	}
}

func TestListsNameExistingReplicasAsLeadersAndTheAddedOneAsFollower(t *testing.T) {
	got := map[Entry]bool{}
	for _, e := range wantEntries(TP{"t", 4}, []int{3, 1, 2, 0}, 3) {
		got[e] = true
	}
	for _, want := range []Entry{{"t", FollowerSide, 4, 3}, {"t", LeaderSide, 4, 1}, {"t", LeaderSide, 4, 2}, {"t", LeaderSide, 4, 0}} {
		if !got[want] {
			t.Errorf("%v is missing", want)
		}
	}
	if len(got) != 4 {
		t.Errorf("entries %v", got)
	}
}

func TestOnlyWhatIsOwnedAndThereIsRemoved(t *testing.T) {
	mine, theirs, gone := Entry{"t", LeaderSide, 0, 1}, Entry{"t", LeaderSide, 0, 2}, Entry{"t", LeaderSide, 0, 3}
	now := Throttles{
		Rates:   map[RateOn]cluster.BytesPerSecond{{1, LeaderSide}: 5, {2, LeaderSide}: 5},
		Entries: map[Entry]bool{mine: true, theirs: true},
		Unread:  map[int]bool{7: true},
	}
	owned := ownership{Rates: []RateOn{{1, LeaderSide}, {3, LeaderSide}, {7, LeaderSide}}, Entries: []Entry{mine, gone}}
	c, keep := lower(now, owned, nil, nil)
	if len(c.Unset) != 2 || c.Unset[0] != (RateOn{1, LeaderSide}) || c.Unset[1] != (RateOn{7, LeaderSide}) {
		t.Errorf("unset %v", c.Unset)
	}
	if len(c.Subtract) != 1 || c.Subtract[0] != mine || !keep.empty() {
		t.Errorf("subtract %v, keep %v", c.Subtract, keep)
	}
}

func TestThrottleThatWasNeverReadBackHasNotVanished(t *testing.T) {
	r := RateOn{1, LeaderSide}
	set := Throttles{Rates: map[RateOn]cluster.BytesPerSecond{r: 5}}
	absent := Throttles{}
	if rates, _ := vanished(confirm(set, Throttles{}, absent), absent); len(rates) != 0 {
		t.Error("a throttle that the broker does not know yet has vanished")
	}
	confirmed := confirm(set, Throttles{}, Throttles{Rates: map[RateOn]cluster.BytesPerSecond{r: 5}})
	for _, now := range []Throttles{absent, {Rates: map[RateOn]cluster.BytesPerSecond{r: 6}}} {
		if rates, _ := vanished(confirm(set, confirmed, now), now); len(rates) != 1 {
			t.Errorf("with %v now, nothing has vanished", now.Rates)
		}
	}
	if rates, _ := vanished(confirmed, Throttles{Unread: map[int]bool{1: true}}); len(rates) != 0 {
		t.Error("the throttle of a silent broker has vanished")
	}
}

func TestEndIsForecastAlongTheBusiestBroker(t *testing.T) {
	begin := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	e := eta{begin: begin, first: 1000}
	for _, c := range []struct {
		name    string
		after   time.Duration
		busiest cluster.Bytes
		held    time.Duration
		want    time.Duration
		known   bool
	}{
		{"nothing moved yet", 10 * time.Second, 1000, 0, 0, false},
		{"a tenth", 10 * time.Second, 900, 0, 90 * time.Second, true},
		{"time spent holding does not count", 20 * time.Second, 900, 10 * time.Second, 90 * time.Second, true},
		{"done", 100 * time.Second, 0, 0, 0, true},
		{"the queue grew", 10 * time.Second, 1100, 0, 0, false},
	} {
		got, ok := e.estimate(begin.Add(c.after), c.busiest, c.held)
		if got.Round(time.Millisecond) != c.want || ok != c.known {
			t.Errorf("%s: %v %v, want %v %v", c.name, got, ok, c.want, c.known)
		}
	}
}
