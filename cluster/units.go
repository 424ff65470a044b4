package cluster

import (
	"fmt"
	"math"
)

// Bytes is an amount of data, in bytes.
type Bytes float64

// BytesPerSecond is a rate of data, in bytes per second.
type BytesPerSecond float64

// MessagesPerSecond is a rate of records.
type MessagesPerSecond float64

// Cores is CPU time per wall time: 1 is one core kept busy.
type Cores float64

// Ratio is a share of one, such as a utilisation of 0.6.
type Ratio float64

// String prints the amount with a decimal unit, as disks and networks are sold.
func (b Bytes) String() string { return siUnit(float64(b), "B") }

// String prints the rate with a decimal unit.
func (r BytesPerSecond) String() string { return siUnit(float64(r), "B/s") }

// String prints the ratio in percent.
func (r Ratio) String() string { return fmt.Sprintf("%.1f %%", 100*float64(r)) }

func siUnit(v float64, unit string) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return fmt.Sprintf("%v %s", v, unit)
	}
	prefixes := []string{"", "k", "M", "G", "T", "P", "E"}
	i := 0
	for math.Abs(v) >= 999.95 && i < len(prefixes)-1 {
		v /= 1000
		i++
	}
	if i == 0 {
		return fmt.Sprintf("%.0f %s", v, unit)
	}
	return fmt.Sprintf("%.1f %s%s", v, prefixes[i], unit)
}
