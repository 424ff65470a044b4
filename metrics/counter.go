package metrics

import (
	"math"
	"strings"
)

const (
	// counterLeast is how many steps can show a counter, counterRises the part of
	// them on which it does not fall, and counterGrows by how many times it grows
	// where its name does not say what it is.
	counterLeast = 48
	counterRises = 0.995
	counterGrows = 20
)

// LooksLikeCounter tells whether a series is the counter itself and not its
// rate: it hardly ever falls, and it is named like one or grows many times over.
// name is what its source calls it.
func (s Series) LooksLikeCounter(name string) bool {
	last, first := math.NaN(), math.NaN()
	steps, rises, grows := 0, 0, 0
	for _, v := range s.Values {
		if math.IsNaN(v) {
			continue
		}
		if math.IsNaN(last) {
			first, last = v, v
			continue
		}
		if steps++; v >= last {
			rises++
		}
		if v > last {
			grows++
		}
		last = v
	}
	if steps < counterLeast || float64(rises) < counterRises*float64(steps) || 2*grows < steps {
		return false
	}
	return strings.HasSuffix(strings.ToLower(name), "_total") || last > counterGrows*first
}
