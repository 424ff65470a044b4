// Package backtest scores forecasts on a rolling origin: at each origin the
// forecaster has seen the series up to there and nothing after it, and what it
// says is held against what came.
package backtest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/tidetable/tidetable/forecast"
	"github.com/tidetable/tidetable/metrics"
)

// Options say which origins are tried and what is asked at each.
type Options struct {
	From      float64       // share of the series before the first origin, in (0, 1); zero stands for 0.7
	Every     time.Duration // from one origin to the next; zero stands for 6 h
	Ahead     time.Duration // every step up to here is scored; zero stands for 24 h
	Quantiles []float64     // asked for at each origin; nil stands for 0.05, 0.5, 0.95
	// Candidates scores every candidate by itself beside the ensemble.
	Candidates bool
}

// Forecast is what was issued at one origin.
type Forecast = forecast.Prediction

// Result is the scores of one series.
type Result struct {
	Column  string        `json:"column"`
	Step    time.Duration `json:"-"`
	Origins int           `json:"origins"`
	Skipped int           `json:"skippedOrigins"` // too short to say anything
	Scores  []Score       `json:"scores"`
}

// Score is how one model did over all points up to one horizon.
type Score struct {
	Model   string        `json:"model"`
	Horizon time.Duration `json:"-"`
	Points  int           `json:"points"`
	// WAPE is Σ|y−ŷ| / Σ|y|.
	WAPE float64 `json:"wape"`
	// MASE is the mean absolute error over the mean |y(t) − y(t−1 day)| before
	// the first origin.
	MASE float64 `json:"mase"`
	// Pinball95 is the pinball loss of the 0.95 quantile over the mean load.
	Pinball95 float64 `json:"pinball95OverMean"`
	// Coverage95 is the share of outcomes at or under the 0.95 quantile.
	Coverage95 float64 `json:"coverage95"`
}

// Ensemble is the name under which the forecast in use is scored.
const Ensemble = forecast.Ensemble

func (o Options) withDefaults() Options {
	if o.From == 0 {
		o.From = 0.7
	}
	if o.Every == 0 {
		o.Every = 6 * time.Hour
	}
	if o.Ahead == 0 {
		o.Ahead = 24 * time.Hour
	}
	if len(o.Quantiles) == 0 {
		o.Quantiles = []float64{0.05, 0.5, 0.95}
	}
	return o
}

func (o Options) check(s metrics.Series) error {
	switch {
	case !(o.From > 0 && o.From < 1):
		return fmt.Errorf("checking the backtest: from is %v, want a share between 0 and 1", o.From)
	case o.Every < 0 || o.Ahead < 0:
		return errors.New("checking the backtest: every and horizon must be positive")
	case s.Step <= 0:
		return errors.New("checking the series: its step must be positive")
	case o.Ahead < s.Step:
		return fmt.Errorf("checking the backtest: a horizon of %v is less than one step of %v", o.Ahead, s.Step)
	}
	return nil
}

// Run backtests one series. emit, when not nil, takes the forecast of every
// origin in order of time. When no origin has enough history the error is
// forecast.ErrTooShort.
func Run(ctx context.Context, e *forecast.Engine, s metrics.Series, o Options, emit func(Forecast) error) (Result, error) {
	o = o.withDefaults()
	if err := o.check(s); err != nil {
		return Result{}, err
	}
	n := len(s.Values)
	first := max(1, int(o.From*float64(n))) - 1
	every := max(1, int(o.Every/s.Step))
	sc := newScorer(s, first, o)
	st := e.NewState(s.Start, s.Step)
	res := Result{Column: s.Labels["column"], Step: s.Step}
	var short error
	st.Load(s.Values[:first])
	for i := first; i < n; i++ {
		if ctx.Err() != nil {
			return Result{}, ctx.Err()
		}
		st.Observe(s.Values[i])
		if (i-first)%every != 0 {
			continue
		}
		p, err := st.Predict(forecast.Horizon{Ahead: o.Ahead, Quantiles: o.Quantiles})
		if errors.Is(err, forecast.ErrTooShort) {
			short = err
			res.Skipped++
			continue
		}
		if err != nil {
			return Result{}, err
		}
		res.Origins++
		if emit != nil {
			if err := emit(p); err != nil {
				return Result{}, err
			}
		}
		sc.take(i, p, st)
	}
	if res.Origins == 0 && short != nil {
		return res, short
	}
	res.Scores = sc.scores()
	return res, nil
}

// horizons are the distances scores are pooled up to: 15 min, 1 h, 6 h and
// 24 h as far as the forecast reaches, and its own length.
func horizons(step, ahead time.Duration) []time.Duration {
	var out []time.Duration
	for _, h := range []time.Duration{15 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour} {
		if h >= step && h < ahead {
			out = append(out, h)
		}
	}
	return append(out, ahead)
}

// dayScale is MASE's denominator: the mean absolute difference to the day
// before over the first n samples; NaN when there is none.
func dayScale(s metrics.Series, n int) float64 {
	day := int((24*time.Hour + s.Step/2) / s.Step)
	sum, m := 0.0, 0
	for i := day; i < n; i++ {
		if d := math.Abs(s.Values[i] - s.Values[i-day]); !math.IsNaN(d) {
			sum += d
			m++
		}
	}
	return sum / float64(m)
}
