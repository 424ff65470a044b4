package world

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/tidetable/tidetable/metrics"
)

// behind is how far rates on a grid are behind what producers do: half of the
// range that they are the mean of. A step of zero is an instant.
func (w *World) behind(step time.Duration) time.Duration {
	if w.cfg.Scrape <= 0 {
		return 0
	}
	return metrics.RateRange(step, w.cfg.Scrape) / 2
}

// pastKey names one topic's values on a grid; they are made once a run.
type pastKey struct {
	step   time.Duration
	topic  int
	signal metrics.Signal
}

type past struct {
	start  time.Time
	values []float64
}

// History gives what topics were asked for up to now, on the window's grid.
// What Prometheus did not measure is missing. Signals that the world does not
// record have no series, as with an exporter that lacks them.
func (w *World) History(_ context.Context, signal metrics.Signal, win metrics.Window) ([]metrics.Series, error) {
	if win.Step <= 0 || win.To.Before(win.From) {
		return nil, fmt.Errorf("reading the history of %s: window from %s to %s every %s", signal, win.From, win.To, win.Step)
	}
	if down, _ := w.MetricsDown(); down {
		return nil, fmt.Errorf("reading the history of %s: Prometheus does not answer", signal)
	}
	switch signal {
	case metrics.TopicBytesIn, metrics.TopicBytesOut, metrics.TopicMessagesIn:
	default:
		return nil, nil
	}
	if win.To.After(w.now) {
		win.To = w.now
	}
	out := make([]metrics.Series, 0, len(w.topics))
	for i := range w.topics {
		p := w.past(pastKey{win.Step, i, signal})
		out = append(out, w.cut(p, signal, i, win))
	}
	return out, nil
}

// past fills a topic's grid from the start of its profile to its end; only
// what is not after now is ever handed out.
func (w *World) past(k pastKey) *past {
	if p, ok := w.pasts[k]; ok {
		return p
	}
	t := &w.topics[k.topic]
	q := w.cfg.Profiles[t.spec.Profile]
	factor := t.spec.Scale
	switch k.signal {
	case metrics.TopicBytesOut:
		factor *= float64(t.readers)
	case metrics.TopicMessagesIn:
		factor /= t.messageBytes
		if t.spec.Records > 0 {
			q, factor = w.cfg.Profiles[t.spec.Records-1], 1
		}
	}
	start := q.Start.Truncate(k.step)
	if start.Before(q.Start) {
		start = start.Add(k.step)
	}
	p := &past{start: start}
	if end := q.End(); !end.Before(start) {
		p.values = make([]float64, int(end.Sub(start)/k.step)+1)
	}
	for i := range p.values {
		p.values[i] = factor * q.At(start.Add(time.Duration(i)*k.step-w.behind(k.step)))
	}
	if w.pasts == nil {
		w.pasts = map[pastKey]*past{}
	}
	w.pasts[k] = p
	return p
}

// cut is the part of a past that lies in the window. Its values are shared
// with the world, except where an outage took some away.
func (w *World) cut(p *past, signal metrics.Signal, topic int, win metrics.Window) metrics.Series {
	lo := max(int(math.Ceil(float64(win.From.Sub(p.start))/float64(win.Step))), 0)
	hi := min(int(math.Floor(float64(win.To.Sub(p.start))/float64(win.Step)))+1, len(p.values))
	s := metrics.Series{Signal: signal, Labels: w.topics[topic].labels, Start: p.start.Add(time.Duration(lo) * win.Step), Step: win.Step}
	if hi <= lo {
		return s
	}
	s.Values = p.values[lo:hi:hi]
	for _, o := range w.outages {
		if o.to.Before(s.Start) || o.from.After(s.End()) {
			continue
		}
		own := append([]float64(nil), s.Values...)
		for i := range own {
			if at := s.TimeAt(i); !at.Before(o.from) && !at.After(o.to) {
				own[i] = math.NaN()
			}
		}
		s.Values = own
	}
	return s
}
