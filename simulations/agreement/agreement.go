// Package agreement judges how well a simulation tells what a real day did:
// when each change of size happened, how many bytes were moved, and how the lag
// of a group went.
package agreement

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/tidetable/tidetable/simulations"
)

// Day is one day, as it happened or as it was simulated. Times are seconds
// since the policy began.
type Day struct {
	// TickSeconds is how often the policy looks.
	TickSeconds float64   `json:"tickSeconds"`
	Scalings    []Scaling `json:"scalings"` // oldest first
	MovedBytes  float64   `json:"movedBytes"`
	// Lag is of the group whose lag is compared, in records.
	Lag Curve `json:"lag"`
}

// Scaling is one change of what was asked for.
type Scaling struct {
	At     float64 `json:"at"`
	Target string  `json:"target"` // "brokers", or a group
	From   int     `json:"from"`
	To     int     `json:"to"`
}

// Curve is values on a regular grid from the start on.
type Curve struct {
	StepSeconds float64   `json:"stepSeconds"`
	Values      []float64 `json:"values"`
}

// The bounds within which a simulation agrees.
const (
	mostTicks    = 1.0  // between a scaling and its simulation
	mostMoved    = 0.05 // of the bytes moved
	mostLagError = 0.15 // see LagError
)

// Of is a simulated run as a day: its changes of the brokers and the groups
// named, and the lag of one group.
func Of(r simulations.Run, start time.Time, tick time.Duration, lagOf string, targets ...string) Day {
	d := Day{TickSeconds: tick.Seconds(), MovedBytes: r.Measures.BytesMoved}
	wanted := map[string]bool{}
	for _, t := range targets {
		wanted[t] = true
	}
	for _, a := range r.Actions {
		if wanted[a.Target] {
			d.Scalings = append(d.Scalings, Scaling{At: a.Time.Sub(start).Seconds(), Target: a.Target, From: a.From, To: a.To})
		}
	}
	d.Lag.StepSeconds = r.Series.Step.Seconds()
	for _, g := range r.Series.Groups {
		if g.Name == lagOf {
			d.Lag.Values = append([]float64{0}, g.Lag...) // a point is the end of its step
		}
	}
	return d
}

// Report is a day beside its simulation.
type Report struct {
	Scalings           []Pair
	Unmatched          []string // scalings that only one of the two has
	RealMoved, Moved   float64
	MovedError         float64 // a share
	LagError           float64
	Ticks              float64 // the furthest that two scalings are apart
	RealPeak, Peak     float64 // of the lag
	tick               float64
	withMoves, withLag bool
}

// Pair is one scaling as it happened and as it was simulated.
type Pair struct {
	Scaling
	Simulated float64
}

// Judge compares a real day with a simulated one. Bytes moved count where the
// real day moved any, and the lag where the real day has a curve.
func Judge(happened, simulated Day) Report {
	r := Report{
		tick: happened.TickSeconds, RealMoved: happened.MovedBytes, Moved: simulated.MovedBytes,
		withMoves: happened.MovedBytes > 0, withLag: len(happened.Lag.Values) > 0,
	}
	r.pair(happened.Scalings, simulated.Scalings)
	if r.withMoves {
		r.MovedError = math.Abs(r.Moved-r.RealMoved) / r.RealMoved
	}
	if r.withLag {
		r.LagError, r.RealPeak, r.Peak = LagError(happened.Lag, simulated.Lag)
	}
	return r
}

// pair takes each change together with the one from and to the same size of the
// same target that is nearest in time: a change that only one of the two has
// must not shift those after it.
func (r *Report) pair(happened, simulated []Scaling) {
	left := slices.Clone(simulated)
	for _, s := range happened {
		near := -1
		for i, x := range left {
			same := x.Target == s.Target && x.From == s.From && x.To == s.To
			if same && (near < 0 || math.Abs(x.At-s.At) < math.Abs(left[near].At-s.At)) {
				near = i
			}
		}
		if near < 0 || nearer(happened, left[near], s) {
			r.Unmatched = append(
				r.Unmatched,
				fmt.Sprintf("%s %d → %d at %.0f s happened and was not simulated", s.Target, s.From, s.To, s.At),
			)
			continue
		}
		r.Scalings = append(r.Scalings, Pair{s, left[near].At})
		r.Ticks = math.Max(r.Ticks, math.Abs(left[near].At-s.At)/r.tick)
		left = slices.Delete(left, near, near+1)
	}
	for _, s := range left {
		r.Unmatched = append(
			r.Unmatched,
			fmt.Sprintf("%s %d → %d at %.0f s was simulated and did not happen", s.Target, s.From, s.To, s.At),
		)
	}
}

