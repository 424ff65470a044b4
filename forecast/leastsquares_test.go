package forecast

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestCompressedRegressionIsExact(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const n, p = 400, 5
	want := []float64{2, -1, 0.5, 0, 30}
	g := newGram(p)
	for range n {
		x := make([]float64, p)
		y := 0.0
		for j := range x {
			x[j] = r.NormFloat64()
			if j == p-1 {
				x[j] = 1
			}
			y += want[j] * x[j]
		}
		g.add(x, y, 1)
	}
	out := make([]float64, p)
	if err := g.ridge([]int{0, 1, 2, 3, 4}, 0, out); err != nil {
		t.Fatal(err)
	}
	for j := range want {
		if math.Abs(out[j]-want[j]) > 1e-5 {
			t.Errorf("coefficient %d: got %g, want %g", j, out[j], want[j])
		}
	}
}

func TestCollinearColumnsAreRefusedWithoutRidgeAndTamedWithIt(t *testing.T) {
	g := newGram(2)
	for i := range 100 {
		x := float64(i) - 50
		g.add([]float64{x, x}, 4*x, 1)
	}
	out := make([]float64, 2)
	if err := g.ridge([]int{0, 1}, 0, out); err == nil {
		t.Errorf("collinear columns: got %v, want an error", out)
	}
	if err := g.ridge([]int{0, 1}, 1e-3, out); err != nil {
		t.Fatal(err)
	}
	if math.Abs(out[0]+out[1]-4) > 0.01 {
		t.Errorf("ridge: coefficients %v should add up to 4", out)
	}
}

func TestConstantTargetFitsToZeroCoefficients(t *testing.T) {
	g := newGram(2)
	for i := range 50 {
		g.add([]float64{float64(i%7) - 3, 1}, 0, 1)
	}
	out := make([]float64, 2)
	if err := g.ridge([]int{0, 1}, 1e-6, out); err != nil {
		t.Fatal(err)
	}
	if out[0] != 0 || out[1] != 0 {
		t.Errorf("got %v, want zeros", out)
	}
}

func BenchmarkRidge(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	const p = 28
	g := newGram(p)
	x := make([]float64, p)
	cols := make([]int, p)
	for i := range 3000 {
		for j := range x {
			x[j] = r.NormFloat64()
			cols[j] = j
		}
		g.add(x, x[0]+float64(i%3), 1)
	}
	out := make([]float64, p)
	b.ReportAllocs()
	for b.Loop() {
		if err := g.ridge(cols, 0.01, out); err != nil {
			b.Fatal(err)
		}
	}
}
