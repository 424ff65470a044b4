package forecast

import "time"

// seasons are season lengths in steps, 0 where there is none: day is the
// shorter one (usually a day, but a test cluster's day may be ten minutes),
// week the longer.
type seasons struct{ day, week int }

// calendarSeasons are the day and the week, as far as n samples show two of them.
func calendarSeasons(step time.Duration, n int) seasons {
	var s seasons
	d := int((24*time.Hour + step/2) / step)
	if d >= 4 && n >= 2*d {
		s.day = d
	}
	if s.day > 0 && n >= 2*7*d {
		s.week = 7 * d
	}
	return s
}