// nearer tells whether another change of the same kind happened nearer to a
// simulated one than s did.
func nearer(happened []Scaling, simulated, s Scaling) bool {
	return slices.ContainsFunc(happened, func(x Scaling) bool {
		return x != s && x.Target == s.Target && x.From == s.From && x.To == s.To &&
			math.Abs(x.At-simulated.At) < math.Abs(s.At-simulated.At)
	})
}

// LagError is the root mean square of the difference of two curves over the
// range of the first, which is the usual normalised error, and each one's peak.
func LagError(happened, simulated Curve) (nrmse, realPeak, peak float64) {
	low := math.Inf(1)
	sum, n := 0.0, 0
	for i, v := range happened.Values {
		w, ok := simulated.at(float64(i) * happened.StepSeconds)
		if !ok || math.IsNaN(v) {
			continue
		}
		sum += (v - w) * (v - w)
		n++
		low, realPeak, peak = math.Min(low, v), math.Max(realPeak, v), math.Max(peak, w)
	}
	if n == 0 || realPeak <= low {
		return math.Inf(1), realPeak, peak
	}
	return math.Sqrt(sum/float64(n)) / (realPeak - low), realPeak, peak
}

// at is the curve's value at a time, linear between its points.
func (c Curve) at(seconds float64) (float64, bool) {
	x := seconds / c.StepSeconds
	i := int(x)
	if i < 0 || i >= len(c.Values) {
		return 0, false
	}
	if i == len(c.Values)-1 {
		return c.Values[i], x == float64(i)
	}
	return c.Values[i] + (x-float64(i))*(c.Values[i+1]-c.Values[i]), true
}

// Err says in what the two do not agree; nil when they do.
func (r Report) Err() error {
	var errs []error
	for _, u := range r.Unmatched {
		errs = append(errs, errors.New(u))
	}
	for _, p := range r.Scalings {
		if apart := math.Abs(p.Simulated-p.At) / r.tick; apart > mostTicks+1e-9 {
			errs = append(errs, fmt.Errorf("%s %d → %d happened at %.1f s and was simulated at %.1f s: %.1f ticks apart, want at most %g",
				p.Target, p.From, p.To, p.At, p.Simulated, apart, mostTicks))
		}
	}
	if r.withMoves && r.MovedError > mostMoved {
		errs = append(errs, fmt.Errorf("%.2f MB were moved, %.2f simulated: %.1f %% apart, want at most %.0f", r.RealMoved/1e6, r.Moved/1e6,
			100*r.MovedError, 100*mostMoved))
	}
	if r.withLag && r.LagError > mostLagError {
		errs = append(errs, fmt.Errorf("the lag curves' normalised error is %.1f %%, want at most %.0f", 100*r.LagError, 100*mostLagError))
	}
	return errors.Join(errs...)
}

// Write shows the report as a table.
func (r Report) Write(w io.Writer, markdown bool) {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.AppendHeader(table.Row{"", "happened", "simulated", "apart"})
	for _, p := range r.Scalings {
		t.AppendRow(table.Row{fmt.Sprintf("%s %d → %d", p.Target, p.From, p.To), fmt.Sprintf("%.1f s", p.At),
			fmt.Sprintf("%.1f s", p.Simulated), fmt.Sprintf("%+.1f ticks", (p.Simulated-p.At)/r.tick)})
	}
	for _, u := range r.Unmatched {
		t.AppendRow(table.Row{u})
	}
	if r.withMoves {
		t.AppendRow(table.Row{"bytes moved", fmt.Sprintf("%.2f MB", r.RealMoved/1e6), fmt.Sprintf("%.2f MB", r.Moved/1e6),
			fmt.Sprintf("%.1f %%", 100*r.MovedError)})
	}
	if r.withLag {
		t.AppendRow(table.Row{"highest lag, records", fmt.Sprintf("%.0f", r.RealPeak), fmt.Sprintf("%.0f", r.Peak), ""})
		t.AppendRow(table.Row{"lag curve", "", "", fmt.Sprintf("%.1f %% normalised error", 100*r.LagError)})
	}
	if markdown {
		t.RenderMarkdown()
		return
	}
	t.Render()
}
