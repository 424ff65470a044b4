package capacity

import (
	"errors"
	"strings"

	"github.com/tidetable/tidetable/internal/strictyaml"
)

// PriceFile is a list of prices as people keep it; docs/formats/policy.md has
// its form. The zero values cost nothing.
type PriceFile struct {
	Currency          string             `yaml:"currency"`
	BrokerHour        map[string]float64 `yaml:"brokerHour"` // by shape
	ReplicaHour       float64            `yaml:"replicaHour"`
	GigabyteMonth     float64            `yaml:"gigabyteMonth"`
	CrossZoneGigabyte float64            `yaml:"crossZoneGigabyte"`
}

// ReadPrices reads a price file, strictly: every mistake at once.
func ReadPrices(data []byte) (PriceFile, error) {
	var f PriceFile
	lines, problems := strictyaml.Decode(data, &f)
	negative := func(path string, v float64) {
		if !(v >= 0 && v < 1e12) {
			problems = append(problems, strictyaml.Problem{Path: path, Line: lines.At(path), Message: "must not be negative"})
		}
	}
	for name, v := range f.BrokerHour {
		negative("brokerHour."+name, v)
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
