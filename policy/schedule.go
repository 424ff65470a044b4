package policy

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Schedule fires at wall-clock times of one time zone. Each wall-clock time
// fires exactly once: one that the spring change skips fires at the first
// instant after the gap, one that the autumn change repeats fires the first
// time only. (The cron library itself skips the first and repeats the second.)
type Schedule struct {
	expr string
	zone *time.Location
	cron cron.Schedule // evaluated on wall-clock time, written as if it were UTC
}

// reference is where a schedule is tried out when it is parsed. Any instant
// does: the library looks five years ahead, which holds every 29 February.
var reference = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// ParseSchedule reads a five-field cron expression, with L, LW, 5L and 1#2 for
// days (schedule_days.go), or a descriptor such as
// @daily, optionally with CRON_TZ=Zone before it; without one, and with an
// empty zone, the zone is UTC. It refuses what can never fire, and @every,
// which has no fixed instants.
func ParseSchedule(expr, zone string) (s Schedule, err error) {
	// The library panics on some inputs, such as "TZ=UTC" with nothing after it.
	defer func() {
		if r := recover(); r != nil {
			s, err = Schedule{}, fmt.Errorf("schedule %q cannot be read", expr)
		}
	}()
	spec := strings.TrimSpace(expr)
	for _, prefix := range []string{"CRON_TZ=", "TZ="} {
		if !strings.HasPrefix(spec, prefix) {
			continue
		}
		if zone != "" {
			return Schedule{}, fmt.Errorf("schedule %q names a time zone, and so does its timeZone; give one", expr)
		}
		name, rest, ok := strings.Cut(strings.TrimPrefix(spec, prefix), " ")
		if !ok || name == "" {
			return Schedule{}, fmt.Errorf("schedule %q has a time zone but no times; write CRON_TZ=Europe/Berlin 0 1 * * *", expr)
		}
		zone, spec = name, strings.TrimSpace(rest)
		break
	}
	if spec == "" {
		return Schedule{}, errors.New("schedule is empty; write five cron fields, such as 0 1 * * *")
	}
	if strings.HasPrefix(spec, "@every") {
		return Schedule{}, fmt.Errorf("schedule %q has no fixed instants; write cron fields, such as */10 * * * *", expr)
	}
	if zone == "" {
		zone = "UTC"
	}
	if zone == "Local" {
		return Schedule{}, errors.New("time zone Local depends on the machine; name one, such as Europe/Berlin")
	}
	loc, err := time.LoadLocation(zone)
	if err != nil {
		return Schedule{}, fmt.Errorf("time zone %q is not known", zone)
	}
	c, err := parseDays(spec)
	if err != nil {
		return Schedule{}, fmt.Errorf("schedule %q cannot be read: %w", expr, err)
	}
	if c.Next(reference).IsZero() {
		return Schedule{}, fmt.Errorf("schedule %q never fires", expr)
	}
	return Schedule{expr: expr, zone: loc, cron: c}, nil
}

// String is the expression as it was written.
func (s Schedule) String() string { return s.expr }

// Next is the first firing after t; the zero time if there is none, which for
// a schedule that was parsed does not happen within a lifetime.
func (s Schedule) Next(t time.Time) time.Time {
	if s.cron == nil {
		return time.Time{}
	}
	// Daylight saving moves the clock by at most two hours, so looking from three
	// hours before cannot miss a firing; those at or before t are passed over.
	wall := asUTC(t.In(s.zone))
	for w := wall.Add(-3 * time.Hour); ; {
		w = s.cron.Next(w)
		if w.IsZero() {
			return time.Time{}
		}
		if at := instant(w, s.zone); at.After(t) {
			return at
		}
	}
}

// asUTC is the wall-clock reading of t, written as if it were UTC.
func asUTC(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// instant is when the wall clock of zone first shows w, or, if it never does,
// the first instant after the gap that swallowed it.
func instant(w time.Time, zone *time.Location) time.Time {
	if zone == time.UTC {
		return w
	}
	_, before := w.Add(-24 * time.Hour).In(zone).Zone()
	_, after := w.Add(24 * time.Hour).In(zone).Zone()
	early := w.Add(-time.Duration(max(before, after)) * time.Second).In(zone)
	late := w.Add(-time.Duration(min(before, after)) * time.Second).In(zone)
	switch {
	case asUTC(early).Equal(w):
		return early
	case asUTC(late).Equal(w):
		return late
	}
	start, _ := late.ZoneBounds()
	return start
}

// Windows are compiled windows. The zero value has none, and OpenAt then says
// so: whether "no windows" means always or never is the caller's rule.
type Windows struct {
	list []openWindow
	err  error
}

type openWindow struct {
	schedule Schedule
	duration time.Duration
}

// CompileWindows reads windows once, for many questions. One that cannot be
// read fails closed: it, and with it the whole set, is never open.
func CompileWindows(ws []Window) Windows {
	var out Windows
	for i, w := range ws {
		s, err := ParseSchedule(w.Schedule, w.TimeZone)
		if err == nil && w.Duration <= 0 {
			err = errors.New("duration is missing")
		}
		if err != nil {
			out.err = errors.Join(out.err, fmt.Errorf("window %d: %w", i, err))
			continue
		}
		out.list = append(out.list, openWindow{s, w.Duration.D()})
	}
	return out
}

// None tells whether no windows were given at all.
func (w Windows) None() bool { return len(w.list) == 0 && w.err == nil }

// OpenAt tells whether any window is open: one is, when it last fired less
// than its duration ago. The error is set when a window could not be read.
func (w Windows) OpenAt(now time.Time) (bool, error) {
	if w.err != nil {
		return false, w.err
	}
	for _, o := range w.list {
		// Next is strictly after, so that a window closes exactly at its end.
		if at := o.schedule.Next(now.Add(-o.duration)); !at.IsZero() && !at.After(now) {
			return true, nil
		}
	}
	return false, nil
}

// NextOpen is when the next window opens; the zero time if none does.
func (w Windows) NextOpen(now time.Time) time.Time {
	var next time.Time
	if w.err != nil {
		return next
	}
	for _, o := range w.list {
		if at := o.schedule.Next(now); next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return next
}

// Closed says why a window is closed at a time, naming it; "" when it is open,
// or when there is none. One that cannot be read is closed.
func (w Windows) Closed(name string, now time.Time) string {
	if w.None() {
		return ""
	}
	open, err := w.OpenAt(now)
	switch {
	case err != nil:
		return fmt.Sprintf("%s cannot be read, so it counts as closed: %v", name, err)
	case !open:
		return fmt.Sprintf("%s opens at %s", name, w.NextOpen(now).UTC().Format("2006-01-02 15:04 MST"))
	}
	return ""
}
