package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// The days that businesses count by and that plain cron cannot name, as Quartz
// writes them: L is the last day of the month and LW its last weekday, in the
// field of days; 5L is the last Friday and 1#2 the second Monday, in the field
// of weekdays. 7 is Sunday there, as 0 is.

// filtered fires when plain fires, on days that count.
type filtered struct {
	plain  cron.Schedule
	counts func(time.Time) bool
}

// longestWait is how many days are passed over for one that counts: every fifth
// Monday of a February falls in a leap year, and cron itself looks five years ahead.
const longestWait = 5 * 366

// Next is the first firing after t on a day that counts; zero when there is none.
func (f filtered) Next(t time.Time) time.Time {
	for range longestWait {
		t = f.plain.Next(t)
		if t.IsZero() || f.counts(t) {
			return t
		}
		// No other firing of this day counts either.
		t = time.Date(t.Year(), t.Month(), t.Day(), 23, 59, 59, 0, t.Location())
	}
	return time.Time{}
}

// parseDays reads cron fields whose days may be written as above.
func parseDays(spec string) (cron.Schedule, error) {
	fields := strings.Fields(spec)
	if len(fields) != 5 {
		return cron.ParseStandard("CRON_TZ=UTC " + spec)
	}
	var counts func(time.Time) bool
	day, weekday := &fields[2], &fields[4]
	switch *day {
	case "L":
		counts = func(t time.Time) bool { return t.Day() == lastDay(t) }
	case "LW":
		counts = func(t time.Time) bool { return t.Day() == lastWeekday(t) }
	}
	if counts != nil {
		if *weekday != "*" && *weekday != "?" {
			return nil, fmt.Errorf("%s names the day, so its weekdays must be *", *day)
		}
		*day = "*"
	} else if nth, err := nthWeekday(*weekday); err != nil {
		return nil, err
	} else if nth != nil {
		if *day != "*" && *day != "?" {
			return nil, fmt.Errorf("%s names the day, so its days must be *", *weekday)
		}
		counts, *weekday = nth, "*"
	}
	*weekday = sundays(*weekday)
	plain, err := cron.ParseStandard("CRON_TZ=UTC " + strings.Join(fields, " "))
	if err != nil || counts == nil {
		return plain, err
	}
	return filtered{plain, counts}, nil
}

func lastDay(t time.Time) int { return time.Date(t.Year(), t.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day() }

// lastWeekday is the last day from Monday to Friday; holidays are not known here.
func lastWeekday(t time.Time) int {
	last := lastDay(t)
	switch time.Date(t.Year(), t.Month(), last, 0, 0, 0, 0, time.UTC).Weekday() {
	case time.Saturday:
		return last - 1
	case time.Sunday:
		return last - 2
	}
	return last
}

var weekdayNames = []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}

// nthWeekday reads 1#2, MON#2 and 5L; nil for what is neither.
func nthWeekday(field string) (func(time.Time) bool, error) {
	name, nth, sharp := strings.Cut(field, "#")
	last := !sharp && len(field) > 1 && strings.HasSuffix(field, "L")
	if last {
		name = strings.TrimSuffix(field, "L")
	}
	if !sharp && !last {
		return nil, nil
	}
	d := slices.Index(weekdayNames, strings.ToUpper(name))
	if n, err := strconv.Atoi(name); err == nil && n >= 0 && n <= 7 {
		d = n % 7
	}
	if d < 0 {
		return nil, fmt.Errorf("%q is no weekday; write 0 to 7 or SUN to SAT", name)
	}
	if last {
		return func(t time.Time) bool { return int(t.Weekday()) == d && t.Day()+7 > lastDay(t) }, nil
	}
	n, err := strconv.Atoi(nth)
	if err != nil || n < 1 || n > 5 {
		return nil, fmt.Errorf("%q is not which of the month's weekdays; write #1 to #5", nth)
	}
	return func(t time.Time) bool { return int(t.Weekday()) == d && (t.Day()-1)/7+1 == n }, nil
}

// sundays writes weekday 7 as the library knows it.
func sundays(field string) string {
	var out []string
	for part := range strings.SplitSeq(field, ",") {
		from, to, ok := strings.Cut(part, "-")
		switch {
		case part == "7":
			part = "0"
		case ok && to == "7" && from == "7":
			part = "0"
		case ok && to == "7" && from == "0":
			part = "*"
		case ok && to == "7":
			part = from + "-6,0"
		}
		out = append(out, part)
	}
	return strings.Join(out, ",")
}
