package controller

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/forecast"
	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/policy"
)

// predictor keeps the forecasts between rounds: they are made anew when they
// are older than the policy's refresh, or do not reach far enough.
type predictor struct {
	forecaster forecast.Forecaster
	history    History
	spec       policy.Forecast
	quantiles  []float64
	curves     bool // predict as far as people look, too
	cache      map[string]*prediction
}

// day is what a prediction's mean is taken over.
const day = 24 * time.Hour

// prediction is a forecast as it was made, or why it could not be.
type prediction struct {
	signal metrics.Signal
	madeAt time.Time
	tried  time.Time // when another was last to be made, and could not be
	before time.Time // what was measured from then on is left out; zero is nothing
	ahead  time.Duration
	p      forecast.Prediction
	mean   float64 // of the last day of history; NaN when unknown
	err    error
}

// readSeries reads a history, and says which signal it is of.
type readSeries func(context.Context, metrics.Window) (metrics.Signal, metrics.Series, error)

func newPredictor(f forecast.Forecaster, h History, spec policy.Forecast, curves bool) predictor {
	q := []float64{lowQuantile, midQuantile, float64(spec.Quantile)}
	slices.Sort(q)
	return predictor{forecaster: f, history: h, spec: spec, curves: curves, quantiles: slices.Compact(q), cache: map[string]*prediction{}}
}

// The quantiles that are shown beside the one that the policy sizes for.
const (
	lowQuantile = 0.05
	midQuantile = 0.5
)

// errNoForecaster says that the loop was built without one.
var errNoForecaster = errors.New("no forecaster is set up")

// shownAhead is how far the curves of a decision reach at least.
const shownAhead = 48 * time.Hour

// predict is the forecast of a subject, from the cache when it is fresh, of what was
// measured before a time, where one is given. While none can be made the last good
// one does until it is too old.
func (c *predictor) predict(
	ctx context.Context, now time.Time, key string, ahead time.Duration, before time.Time, read readSeries,
) *prediction {
	p := c.cache[key]
	if p != nil && now.Sub(later(p.madeAt, p.tried)) < c.spec.Refresh.D() && p.ahead >= ahead && p.before.Equal(before) {
		return p
	}
	made := c.make(ctx, now, key, ahead, before, read)
	if made.err != nil && p.good(now) {
		kept := *p
		kept.tried, kept.ahead, kept.before = now, max(p.ahead, ahead), before
		made = &kept
	}
	c.cache[key] = made
	return made
}

