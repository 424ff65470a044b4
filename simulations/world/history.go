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
func behind(scrape, step time.Duration) time.Duration {
	if scrape <= 0 {
		return 0
	}
	return metrics.RateRange(step, scrape) / 2
}

// History is what Prometheus would have of the topics' past.
type History struct {
	scrape time.Duration
	place  *placement
	load   *load
	faults *faults
	time   *timeline
	pasts  map[pastKey]*past
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
func (h *History) History(_ context.Context, signal metrics.Signal, win metrics.Window) ([]metrics.Series, error) {
	if win.Step <= 0 || win.To.Before(win.From) {
		return nil, fmt.Errorf("reading the history of %s: window from %s to %s every %s", signal, win.From, win.To, win.Step)
	}
	if h.faults.metrics > 0 {
		return nil, fmt.Errorf("reading the history of %s: Prometheus does not answer", signal)
	}
	switch signal {
	case metrics.TopicBytesIn, metrics.TopicBytesOut, metrics.TopicMessagesIn:
	default:
		return nil, nil
	}
	if win.To.After(h.time.now) {
		win.To = h.time.now
	}
	out := make([]metrics.Series, 0, len(h.place.topics))
	for i := range h.place.topics {
		p := h.past(pastKey{win.Step, i, signal})
		out = append(out, h.cut(p, signal, i, win))
	}
	return out, nil
}

// past fills a topic's grid from the start of its profile to its end; only
// what is not after now is ever handed out.
func (h *History) past(k pastKey) *past {
	if p, ok := h.pasts[k]; ok {
		return p
	}
	t := &h.place.topics[k.topic]
	q := h.load.profiles[t.spec.Profile]
	factor := t.spec.Scale
	switch k.signal {
	case metrics.TopicBytesOut:
		factor *= float64(t.readers)
	case metrics.TopicMessagesIn:
		factor /= t.messageBytes
		if t.spec.Records > 0 {
			q, factor = h.load.profiles[t.spec.Records-1], 1
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
		p.values[i] = factor * q.At(start.Add(time.Duration(i)*k.step-behind(h.scrape, k.step)))
	}
	if h.pasts == nil {
		h.pasts = map[pastKey]*past{}
	}
	h.pasts[k] = p
	return p
}

// cut is the part of a past that lies in the window. Its values are shared
// with the world, except where an outage took some away.
func (h *History) cut(p *past, signal metrics.Signal, topic int, win metrics.Window) metrics.Series {
	lo := max(int(math.Ceil(float64(win.From.Sub(p.start))/float64(win.Step))), 0)
	hi := min(int(math.Floor(float64(win.To.Sub(p.start))/float64(win.Step)))+1, len(p.values))
	s := metrics.Series{
		Signal: signal, Labels: h.place.topics[topic].labels, Start: p.start.Add(time.Duration(lo) * win.Step), Step: win.Step,
	}
	if hi <= lo {
		return s
	}
	s.Values = p.values[lo:hi:hi]
	for _, o := range h.faults.outages {
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
