package capacity

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/tidetable/tidetable/internal/strictyaml"
)

// PriceFile is a list of prices as people keep it, in one currency of their
// choice; docs/formats/prices.md has its form. The zero values cost nothing.
type PriceFile struct {
	Currency          string             `yaml:"currency" json:"currency,omitempty"`
	BrokerHour        map[string]float64 `yaml:"brokerHour" json:"brokerHour,omitempty"` // by shape
	ReplicaHour       float64            `yaml:"replicaHour" json:"replicaHour,omitempty"`
	GigabyteMonth     float64            `yaml:"gigabyteMonth" json:"gigabyteMonth,omitempty"`
	CrossZoneGigabyte float64            `yaml:"crossZoneGigabyte" json:"crossZoneGigabyte,omitempty"`
}

// Shapes are the shapes that have a price, sorted.
func (f PriceFile) Shapes() []string { return slices.Sorted(maps.Keys(f.BrokerHour)) }

// ReadPrices reads a price file, strictly: every mistake at once.
func ReadPrices(data []byte) (PriceFile, error) {
	var f PriceFile
	lines, problems := strictyaml.Decode(data, &f)
	negative := func(path string, v float64) {
		if !(v >= 0 && v < 1e12) {
			problems = append(problems, strictyaml.Problem{Path: path, Line: lines.At(path), Message: "must not be negative"})
		}
	}
	for _, name := range f.Shapes() {
		negative("brokerHour."+name, f.BrokerHour[name])
	}
	negative("replicaHour", f.ReplicaHour)
	negative("gigabyteMonth", f.GigabyteMonth)
	negative("crossZoneGigabyte", f.CrossZoneGigabyte)
	if len(problems) == 0 {
		return f, nil
	}
	var all []string
	for _, p := range problems {
		all = append(all, p.String())
	}
	return PriceFile{}, errors.New(strings.Join(all, "; "))
}
