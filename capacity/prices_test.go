package capacity

import (
	"os"
	"strings"
	"testing"
)

func TestPriceFileReportsEveryMistakeInOrder(t *testing.T) {
	_, err := ReadPrices([]byte("brokerHour: {small: -1, big: 2, another: .nan}\nreplicaHour: -0.5\n"))
	if err == nil {
		t.Fatal("negative prices were read")
	}
	at := -1
	for _, path := range []string{"brokerHour.another", "brokerHour.small", "replicaHour"} {
		i := strings.Index(err.Error(), path)
		if i <= at {
			t.Errorf("%s is missing, or out of order: %v", path, err)
		}
		at = i
	}
}

func FuzzReadPrices(f *testing.F) {
	text, err := os.ReadFile("../docs/formats/prices.example.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("brokerHour: {a: 1e999}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ReadPrices(data)
		if err != nil {
			return
		}
		for _, v := range append([]float64{p.ReplicaHour, p.GigabyteMonth, p.CrossZoneGigabyte}, prices(p)...) {
			if !(v >= 0) {
				t.Fatalf("a price of %v", v)
			}
		}
	})
}

func prices(p PriceFile) (all []float64) {
	for _, name := range p.Shapes() {
		all = append(all, p.BrokerHour[name])
	}
	return all
}
