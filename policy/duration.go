package policy

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Duration is a time span written as 90s, 30m, 6h, 28d or 2w, or several of
// them in a row (1d12h). A day is 24 hours.
type Duration time.Duration

// D is the standard library's form.
func (d Duration) D() time.Duration { return time.Duration(d) }

var durationParts = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d|w)`)

var durationUnits = map[string]time.Duration{
	"ms": time.Millisecond, "s": time.Second, "m": time.Minute,
	"h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour,
}

// ParseDuration reads the written form; it refuses negative spans and spans
// beyond 100 years.
func ParseDuration(s string) (Duration, error) {
	rest, total := strings.TrimSpace(s), time.Duration(0)
	if rest == "0" {
		return 0, nil
	}
	if rest == "" {
		return 0, errors.New("duration is empty; write one like 30m, 6h or 28d")
	}
	const most = 100 * 366 * 24 * time.Hour
	for rest != "" {
		m := durationParts.FindStringSubmatch(rest)
		if m == nil {
			return 0, fmt.Errorf("%q is not a duration; write one like 30m, 6h or 28d", s)
		}
		n, err := strconv.ParseFloat(m[1], 64)
		if err != nil || n*float64(durationUnits[m[2]])+float64(total) > float64(most) {
			return 0, fmt.Errorf("%q is longer than 100 years", s)
		}
		total += time.Duration(n * float64(durationUnits[m[2]]))
		rest = rest[len(m[0]):]
	}
	return Duration(total), nil
}

// String prints the span in the largest units that divide it.
func (d Duration) String() string {
	t := time.Duration(d)
	if t == 0 {
		return "0s"
	}
	var b strings.Builder
	for _, u := range []string{"d", "h", "m", "s", "ms"} {
		if n := t / durationUnits[u]; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u)
			t -= n * durationUnits[u]
		}
	}
	if b.Len() == 0 {
		return time.Duration(d).String()
	}
	return b.String()
}

// MarshalText writes the form that ParseDuration reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads the written form.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := ParseDuration(string(text))
	if err != nil {
		return err
	}
	*d = v
	return nil
}
