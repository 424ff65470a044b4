package web

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidetable/tidetable/decision"
)

// DefaultKeep is how many decisions of a policy the page holds: two days and a
// half of one every seven minutes, or four hours of one every half minute.
const DefaultKeep = 500

// maxPast bounds the points of the past that one answer carries.
const maxPast = 400

// Store holds the latest decisions for the page. The journal holds them all.
type Store struct {
	keep int

	mu       sync.RWMutex
	policies map[string][]decision.Decision // oldest first
	past     map[string][]PastPoint
}

// PastPoint is what one decision saw and wanted, in a few numbers: it outlives
// the decision it comes from.
type PastPoint struct {
	Time    time.Time          `json:"time"`
	ID      string             `json:"id"`
	Brokers int                `json:"brokers"`
	Wanted  int                `json:"wanted"`
	Signals map[string]float64 `json:"signals"`
	Acted   string             `json:"acted,omitempty"` // what was done, if anything was
}

// pastAge is how far back the page's charts reach.
const pastAge = 48 * time.Hour

// NewStore makes a store that keeps so many decisions of each policy; zero
// stands for DefaultKeep.
func NewStore(keep int) *Store {
	if keep <= 0 {
		keep = DefaultKeep
	}
	return &Store{keep: keep, policies: map[string][]decision.Decision{}, past: map[string][]PastPoint{}}
}

// Add takes a decision in.
func (s *Store) Add(d decision.Decision) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := append(s.policies[d.Policy], d)
	if len(all) > s.keep {
		all = slices.Clone(all[len(all)-s.keep:])
	}
	s.policies[d.Policy] = all
	past := append(s.past[d.Policy], pastPoint(d))
	old := 0
	for old < len(past) && d.Time.Sub(past[old].Time) > pastAge {
		old++
	}
	s.past[d.Policy] = past[old:]
}

// Record takes a decision in, as controller.Journal.
func (s *Store) Record(_ context.Context, d decision.Decision) error {
	s.Add(d)
	return nil
}

func pastPoint(d decision.Decision) PastPoint {
	p := PastPoint{Time: d.Time, ID: d.ID, Brokers: d.Seen.AliveBrokers, Wanted: d.Requirement.Brokers, Signals: map[string]float64{}}
	for _, f := range d.Forecasts {
		p.Signals[signalKey(f)] = f.Now
	}
	var done []string
	for _, a := range d.Actions {
		// The chart marks what changed the brokers; consumers change too often
		// to be told apart there, and are in the timeline.
		if a.DryRun || a.Error != "" || a.Proposal < 0 || a.Proposal >= len(d.Proposals) {
			continue
		}
		if d.Proposals[a.Proposal].Kind == decision.ScaleBrokers {
			done = append(done, a.Done)
		}
	}
	p.Acted = strings.Join(done, "; ")
	return p
}

func signalKey(f decision.ForecastSummary) string {
	if f.Subject == "" {
		return f.Signal
	}
	return f.Signal + "/" + f.Subject
}

// Latest is the time of the newest decision: now, in a simulated world.
func (s *Store) Latest() time.Time {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var at time.Time
	for _, all := range s.policies {
		if t := all[len(all)-1].Time; t.After(at) {
			at = t
		}
	}
	return at
}

func (s *Store) names() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.policies))
}

// latest returns the newest decision of a policy; of the first one by name
// when the name is empty.
func (s *Store) latest(policy string) (d decision.Decision, past []PastPoint, ok bool) {
	if policy == "" {
		if names := s.names(); len(names) > 0 {
			policy = names[0]
		}
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := s.policies[policy]
	if len(all) == 0 {
		return d, nil, false
	}
	return all[len(all)-1], thinned(s.past[policy]), true
}

// thinned keeps the points at which something was done, the last one, and an
// even choice of the others.
func thinned(past []PastPoint) []PastPoint {
	step := (len(past) + maxPast - 1) / maxPast
	if step <= 1 {
		return slices.Clone(past)
	}
	var out []PastPoint
	for i, p := range past {
		if i%step == 0 || p.Acted != "" || i == len(past)-1 {
			out = append(out, p)
		}
	}
	return out
}

// list returns up to limit decisions of a policy from before a time, newest first.
func (s *Store) list(policy string, before time.Time, limit int) []decision.Decision {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []decision.Decision
	for _, d := range slices.Backward(s.policies[policy]) {
		if len(out) == limit {
			break
		}
		if before.IsZero() || d.Time.Before(before) {
			out = append(out, d)
		}
	}
	return out
}

func (s *Store) find(id string) (decision.Decision, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, all := range s.policies {
		for _, d := range slices.Backward(all) {
			if d.ID == id {
				return d, true
			}
		}
	}
	return decision.Decision{}, false
}
