package policy

import (
	"testing"
	"time"
)

func at(t *testing.T, s string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestSchedulesThatCannotWorkAreRefused(t *testing.T) {
	for _, expr := range []string{
		"", "TZ=UTC", "CRON_TZ=Europe/Berlin", "CRON_TZ= 0 1 * * *", "0 0 30 2 *", "0 0 31 4,6,9,11 *",
		"@every 5m", "@reboot", "* * * *", "0 25 * * *", "CRON_TZ=Mars/Base 0 1 * * *", "TZ=Local 0 1 * * *", "0 0 0 0 0",
	} {
		if s, err := ParseSchedule(expr, ""); err == nil {
			t.Errorf("%q was accepted; next firing %s", expr, s.Next(time.Now()))
		}
	}
	if _, err := ParseSchedule("CRON_TZ=UTC 0 1 * * *", "Europe/Berlin"); err == nil {
		t.Error("two time zones were accepted")
	}
	if _, err := ParseSchedule("0 0 29 2 *", ""); err != nil {
		t.Errorf("29 February comes, if rarely: %v", err)
	}
}

// The library by itself skips 02:30 on the spring change and fires it twice on
// the autumn one; here it fires once on each.
func TestEachWallClockTimeFiresOnceThroughDaylightSaving(t *testing.T) {
	tests := map[string]struct {
		expr, zone, from, to string
		want                 []string
	}{
		"spring gap": {"30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z",
			[]string{"2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"}}, // 03:00 CEST is the first instant after the gap
		"autumn repeat": {"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z",
			[]string{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
		"after the gap": {"0 3 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-29T12:00:00Z",
			[]string{"2026-03-29T01:00:00Z"}},
		"new york spring": {"15 2 * * *", "America/New_York", "2026-03-08T00:00:00Z", "2026-03-09T12:00:00Z",
			[]string{"2026-03-08T07:00:00Z", "2026-03-09T06:15:00Z"}},
		"half an hour": {"15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", "2026-10-04T12:00:00Z",
			[]string{"2026-10-03T15:30:00Z"}}, // 02:00–02:30 does not exist on the 4th
		"no change": {"0 1 * * *", "", "2026-03-28T12:00:00Z", "2026-03-30T00:00:00Z", []string{"2026-03-29T01:00:00Z"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s, err := ParseSchedule(tc.expr, tc.zone)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for x := s.Next(at(t, tc.from)); !x.After(at(t, tc.to)); x = s.Next(x) {
				got = append(got, x.UTC().Format(time.RFC3339))
			}
			if len(got) != len(tc.want) {
				t.Fatalf("fired %v, want %v", got, tc.want)
			}
			for i := range got {
				if got[i] != tc.want[i] {
					t.Errorf("fired %v, want %v", got, tc.want)
				}
			}
		})
	}
}

func TestNextIsAlwaysLater(t *testing.T) {
	for _, zone := range []string{"", "Europe/Berlin", "America/Sao_Paulo", "Pacific/Apia"} {
		s, err := ParseSchedule("*/20 0-3 * * *", zone)
		if err != nil {
			t.Fatal(err)
		}
		x := at(t, "2011-12-01T00:00:00Z") // Apia left out a whole day that month
		for range 3000 {
			n := s.Next(x)
			if !n.After(x) {
				t.Fatalf("%s: the firing after %s is %s", zone, x, n)
			}
			x = n
		}
	}
}

func TestWindowIsOpenFromItsFiringForItsDuration(t *testing.T) {
	w := CompileWindows([]Window{{Schedule: "0 1 * * *", Duration: Duration(4 * time.Hour)}})
	for s, want := range map[string]bool{
		"2026-05-01T00:59:59Z": false, "2026-05-01T01:00:00Z": true, "2026-05-01T04:59:59Z": true, "2026-05-01T05:00:00Z": false,
	} {
		if got, err := w.OpenAt(at(t, s)); err != nil || got != want {
			t.Errorf("at %s: open is %v (%v), want %v", s, got, err, want)
		}
	}
	if got := w.NextOpen(at(t, "2026-05-01T02:00:00Z")); !got.Equal(at(t, "2026-05-02T01:00:00Z")) {
		t.Errorf("opens next at %s", got)
	}
}

func TestWindowThatCannotBeReadFailsClosed(t *testing.T) {
	w := CompileWindows([]Window{
		{Schedule: "* * * * *", Duration: Duration(time.Hour)},
		{Schedule: "TZ=UTC", Duration: Duration(time.Hour)},
	})
	if open, err := w.OpenAt(at(t, "2026-05-01T01:00:00Z")); open || err == nil {
		t.Errorf("open is %v, error %v", open, err)
	}
	if w.None() {
		t.Error("windows that cannot be read are not the same as none")
	}
	if open, _ := CompileWindows([]Window{{Schedule: "* * * * *"}}).OpenAt(at(t, "2026-05-01T01:00:00Z")); open {
		t.Error("a window without a duration is open")
	}
}

func FuzzParseSchedule(f *testing.F) {
	for _, s := range []string{"0 1 * * *", "TZ=UTC", "CRON_TZ=Europe/Berlin 30 2 * * *", "@daily", "0 0 30 2 *", "@every 1s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, expr string) {
		s, err := ParseSchedule(expr, "")
		if err != nil {
			return
		}
		now := time.Date(2026, 3, 29, 0, 59, 0, 0, time.UTC)
		for range 5 {
			next := s.Next(now)
			if next.IsZero() || !next.After(now) {
				t.Fatalf("%q: the firing after %s is %s", expr, now, next)
			}
			now = next
		}
	})
}
