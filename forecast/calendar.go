package forecast

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/rickar/cal/v2"
	"github.com/rickar/cal/v2/at"
	"github.com/rickar/cal/v2/au"
	"github.com/rickar/cal/v2/be"
	"github.com/rickar/cal/v2/br"
	"github.com/rickar/cal/v2/ca"
	"github.com/rickar/cal/v2/ch"
	"github.com/rickar/cal/v2/cz"
	"github.com/rickar/cal/v2/de"
	"github.com/rickar/cal/v2/dk"
	"github.com/rickar/cal/v2/es"
	"github.com/rickar/cal/v2/fr"
	"github.com/rickar/cal/v2/gb"
	"github.com/rickar/cal/v2/ie"
	"github.com/rickar/cal/v2/it"
	"github.com/rickar/cal/v2/jp"
	"github.com/rickar/cal/v2/nl"
	"github.com/rickar/cal/v2/no"
	"github.com/rickar/cal/v2/nz"
	"github.com/rickar/cal/v2/pl"
	"github.com/rickar/cal/v2/se"
	"github.com/rickar/cal/v2/us"
)

// countries are the public holidays known, by ISO 3166 code.
var countries = map[string][]*cal.Holiday{
	"AT": at.Holidays, "AU": au.HolidaysNSW, "BE": be.Holidays, "BR": br.Holidays, "CA": ca.Holidays,
	"CH": ch.Holidays, "CZ": cz.Holidays, "DE": de.Holidays, "DK": dk.Holidays, "ES": es.Holidays,
	"FR": fr.Holidays, "GB": gb.Holidays, "IE": ie.Holidays, "IT": it.Holidays, "JP": jp.Holidays,
	"NL": nl.Holidays, "NO": no.Holidays, "NZ": nz.Holidays, "PL": pl.Holidays, "SE": se.Holidays,
	"US": us.Holidays,
}

// Countries lists the countries whose public holidays are known.
func Countries() []string {
	var out []string
	for c := range countries {
		out = append(out, c)
	}
	sort.Strings(out)
	return out
}

// Schedule says when something happens next after t; the zero time for never.
type Schedule interface{ Next(t time.Time) time.Time }

// Event is something that changes the load for a while.
type Event struct {
	Name     string
	Schedule Schedule      // when it begins, again and again; or
	Starts   []time.Time   // when it begins, once each
	Duration time.Duration // how long it lasts
	// Uplift is what the load is multiplied by, as far as nobody has seen the
	// event yet: 1.6 for +60 %. Zero stands for 1. Once the event has been seen,
	// what was seen counts more with every time.
	Uplift float64
}

// Calendar holds what is known about the future besides the past. The zero
// value knows nothing.
type Calendar struct {
	Holidays []string       // countries
	Zone     *time.Location // where a holiday begins at midnight; nil stands for UTC
	Events   []Event
}

// Check reports every mistake in the calendar.
func (c *Calendar) Check() error {
	var errs []error
	for i, h := range c.Holidays {
		if countries[strings.ToUpper(h)] == nil {
			errs = append(errs, fmt.Errorf("holidays[%d]: country %q is not known, want one of %s", i, h, strings.Join(Countries(), ", ")))
		}
	}
	for i, e := range c.Events {
		at := fmt.Sprintf("events[%d]", i)
		if e.Name == "" {
			errs = append(errs, fmt.Errorf("%s.name: is missing", at))
		}
		if (e.Schedule == nil) == (len(e.Starts) == 0) {
			errs = append(errs, fmt.Errorf("%s: wants either a schedule or dates", at))
		}
		if e.Duration <= 0 || e.Duration > 31*day {
			errs = append(errs, fmt.Errorf("%s.duration: is %v, want more than zero and at most 31 days", at, e.Duration))
		}
		if e.Uplift < 0 || e.Uplift > 1000 || e.Uplift != e.Uplift {
			errs = append(errs, fmt.Errorf("%s.uplift: is %v, want a factor such as 1.6", at, e.Uplift))
		}
	}
	return errors.Join(errs...)
}

// occasion is an event that is on at some instant. Holidays come as occasions
// too, each name its own, and all of one kind.
type occasion struct {
	id      int // index into the names
	holiday bool
	phase   float64 // how much of it has passed, in [0, 1)
}

// occasions answers what is on at an instant. It gives ids to names as they
// come up.
type occasions struct {
	zone   *time.Location
	cal    *cal.BusinessCalendar
	events []Event
	ids    map[string]int
	names  []string
	uplift []float64
}

func newOccasions(c *Calendar) *occasions {
	if c == nil || len(c.Holidays) == 0 && len(c.Events) == 0 {
		return nil
	}
	o := &occasions{zone: c.Zone, events: c.Events, ids: map[string]int{}}
	if o.zone == nil {
		o.zone = time.UTC
	}
	if len(c.Holidays) > 0 {
		o.cal = cal.NewBusinessCalendar()
		o.cal.Cacheable = true
		for _, h := range c.Holidays {
			o.cal.AddHoliday(countries[strings.ToUpper(h)]...)
		}
	}
	return o
}

func (o *occasions) id(name string, uplift float64) int {
	id, ok := o.ids[name]
	if !ok {
		id = len(o.names)
		o.ids[name] = id
		o.names = append(o.names, name)
		if uplift == 0 {
			uplift = 1
		}
		o.uplift = append(o.uplift, uplift)
	}
	return id
}

// at lists what is on at t. A scheduled event is on when it began within its
// duration before t.
func (o *occasions) at(t time.Time) []occasion {
	var out []occasion
	for _, e := range o.events {
		if start, on := e.began(t); on {
			out = append(out, occasion{id: o.id(e.Name, e.Uplift), phase: float64(t.Sub(start)) / float64(e.Duration)})
		}
	}
	if o.cal != nil {
		l := t.In(o.zone)
		if actual, observed, h := o.cal.IsHoliday(l); actual || observed {
			passed := time.Duration(l.Hour())*time.Hour + time.Duration(l.Minute())*time.Minute + time.Duration(l.Second())*time.Second
			out = append(out, occasion{id: o.id("holiday: "+h.Name, 1), holiday: true, phase: float64(passed) / float64(day)})
		}
	}
	return out
}

// began is the latest beginning of the event in (t − duration, t].
func (e *Event) began(t time.Time) (start time.Time, on bool) {
	if e.Schedule == nil {
		i := slices.IndexFunc(e.Starts, func(s time.Time) bool { return !t.Before(s) && t.Before(s.Add(e.Duration)) })
		if i < 0 {
			return time.Time{}, false
		}
		return e.Starts[i], true
	}
	for at := e.Schedule.Next(t.Add(-e.Duration)); !at.IsZero() && !at.After(t); at = e.Schedule.Next(at) {
		start, on = at, true
	}
	return start, on
}
