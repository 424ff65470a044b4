package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tidetable/tidetable/forecast"
	"github.com/tidetable/tidetable/internal/files"
	"github.com/tidetable/tidetable/internal/strictyaml"
	"github.com/tidetable/tidetable/policy"
)

// eventsFile is the form of --events; docs/formats/events.md describes it.
type eventsFile struct {
	TimeZone string       `yaml:"timeZone"`
	Holidays []string     `yaml:"holidays"`
	Events   []eventEntry `yaml:"events"`
}

type eventEntry struct {
	Name     string   `yaml:"name"`
	Schedule string   `yaml:"schedule"`
	Dates    []string `yaml:"dates"`
	Duration string   `yaml:"duration"`
	Uplift   float64  `yaml:"uplift"`
}

// maxEventsBytes bounds an events file: it is written by hand.
const maxEventsBytes = 4 << 20

// readEvents reads a calendar and reports every mistake in it at once.
func readEvents(path string, stdin io.Reader) (*forecast.Calendar, error) {
	r, err := files.Open(path, stdin, maxEventsBytes)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	var f eventsFile
	_, problems := strictyaml.Decode(data, &f)
	var wrong []string
	for _, p := range problems {
		wrong = append(wrong, p.String())
	}
	if len(wrong) == 0 {
		var c *forecast.Calendar
		if c, wrong = f.calendar(); len(wrong) == 0 {
			if err := c.Check(); err == nil {
				return c, nil
			} else {
				wrong = strings.Split(err.Error(), "\n")
			}
		}
	}
	return nil, fmt.Errorf("%s: %s", path, strings.Join(wrong, "; "))
}

func (f *eventsFile) calendar() (*forecast.Calendar, []string) {
	var wrong []string
	c := &forecast.Calendar{Holidays: f.Holidays, Zone: time.UTC}
	if f.TimeZone != "" {
		zone, err := time.LoadLocation(f.TimeZone)
		if err != nil || f.TimeZone == "Local" {
			return nil, []string{fmt.Sprintf("timeZone: %q is not known, want one such as Europe/Berlin", f.TimeZone)}
		}
		c.Zone = zone
	}
	for i, e := range f.Events {
		at := fmt.Sprintf("events[%d]", i)
		out := forecast.Event{Name: e.Name, Uplift: e.Uplift}
		if e.Schedule != "" {
			zone := f.TimeZone
			if strings.HasPrefix(e.Schedule, "CRON_TZ=") || strings.HasPrefix(e.Schedule, "TZ=") {
				zone = ""
			}
			s, err := policy.ParseSchedule(e.Schedule, zone)
			if err != nil {
				wrong = append(wrong, at+".schedule: "+err.Error())
			}
			out.Schedule = s
		}
		if e.Duration != "" {
			length, err := policy.ParseDuration(e.Duration)
			if err != nil {
				wrong = append(wrong, fmt.Sprintf("%s.duration: %q cannot be read, want one such as 6h", at, e.Duration))
			}
			out.Duration = length.D()
		}
		for k, d := range e.Dates {
			start, whole, err := parseDate(d, c.Zone)
			if err != nil {
				wrong = append(wrong, fmt.Sprintf("%s.dates[%d]: %v", at, k, err))
				continue
			}
			if whole && e.Duration == "" {
				out.Duration = 24 * time.Hour
			}
			out.Starts = append(out.Starts, start)
		}
		c.Events = append(c.Events, out)
	}
	return c, wrong
}

// parseDate reads an instant (RFC 3339) or a whole day in the zone.
func parseDate(s string, zone *time.Location) (t time.Time, whole bool, err error) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, false, nil
	}
	if t, err := time.ParseInLocation("2006-01-02", s, zone); err == nil {
		return t, true, nil
	}
	return time.Time{}, false, fmt.Errorf("%q cannot be read, want 2026-12-24 or 2026-12-24T18:00:00Z", s)
}
