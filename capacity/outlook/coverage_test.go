package outlook

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tidetable/tidetable/internal/shareddata"
	"github.com/tidetable/tidetable/metrics"
)

// longTraces are the shared ones of at least eight weeks.
var longTraces = []string{"bike_sharing", "nab_cpu_utilization_asg_misconfiguration", "nab_nyc_taxi", //nolint:misspell // a name of a file
	"nab_twitter_volume_aapl", "worldcup98"}

// readTrace reads a shared trace's first column.
func readTrace(t *testing.T, name string) metrics.Series {
	t.Helper()
	var s metrics.Series
	s.Start, s.Step, s.Values = shareddata.Trace(t, "data", "traces", name+".csv")
	return s
}

// score is how intervals did: how often what came lay within, and under their
// high side, and how wide they were over the load.
type score struct{ n, within, under, width, miss float64 }

func (s *score) add(r Range, came float64) {
	s.n++
	if came >= r.Low && came <= r.High {
		s.within++
	}
	if came <= r.High {
		s.under++
	}
	if came > 0 {
		s.width += (r.High - r.Low) / came
		s.miss += math.Abs(r.Mid-came) / came
	}
}

// ahead are the parts of the horizon that are told apart, in days.
var ahead = [...]int{28, 90, 365}

// judge fits the trend at origins of a long past and scores every later day,
// none of which it has seen, by how far ahead it was.
func judge(t *testing.T, s metrics.Series) (out [len(ahead)]score) {
	t.Helper()
	days, first := dailyPeaks(s)
	for o := 28; o+7 < len(days); o += max(7, len(days)/24) {
		seen := s
		seen.Values = s.Values[:int(first.AddDate(0, 0, int(days[o-1].x)+1).Sub(s.Start)/s.Step)]
		tr, err := FitTrend(seen)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range days[o:] {
			for k, most := range ahead {
				if int(d.x-days[o-1].x) <= most {
					out[k].add(tr.At(first.AddDate(0, 0, int(d.x))), d.peak)
					break
				}
			}
		}
	}
	return out
}

// What a plan says of the coming months is held against real traces: 90 % of
// the days should lie within, and 95 % under the high side. The World Cup's
// growth ended with the tournament, which no past can tell.
func TestIntervalsCoverRealTraces(t *testing.T) {
	within, n := 0.0, 0.0
	t.Log("| trace | days ahead | days judged | within | under the high side | width over the load | middle off by |")
	for _, name := range longTraces {
		for k, s := range judge(t, readTrace(t, name)) {
			if s.n < 28 {
				continue
			}
			from := 1
			if k > 0 {
				from = ahead[k-1] + 1
			}
			t.Logf("| %s | %d to %d | %.0f | %.0f %% | %.0f %% | %.1f× | %.0f %% |", name, from, ahead[k], s.n, 100*s.within/s.n, 100*s.under/s.n,
				s.width/s.n, 100*s.miss/s.n)
			within, n = within+s.within/s.n, n+1
		}
	}
	if within /= n; within < 0.75 {
		t.Errorf("%.0f %% of the days lay within the 90 %% interval, on average over the traces", 100*within)
	}
}

// seasonal is daily loads of some years that grow by perYear and swing by half
// over the year.
func seasonal(days int, perYear float64, seed uint64) metrics.Series {
	rng := rand.New(rand.NewPCG(seed, 3))
	s := metrics.Series{Start: monday, Step: 24 * time.Hour}
	for i := range days {
		x := float64(i) / 365.25
		s.Values = append(s.Values, 100e6*(1+perYear*x)*(1+0.5*math.Sin(2*math.Pi*x))*(1+0.03*rng.NormFloat64()))
	}
	return s
}

// With two years of a season the year to come is foretold with it; with less
// than two a summer would be taken for growth, so that none is assumed.
func TestYearTwoYearsAgreeOnIsForetold(t *testing.T) {
	all := seasonal(3*366, 0.2, 1)
	fitTo := func(days int) (Trend, float64) {
		seen := all
		seen.Values = all.Values[:days]
		tr, err := FitTrend(seen)
		if err != nil {
			t.Fatal(err)
		}
		off, n := 0.0, 0.0
		for i := days; i < min(days+300, len(all.Values)); i++ {
			off, n = off+math.Abs(tr.At(all.TimeAt(i)).Mid-all.Values[i])/all.Values[i], n+1
		}
		return tr, off / n
	}
	two, off := fitTo(750)
	if two.Yearly == nil || off > 0.08 {
		t.Errorf("two years: the next 300 days are missed by %.0f %%, season %v", 100*off, two.Yearly != nil)
	}
	if growth := two.Slope * 365.25 / 100e6; math.Abs(growth-0.2) > 0.05 {
		t.Errorf("the load grows by %.2f of its first level a year, want 0.2: the season bends the slope", growth)
	}
	if one, _ := fitTo(600); one.Yearly != nil {
		t.Error("a season of the year was found in less than two years")
	}
}

// A year that two years do not agree on is none.
func TestNoiseHasNoYear(t *testing.T) {
	s := grown(2*366, 100e6, 0, 0.05, 5)
	tr, err := FitTrend(s)
	if err != nil {
		t.Fatal(err)
	}
	for k, f := range tr.Yearly {
		if f < 0.97 || f > 1.03 {
			t.Errorf("week %d has factor %.3f", k, f)
		}
	}
}

// Growth in spurts, each of which ends, is not carried on in full.
func TestGrowthThatUsedToEndIsNotCarriedOn(t *testing.T) {
	s := metrics.Series{Start: monday, Step: 24 * time.Hour}
	level := 100e6
	for i := range 240 {
		if i/30%2 == 0 { // a month of growth, a month of fall
			level *= 1.01
		} else {
			level /= 1.01
		}
		s.Values = append(s.Values, level)
	}
	tr, err := FitTrend(s)
	if err != nil || tr.Carried == 1 || len(tr.Widened) == 0 {
		t.Errorf("%.1f of the slope is carried on, %d widenings, %v", tr.Carried, len(tr.Widened), err)
	}
}
