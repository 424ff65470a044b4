package forecast

import (
	"errors"
	"fmt"
	"math"

	"github.com/sajari/regression"
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack/lapack64"
)

// errSingular says that a least-squares problem has no trustworthy solution.
var errSingular = errors.New("normal equations are singular")

const (
	// noVariation is the mean square, in the units of the history squared, under
	// which a column says nothing.
	noVariation = 1e-12
	// leastPivot is how much of a column, of length one, the columns before it must
	// leave: less is noise of sums in single precision.
	leastPivot = 1e-5
	// absurdCoefficient is one that no load has, in scaled columns.
	absurdCoefficient = 1e9
)

// gram accumulates the weighted normal equations XᵀWX and XᵀWy of a least
// squares problem with p columns. Sums are additive, so forgetting is a scale
// and a row costs p²/2 whatever came before it.
type gram struct {
	p      int
	a      []float32 // lower triangle of XᵀWX, row by row
	b      []float32 // XᵀWy
	weight float64   // sum of the row weights
}

func newGram(p int) *gram {
	return &gram{p: p, a: make([]float32, p*(p+1)/2), b: make([]float32, p)}
}

// add takes one row. The caller keeps x and y finite.
func (g *gram) add(x []float64, y, w float64) {
	k := 0
	for i, xi := range x {
		v := w * xi
		row, xs := g.a[k:k+i+1], x[:i+1]
		for j, xj := range xs {
			row[j] += float32(v * xj)
		}
		g.b[i] += float32(v * y)
		k += i + 1
	}
	g.weight += w
}

// scale forgets: every sum is multiplied by f.
func (g *gram) scale(f float64) {
	for i := range g.a {
		g.a[i] *= float32(f)
	}
	for i := range g.b {
		g.b[i] *= float32(f)
	}
	g.weight *= f
}

func (g *gram) at(i, j int) float64 {
	if j > i {
		i, j = j, i
	}
	return float64(g.a[i*(i+1)/2+j])
}

// ridge solves the problem restricted to the columns cols with the penalty
// lambda on each column in units of that column's own mean square, and writes
// the coefficients into out (zero for the columns left out). Columns without
// variation get zero.
//
// The penalised normal equations are factored (LAPACK's Cholesky, by gonum) into the
// triangle R with RᵀR = XᵀX + λD, which holds all that least squares needs of
// any number of rows; the p rows of R, each an equation Rβ = z, are what
// github.com/sajari/regression is trained on.
func (g *gram) ridge(cols []int, lambda float64, out []float64) error {
	clear(out)
	var use []int
	for _, c := range cols {
		if d := g.at(c, c); d > noVariation*g.weight && !math.IsInf(d, 0) {
			use = append(use, c)
		}
	}
	p := len(use)
	if p == 0 || g.weight <= 0 {
		return errSingular
	}
	// Columns are scaled to a unit diagonal: conditioning, and a penalty that
	// does not depend on units.
	scale := make([]float64, p)
	for i, c := range use {
		scale[i] = 1 / math.Sqrt(g.at(c, c))
	}
	a := blas64.Symmetric{N: p, Stride: p, Data: make([]float64, p*p), Uplo: blas.Upper}
	z := blas64.Vector{N: p, Inc: 1, Data: make([]float64, p)} // Xᵀy, and then Qᵀy
	for i := range p {
		for j := i + 1; j < p; j++ {
			a.Data[i*p+j] = g.at(use[i], use[j]) * scale[i] * scale[j]
		}
		a.Data[i*p+i] = 1 + lambda
		z.Data[i] = float64(g.b[use[i]]) * scale[i]
	}
	r, ok := lapack64.Potrf(a)
	if !ok {
		return errSingular
	}
	for i := range p {
		if !(r.Data[i*p+i] > leastPivot) {
			return errSingular
		}
	}
	blas64.Trsv(blas.Trans, r, z) // Rᵀz = Xᵀy
	beta, err := train(r, z.Data)
	if err != nil {
		return err
	}
	for i, c := range use {
		out[c] = beta[i] * scale[i]
	}
	return nil
}

// train fits the p equations Rβ = z. The library fits an intercept whether one
// is wanted or not; the last row, the negative of the others' sum, is true
// whenever they are, and makes every column sum to zero, so that the intercept
// is zero. The caller has made sure that the system has one solution: of a
// singular one the library gives numbers without an error.
func train(r blas64.Triangular, z []float64) ([]float64, error) {
	p := len(z)
	if p == 1 {
		return []float64{z[0] / r.Data[0]}, nil // the library wants three rows
	}
	var reg regression.Regression
	last, observed := make([]float64, p), 0.0
	for i := range p {
		row := r.Data[i*p : (i+1)*p] // left of the diagonal it is zero
		for j, v := range row {
			last[j] -= v
		}
		observed -= z[i]
		reg.Train(regression.DataPoint(z[i], row))
	}
	reg.Train(regression.DataPoint(observed, last))
	if err := reg.Run(); err != nil {
		return nil, fmt.Errorf("running the regression: %w", err)
	}
	beta := make([]float64, p)
	for j := range p {
		beta[j] = reg.Coeff(j + 1)
		if !(math.Abs(beta[j]) < absurdCoefficient) {
			return nil, errSingular
		}
	}
	return beta, nil
}
