package forecast

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/tidetable/tidetable/metrics"
)

// office is a load that begins at 08:00 and ends at 18:00 by the clock of a
// zone, at weekends half as high.
func office(zone *time.Location, from, to time.Time) metrics.Series {
	s := metrics.Series{Start: from, Step: 5 * time.Minute}
	for i, at := 0, from; at.Before(to); i, at = i+1, at.Add(s.Step) {
		l := at.In(zone)
		v := 20 + 5*math.Sin(2*math.Pi*float64(l.Hour()*60+l.Minute())/1440) + math.Sin(float64(i*i))
		if h := l.Hour(); h >= 8 && h < 18 {
			if v += 40; l.Weekday() != time.Saturday && l.Weekday() != time.Sunday {
				v += 40
			}
		}
		s.Values = append(s.Values, v)
	}
	return s
}

func berlin(t *testing.T) *time.Location {
	t.Helper()
	z, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// missed is the mean absolute error of a forecast made at an origin for the two
// days after it.
func missed(t *testing.T, o Options, zone *time.Location, origin time.Time) float64 {
	t.Helper()
	from := origin.AddDate(0, 0, -28)
	o.MaxAhead = 48 * time.Hour
	p, err := New(o).Forecast(context.Background(), office(zone, from, origin), Horizon{Ahead: 48 * time.Hour, Quantiles: []float64{0.5, 0.95}})
	if err != nil {
		t.Fatal(err)
	}
	came := office(zone, origin, origin.Add(49*time.Hour))
	sum := 0.0
	for _, pt := range p.Points {
		sum += math.Abs(pt.Values[0] - came.Values[int(pt.Time.Sub(origin)/came.Step)])
	}
	return sum / float64(len(p.Points))
}

// The same hours before and after the clocks change, in spring and in autumn.
var clockChanges = map[string]time.Time{
	"spring": time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC), "autumn": time.Date(2026, 10, 25, 1, 0, 0, 0, time.UTC),
}

func TestALoadIsForecastThroughAChangeOfItsClock(t *testing.T) {
	zone := berlin(t)
	for season, change := range clockChanges {
		for _, after := range []time.Duration{-13 * time.Hour, -3 * time.Hour, 20 * time.Hour, 48 * time.Hour} {
			plain := missed(t, Options{}, time.UTC, change.Add(after))
			got := missed(t, Options{Zone: zone}, zone, change.Add(after))
			if got > 1.1*plain+0.3 {
				t.Errorf("%s, %v after: misses by %.2f, a load that follows UTC by %.2f", season, after, got, plain)
			}
		}
	}
}

func TestTheClockOfALoadIsFoundFromAChangeInItsHistory(t *testing.T) {
	zone := berlin(t)
	for season, change := range clockChanges {
		for _, after := range []time.Duration{19 * time.Hour, 48 * time.Hour, 7 * 24 * time.Hour} {
			plain := missed(t, Options{}, time.UTC, change.Add(after))
			got := missed(t, Options{}, zone, change.Add(after))
			if got > 1.1*plain+0.3 {
				t.Errorf("%s, %v after: misses by %.2f, a load that follows UTC by %.2f", season, after, got, plain)
			}
		}
	}
}

func TestALoadThatFollowsUTCHasNoOtherClock(t *testing.T) {
	for season, change := range clockChanges {
		s := office(time.UTC, change.AddDate(0, 0, -20), change.AddDate(0, 0, 5))
		if z := findZone(s.Start, s.Step, s.Values); z != nil {
			t.Errorf("%s: taken for one of %s", season, z)
		}
	}
	if z := findZone(monday, 5*time.Minute, fourWeeks(1).Values); z != nil {
		t.Errorf("a load of UTC is taken for one of %s", z)
	}
}

func TestTheWallsClockAndTheTimesOfItsStepsAgree(t *testing.T) {
	for _, change := range clockChanges {
		start := change.AddDate(0, 0, -2)
		w := newWall(berlin(t), start, 15*time.Minute)
		for i := range 5 * 96 {
			at := start.Add(time.Duration(i) * w.step)
			if got := w.timeAt(w.index(i)); !got.Equal(at) && at.Sub(got).Abs() != time.Hour {
				t.Fatalf("step %d is at %v, and on the wall at %v", i, at, got)
			}
		}
	}
}
