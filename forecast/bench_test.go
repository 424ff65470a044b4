package forecast

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/tidetable/tidetable/metrics"
)

// fourWeeks is a plausible topic: a day, a weekend, noise and a slow trend.
func fourWeeks(seed uint64) metrics.Series {
	r := rand.New(rand.NewPCG(seed, 7))
	s := metrics.Series{Start: monday, Step: 5 * time.Minute, Values: make([]float64, 4*7*288),
		Labels: metrics.Labels{"topic": fmt.Sprint(seed)}}
	ar := 0.0
	for i := range s.Values {
		x := 2 * math.Pi * float64(i) / 288
		v := 100 + 50*math.Sin(x+float64(seed)) + 15*math.Sin(2*x)
		if d := i / 288 % 7; d >= 5 {
			v *= 0.6
		}
		ar = 0.95*ar + r.NormFloat64()
		s.Values[i] = max(0, v*(1+float64(i)/40000)+3*ar)
	}
	return s
}

var dayAhead = Horizon{Ahead: 24 * time.Hour, Quantiles: []float64{0.05, 0.5, 0.95}}

// BenchmarkFourWeeks is the whole of a forecast of a series never seen before:
// every candidate fitted, weighed and calibrated over 8,064 samples.
func BenchmarkFourWeeks(b *testing.B) {
	s := fourWeeks(1)
	for b.Loop() {
		if _, err := New(Options{}).Forecast(context.Background(), s, dayAhead); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "series/s/core")
}

// BenchmarkIncrementalSample is what one more sample costs a known series.
func BenchmarkIncrementalSample(b *testing.B) {
	s := fourWeeks(1)
	st := New(Options{}).NewState(s.Start, s.Step)
	st.Load(s.Values)
	i := 0
	for b.Loop() {
		st.Observe(s.Values[i%len(s.Values)])
		i++
	}
}

// BenchmarkPredict is a forecast of a known series without new samples.
func BenchmarkPredict(b *testing.B) {
	s := fourWeeks(1)
	e := New(Options{})
	for b.Loop() {
		if _, err := e.Forecast(context.Background(), s, dayAhead); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkStateMemory reports what a series costs to remember.
func BenchmarkStateMemory(b *testing.B) {
	const n = 8
	var states [n]*State
	s := fourWeeks(1)
	for b.Loop() {
		before := heap()
		for k := range states {
			states[k] = New(Options{}).NewState(s.Start, s.Step)
			states[k].Load(s.Values)
		}
		b.ReportMetric(float64(heap()-before)/n/1000, "kB/series")
		runtime.KeepAlive(states)
		states = [n]*State{}
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
