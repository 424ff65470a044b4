package policy

import (
	"slices"
	"testing"
	"time"
)

func TestDaysThatBusinessesCountByAreFound(t *testing.T) {
	for expr, want := range map[string][]string{
		"0 6 L * *":       {"2026-01-31", "2026-02-28", "2026-03-31"},
		"0 6 LW * *":      {"2026-01-30", "2026-02-27", "2026-03-31", "2026-04-30", "2026-05-29"},
		"0 6 * * 5L":      {"2026-01-30", "2026-02-27"},
		"0 6 * * 1#2":     {"2026-01-12", "2026-02-09"},
		"0 6 * * MON#5":   {"2026-03-30", "2026-06-29"},
		"0 6 * * 7":       {"2026-01-04", "2026-01-11"},
		"0 6 * * 6-7":     {"2026-01-03", "2026-01-04", "2026-01-10"},
		"0 6 * * 0-7":     {"2026-01-01", "2026-01-02", "2026-01-03"},
		"0 6 * * 7#1":     {"2026-01-04", "2026-02-01"},
		"0 6 1,15 * *":    {"2026-01-01", "2026-01-15"},
		"0 6,18 L 2 *":    {"2026-02-28", "2026-02-28", "2027-02-28"},
		"0 6 28-31 * 1-5": {"2026-01-01", "2026-01-02"}, // cron's own rule: either of the two
	} {
		s, err := ParseSchedule(expr, "Europe/Berlin")
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		at := time.Date(2025, 12, 31, 23, 0, 0, 0, time.UTC)
		var got []string
		for range want {
			at = s.Next(at)
			got = append(got, at.In(s.zone).Format(time.DateOnly))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s fires on %v, want %v", expr, got, want)
		}
	}
}

func TestDaysThatCannotBeAreRefused(t *testing.T) {
	for _, expr := range []string{"0 6 L * 1", "0 6 1 * 1#2", "0 6 * * 1#6", "0 6 * * 8L", "0 6 * * X#1", "0 6 * * 8", "0 6 LW,1 * *", "0 6 31L * *"} {
		if _, err := ParseSchedule(expr, ""); err == nil {
			t.Errorf("%q is taken", expr)
		}
	}
}
