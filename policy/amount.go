package policy

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/tidetable/tidetable/cluster"
)

var quantity = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?(?:[eE][+]?[0-9]+)?)\s*(|B|kB|KB|MB|GB|TB|KiB|MiB|GiB|TiB)$`)

var quantityUnits = map[string]float64{
	"": 1, "B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
	"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
}

// ParseBytes reads an amount of data such as 500GB, 64MiB or 5e8.
func ParseBytes(s string) (cluster.Bytes, error) {
	m := quantity.FindStringSubmatch(strings.TrimSpace(s))
	if m == nil {
		return 0, fmt.Errorf("%q is not an amount of data; write one like 500GB or 64MiB", s)
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil || v*quantityUnits[m[2]] > 1e21 {
		return 0, fmt.Errorf("%q is too large", s)
	}
	return cluster.Bytes(v * quantityUnits[m[2]]), nil
}

// ParseRate reads a rate such as 50MB/s, 1.5GB or 800000, in bytes a second.
func ParseRate(s string) (cluster.BytesPerSecond, error) {
	v, err := ParseBytes(strings.TrimSuffix(s, "/s"))
	if err != nil || v < 1 {
		return 0, fmt.Errorf("%q is not a rate; write bytes a second such as 50MB or 800kB", s)
	}
	return cluster.BytesPerSecond(v), nil
}

// ThrottleRate is the rate data may be moved at; auto leaves it to the mover.
func (r Rebalance) ThrottleRate() (rate cluster.BytesPerSecond, auto bool, err error) {
	if r.Throttle == "auto" || r.Throttle == "" {
		return 0, true, nil
	}
	if rate, err = ParseRate(r.Throttle); err != nil {
		return 0, false, fmt.Errorf("must be auto or a rate such as 50MB/s, not %q", r.Throttle)
	}
	return rate, false, nil
}

// MaxPlanBytes bounds one plan; 0 is no bound.
func (r Rebalance) MaxPlanBytes() (cluster.Bytes, error) {
	if r.MaxBytes == "" {
		return 0, nil
	}
	return ParseBytes(r.MaxBytes)
}
