package simulations

import (
	"context"
	"os"
	"testing"

	"github.com/tidetable/tidetable/controller"
	"github.com/tidetable/tidetable/simulations/scenario"
)

func plan(t testing.TB, file string, names ...string) *scenario.Experiment {
	t.Helper()
	b, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	p, err := scenario.Decode(b, file, scenario.Sources{Dir: "testdata"})
	if err != nil {
		t.Fatal(err)
	}
	if names != nil {
		p.Policies = names
	}
	return p
}

func options() Options {
	return Options{Forecaster: controller.NewForecaster}
}

func BenchmarkFourWeeksOf12Brokers(b *testing.B) {
	for _, name := range []string{"reactive", "tidetable", "oracle"} {
		b.Run(name, func(b *testing.B) {
			p := plan(b, "four-weeks.yaml", name)
			for i := range b.N {
				o := options()
				o.quick = true
				if _, err := compareRun(context.Background(), p, i+1, o); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkYearOf50Brokers(b *testing.B) {
	for _, name := range []string{"static", "tidetable"} {
		b.Run(name, func(b *testing.B) {
			p := plan(b, "year.yaml", name)
			for range b.N {
				if _, err := Compare(context.Background(), p, options()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkThreeDays(b *testing.B) {
	p := plan(b, "three-days.yaml", "tidetable")
	for range b.N {
		if _, err := Compare(context.Background(), p, options()); err != nil {
			b.Fatal(err)
		}
	}
}
