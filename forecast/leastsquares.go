package forecast

import (
	"errors"
	"fmt"
	"math"

	"github.com/sajari/regression"
)

// errSingular says that a least-squares problem has no trustworthy solution.
var errSingular = errors.New("normal equations are singular")

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
// The normal equations are factored (Cholesky) into the p×p triangle R with
// RᵀR = XᵀX + λD, which holds all that least squares needs of any number of
// rows, and github.com/sajari/regression is trained on its rows.
func (g *gram) ridge(cols []int, lambda float64, out []float64) error {
	clear(out)
	var use []int
	for _, c := range cols {
		if d := g.at(c, c); d > 1e-12*g.weight && !math.IsInf(d, 0) {
			use = append(use, c)
		}
	}
	p := len(use)
	if p == 0 || g.weight <= 0 {
		return errSingular
	}
	// Columns are scaled to a unit diagonal: conditioning, and a penalty that
	// does not depend on units.
	s := make([]float64, p)
	for i, c := range use {
		s[i] = 1 / math.Sqrt(g.at(c, c))
	}
	r := make([]float64, p*p)
	for i := range p {
		for j := 0; j <= i; j++ {
			r[i*p+j] = g.at(use[i], use[j]) * s[i] * s[j]
		}
		r[i*p+i] += lambda
	}
	if !choleskyLower(r, p) {
		return errSingular
	}
	// Forward substitution: Rᵀz = b, z = Qᵀy.
	z := make([]float64, p)
	for i := range p {
		v := float64(g.b[use[i]]) * s[i]
		for j := range i {
			v -= r[i*p+j] * z[j]
		}
		z[i] = v / r[i*p+i]
	}
	beta, err := trainOnTriangle(r, z, p)
	if err != nil {
		return err
	}
	for i, c := range use {
		out[c] = beta[i] * s[i]
	}
	return nil
}

// choleskyLower factors the symmetric matrix in the lower triangle of r in
// place. It refuses a matrix that is not safely positive definite.
func choleskyLower(r []float64, p int) bool {
	for i := range p {
		for j := 0; j <= i; j++ {
			v := r[i*p+j]
			for k := range j {
				v -= r[i*p+k] * r[j*p+k]
			}
			if i != j {
				r[i*p+j] = v / r[j*p+j]
				continue
			}
			if !(v > 1e-10) || math.IsInf(v, 0) {
				return false
			}
			r[i*p+i] = math.Sqrt(v)
		}
	}
	return true
}

// trainOnTriangle gives the library the p equations Rβ = z (R is the transpose
// of the lower triangle l) and one more, the negative of their sum. The square
// system is solved exactly, so the extra consistent row changes nothing but
// makes every column sum to zero: the library's own intercept is zero.
func trainOnTriangle(l, z []float64, p int) (beta []float64, err error) {
	// The library panics rather than fail on odd input; a forecast must not.
	defer func() {
		if r := recover(); r != nil {
			beta, err = nil, fmt.Errorf("running the regression: %v", r)
		}
	}()
	if p == 1 {
		// Two rows are fewer than the library accepts.
		return []float64{z[0] / l[0]}, nil
	}
	var reg regression.Regression
	sum := make([]float64, p)
	var zsum float64
	for i := range p {
		row := make([]float64, p)
		for j := i; j < p; j++ {
			row[j] = l[j*p+i]
			sum[j] -= row[j]
		}
		zsum -= z[i]
		reg.Train(regression.DataPoint(z[i], row))
	}
	reg.Train(regression.DataPoint(zsum, sum))
	if err := reg.Run(); err != nil {
		return nil, fmt.Errorf("running the regression: %w", err)
	}
	beta = make([]float64, p)
	for j := range p {
		beta[j] = reg.Coeff(j + 1)
		if math.IsNaN(beta[j]) || math.Abs(beta[j]) > 1e9 {
			return nil, errSingular
		}
	}
	return beta, nil
}
