package forecast

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"
)

// every fires at fixed distances from monday.
type every time.Duration

func (e every) Next(t time.Time) time.Time {
	d := time.Duration(e)
	n := t.Sub(monday) / d
	if t.Before(monday) {
		return monday
	}
	return monday.Add((n + 1) * d)
}

func TestEventNeverSeenRaisesTheForecastByItsUplift(t *testing.T) {
	s := daily(15, 5*time.Minute)
	start := s.End().Add(6 * time.Hour)
	c := &Calendar{Events: []Event{{Name: "launch", Starts: []time.Time{start}, Duration: 2 * time.Hour, Uplift: 1.6}}}
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	plain := mustForecast(t, s)
	p, err := New(Options{Events: c}).Forecast(context.Background(), s, wide)
	if err != nil {
		t.Fatal(err)
	}
	for i, pt := range p.Points {
		want := 1.0
		if !pt.Time.Before(start) && pt.Time.Before(start.Add(2*time.Hour)) {
			want = 1.6
		}
		for j := range pt.Values {
			if r := pt.Values[j] / plain.Points[i].Values[j]; math.Abs(r-want) > 1e-6 {
				t.Fatalf("%v, quantile %v: %v times the forecast without the event, want %v", pt.Time, p.Quantiles[j], r, want)
			}
		}
	}
}

func TestEventSeenBeforeIsLearned(t *testing.T) {
	// Every nine days the load doubles for three hours; nobody wrote how much.
	s := daily(37, 5*time.Minute)
	for i := range s.Values {
		if at := s.TimeAt(i).Sub(monday) % (9 * 24 * time.Hour); at < 3*time.Hour && i > 0 {
			s.Values[i] *= 2
		}
	}
	s.Values = s.Values[:36*288-12] // an hour before the fifth time
	c := &Calendar{Events: []Event{{Name: "batch", Schedule: every(9 * 24 * time.Hour), Duration: 3 * time.Hour}}}
	p, err := New(Options{Events: c}).Forecast(context.Background(), s, wide)
	if err != nil {
		t.Fatal(err)
	}
	for i := range p.Points {
		k := len(s.Values) + i
		want := 100 + 40*math.Sin(2*math.Pi*float64(k)/288)
		if on := s.TimeAt(k).Sub(monday) % (9 * 24 * time.Hour); on < 3*time.Hour {
			want *= 2
		}
		if i == 11 || i == 12 || i == 47 || i == 48 {
			continue // the edges
		}
		if m := median(p, i+1); math.Abs(m-want) > 0.2*want {
			t.Fatalf("%v: got %v, want about %v", p.Points[i].Time, m, want)
		}
	}
}

func TestHolidayIsForecastLikeASunday(t *testing.T) {
	// Weekends, and the holidays of 25 May and 19 June, halve the load. Friday
	// 3 July 2026 is Independence Day as observed.
	s := daily(40, 30*time.Minute)
	s.Start = time.Date(2026, 5, 24, 0, 0, 0, 0, time.UTC)
	for i := range s.Values {
		if d := s.TimeAt(i).Weekday(); d == time.Saturday || d == time.Sunday {
			s.Values[i] /= 2
		} else if d := s.TimeAt(i).Format("01-02"); d == "05-25" || d == "06-19" {
			s.Values[i] /= 2
		}
	}
	if got := s.End().Add(s.Step).Format("2006-01-02"); got != "2026-07-03" {
		t.Fatalf("the forecast begins on %s", got)
	}
	with, err := New(Options{Events: &Calendar{Holidays: []string{"us"}}}).Forecast(context.Background(), s, wide)
	if err != nil {
		t.Fatal(err)
	}
	plain := mustForecast(t, s)
	for i := 4; i < 48; i++ {
		if r := median(with, i) / median(plain, i); r > 0.75 {
			t.Fatalf("step %d: the holiday is %.2f of a Friday, want nearer to a Sunday's 0.5", i, r)
		}
	}
}

func TestHolidayIsNobodysYesterday(t *testing.T) {
	s := daily(28, 30*time.Minute)
	s.Start = time.Date(2026, 6, 6, 0, 0, 0, 0, time.UTC) // ends on 3 July
	for i := range s.Values {
		if s.TimeAt(i).Format("01-02") == "07-03" {
			s.Values[i] *= 0.3
		}
	}
	e := New(Options{Events: &Calendar{Holidays: []string{"US"}}})
	st := e.NewState(s.Start, s.Step)
	st.Load(s.Values)
	// 4 July is a holiday, too; look at 6 July, a Monday.
	for range 2 * 48 {
		st.Observe(math.NaN())
	}
	p, err := st.Predict(wide)
	if err != nil {
		t.Fatal(err)
	}
	for i := range p.Points {
		want := 100 + 40*math.Sin(2*math.Pi*float64(st.Len()+i)/48)
		if m := median(p, i+1); math.Abs(m-want) > 0.3*want {
			t.Fatalf("step %d: got %v, want about %v", i+1, m, want)
		}
	}
}

func TestCalendarReportsEveryMistake(t *testing.T) {
	c := &Calendar{Holidays: []string{"US", "XX"}, Events: []Event{{},
		{Name: "a", Duration: time.Hour, Schedule: every(time.Hour), Uplift: -1}}}
	err := c.Check()
	if err == nil {
		t.Fatal("mistakes were taken")
	}
	for _, want := range []string{"holidays[1]", "events[0].name", "events[0]: wants either", "events[0].duration", "events[1].uplift"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in: %v", want, err)
		}
	}
}

func TestEventIsOnFromItsStartForItsDuration(t *testing.T) {
	e := Event{Name: "x", Schedule: every(24 * time.Hour), Duration: 2 * time.Hour}
	for offset, want := range map[time.Duration]bool{0: true, time.Hour: true, 2*time.Hour - 1: true, 2 * time.Hour: false,
		23 * time.Hour: false, 24 * time.Hour: true} {
		if _, on := e.began(monday.Add(72*time.Hour + offset)); on != want {
			t.Errorf("%v after the start: on is %v, want %v", offset, on, want)
		}
	}
}