// good tells whether a forecast may stand in for one that cannot be made.
func (p *prediction) good(now time.Time) bool {
	return p != nil && p.err == nil && p.p.Trusted && now.Sub(p.madeAt) < keptForecast && len(p.p.Points) > 0 &&
		p.p.Points[len(p.p.Points)-1].Time.After(now)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func (c *predictor) make(
	ctx context.Context, now time.Time, key string, ahead time.Duration, before time.Time, read readSeries,
) *prediction {
	step := c.spec.Step.D()
	p := &prediction{madeAt: now, ahead: ahead, before: before, mean: math.NaN()}
	if c.forecaster == nil || c.history == nil {
		p.err = errNoForecaster
		return p
	}
	to := now.Truncate(step)
	if !before.IsZero() {
		to = before.Truncate(step).Add(-step) // the reading before may be half of it
	}
	signal, series, err := read(ctx, metrics.Window{From: to.Add(-c.spec.History.D()), To: to, Step: step})
	p.signal = signal
	if err != nil {
		p.err = err
		return p
	}
	// Sums of different subjects must not be taken for one series by a
	// forecaster that remembers what it has seen.
	series.Labels = metrics.Labels{"subject": key}
	if !before.IsZero() {
		series.Labels["subject"] += " before"
	}
	believed := forecast.Believable(series)
	if _, mean, known := metrics.Lately(believed, day); known {
		p.mean = mean
	}
	reach := ahead
	if c.curves {
		// Only the page looks this far. A step's quantiles do not depend on how
		// many steps are asked for, so that nothing is decided otherwise.
		reach = max(reach, shownAhead)
	}
	h := forecast.Horizon{Ahead: ceilTo(now.Sub(to)+reach+c.spec.Refresh.D(), step) + step, Quantiles: c.quantiles}
	p.p, p.err = c.forecaster.Forecast(ctx, series, h)
	p.p.Reactive = bounded(p.p.Reactive, believed)
	return p
}

// bounded keeps what stands in for a forecast within what has been: by the errors
// of a last value alone, half a day ahead, a load that swings from night to day
// would be expected to swing on from noon. A load that has never been is answered
// when it comes. Of less than a week nobody can say what has been.
func bounded(points []forecast.Point, past metrics.Series) []forecast.Point {
	first := slices.IndexFunc(past.Values, func(v float64) bool { return !math.IsNaN(v) })
	if first < 0 || time.Duration(len(past.Values)-first)*past.Step < 7*day {
		return points
	}
	highest, _, _ := metrics.Lately(past, time.Duration(len(past.Values))*past.Step)
	out := make([]forecast.Point, len(points))
	for i, pt := range points {
		out[i] = forecast.Point{Time: pt.Time, Values: slices.Clone(pt.Values)}
		for k := range out[i].Values {
			out[i].Values[k] = min(out[i].Values[k], highest)
		}
	}
	return out
}

func ceilTo(d, step time.Duration) time.Duration { return (d + step - 1) / step * step }

// lastValueModel names what stands in for a forecast that is not trusted.
const lastValueModel = "last value with a margin"

// points are what sizes are decided by: the forecast, or what needs no model
// while the forecast is not trusted.
func (p *prediction) points() []forecast.Point {
	if !p.p.Trusted {
		return p.p.Reactive
	}
	return p.p.Points
}

// peak is the highest the sized-for quantile gets in (now, now+within], and
// when; ok is false when there is no forecast that covers it.
func (p *prediction) peak(now time.Time, within time.Duration) (high float64, at time.Time, ok bool) {
	if p == nil || p.err != nil || len(p.points()) == 0 {
		return 0, time.Time{}, false
	}
	until := now.Add(within)
	k := len(p.p.Quantiles) - 1
	for _, pt := range p.points() {
		if pt.Time.Before(now.Add(-p.p.Step)) {
			continue
		}
		if pt.Time.After(until) && ok {
			break
		}
		if v := pt.Values[k]; !ok || v > high {
			high, at, ok = v, pt.Time, true
		}
	}
	return high, at, ok
}

// upperNow is the sized-for quantile of the forecast at now, as it was made
// before now; false when there is none.
func (p *prediction) upperNow(now time.Time) (float64, bool) {
	if p == nil || p.err != nil {
		return 0, false
	}
	k := len(p.p.Quantiles) - 1
	for _, pt := range p.points() {
		if !pt.Time.Before(now) {
			return pt.Values[k], true
		}
	}
	return 0, false
}

// summary is the forecast as a Decision shows it.
func (p *prediction) summary(subject string, now time.Time, within time.Duration, observed float64, curves bool) decision.ForecastSummary {
	f := decision.ForecastSummary{
		Signal:          string(p.signal),
		Subject:         subject,
		Now:             observed,
		Unit:            metrics.Signals[p.signal].Unit,
		LeadTimeSeconds: within.Seconds(),
		Quantiles:       map[string]float64{},
	}
	if p.err != nil {
		f.Why = "no forecast: " + p.err.Error()
		return f
	}
	f.Model, f.Trusted, f.Why = p.p.Model, p.p.Trusted, p.p.Why
	if !f.Trusted {
		f.Model = lastValueModel
	}
	_, f.PeakAt, _ = p.peak(now, within)
	until := now.Add(within)
	highest := make([]float64, len(p.p.Quantiles))
	for _, pt := range p.points() {
		if pt.Time.Before(now.Add(-p.p.Step)) || pt.Time.After(until) {
			continue
		}
		for i, v := range pt.Values {
			highest[i] = max(highest[i], v)
		}
	}
	for i, q := range p.p.Quantiles {
		f.Quantiles[strconv.FormatFloat(q, 'g', -1, 64)] = highest[i]
	}
	if curves {
		f.Curve = p.curve()
	}
	return f
}

// curve thins the forecast to at most 200 points; each keeps the highest of
// what it stands for, so that a peak is never thinned away.
func (p *prediction) curve() []decision.CurvePoint {
	const most = 200
	pts := p.p.Points
	every := (len(pts) + most - 1) / most
	var out []decision.CurvePoint
	mid := len(p.p.Quantiles) / 2
	for i := 0; i < len(pts); i += every {
		best := pts[i]
		for _, x := range pts[i:min(i+every, len(pts))] {
			if x.Values[len(x.Values)-1] > best.Values[len(best.Values)-1] {
				best = x
			}
		}
		out = append(
			out,
			decision.CurvePoint{Time: best.Time, Low: best.Values[0], Mid: best.Values[mid], High: best.Values[len(best.Values)-1]},
		)
	}
	return out
}

// clusterSeries reads a signal of the whole cluster: the sum over topics, or
// over brokers where topics are not measured.
func (c *predictor) clusterSeries(perTopic, perBroker metrics.Signal) readSeries {
	return func(ctx context.Context, w metrics.Window) (metrics.Signal, metrics.Series, error) {
		list, err := c.history.History(ctx, perTopic, w)
		if err == nil && len(list) > 0 {
			return perTopic, metrics.SumIn(perTopic, list, w), nil
		}
		byBroker, err2 := c.history.History(ctx, perBroker, w)
		if err2 == nil && len(byBroker) > 0 {
			return perBroker, metrics.SumIn(perBroker, byBroker, w), nil
		}
		if err = errors.Join(err, err2); err != nil {
			return perTopic, metrics.Series{}, fmt.Errorf("reading the history of %s: %w", perTopic, err)
		}
		return perTopic, metrics.Series{}, fmt.Errorf("reading the history of %s: there is none", perTopic)
	}
}

// groupSeries reads what arrives for a group: the records written to the
// topics it reads, or what it consumed where that is not measured.
func (c *predictor) groupSeries(group string, topics []string) readSeries {
	return func(ctx context.Context, w metrics.Window) (metrics.Signal, metrics.Series, error) {
		list, err := c.history.History(ctx, metrics.TopicMessagesIn, w)
		list = withLabel(list, "topic", topics...)
		if err == nil && len(list) == len(topics) {
			return metrics.TopicMessagesIn, metrics.SumIn(metrics.TopicMessagesIn, list, w), nil
		}
		consumed, err2 := c.history.History(ctx, metrics.GroupConsumed, w)
		consumed = withLabel(consumed, "group", group)
		if err2 == nil && len(consumed) > 0 {
			return metrics.GroupConsumed, metrics.SumIn(metrics.GroupConsumed, consumed, w), nil
		}
		if err = errors.Join(err, err2); err != nil {
			return metrics.TopicMessagesIn, metrics.Series{}, fmt.Errorf("reading what arrives for %s: %w", group, err)
		}
		return metrics.TopicMessagesIn, metrics.Series{}, fmt.Errorf(
			"reading what arrives for %s: neither %s of %s nor %s has a history",
			group,
			metrics.TopicMessagesIn,
			strings.Join(topics, ", "),
			metrics.GroupConsumed,
		)
	}
}

func withLabel(list []metrics.Series, label string, values ...string) []metrics.Series {
	var out []metrics.Series
	for _, s := range list {
		if slices.Contains(values, s.Labels[label]) {
			out = append(out, s)
		}
	}
	return out
}
