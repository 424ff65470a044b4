// Package forecast predicts a load as quantiles over a horizon, and says how
// far they can be trusted.
package forecast

import (
	"context"
	"errors"
	"time"

	"github.com/tidetable/tidetable/metrics"
)

// ErrTooShort says that a series is too short, or too empty, to forecast. It
// is never replaced by a guess: the reactive guard works alone meanwhile.
var ErrTooShort = errors.New("series is too short to forecast")

// Horizon is what is asked of a forecaster: every step up to Ahead, at the
// given quantiles (sorted, each in (0, 1)).
type Horizon struct {
	Ahead     time.Duration
	Quantiles []float64
}

// Forecaster predicts. It is deterministic, sees nothing after the end of s,
// and answers ErrTooShort rather than guess.
type Forecaster interface {
	Forecast(ctx context.Context, s metrics.Series, h Horizon) (Prediction, error)
}

// Prediction is the load at each step after Origin.
type Prediction struct {
	Origin    time.Time
	Step      time.Duration
	Model     string    // the model, or the ensemble, that made it
	Quantiles []float64 // sorted; the columns of Points' Values
	Points    []Point
	// Reactive is, at the same steps, the last value with the margin that its own
	// recent errors ask for: what to size by while Trusted is false. It is empty
	// when Trusted is true.
	Reactive []Point
	// Trusted is false when the predictive part has switched itself off because
	// it is no better than what needs no model, or was not judged yet; Why then
	// says so. Points are the ensemble's still, for show and for judging when to
	// switch on again: whoever acts must not act on them.
	Trusted bool
	Why     string
}

// Point is one step: Values[i] belongs to Prediction.Quantiles[i]. Values never
// decrease with i, and are never NaN or negative.
type Point struct {
	Time   time.Time
	Values []float64
}
