package web

import (
	"net/http"
	"strconv"
	"time"

	"github.com/tidetable/tidetable/decision"
)

// Now is the answer to GET /api/v1/now: all that the first screen shows.
type Now struct {
	Title    string             `json:"title,omitempty"`
	Policies []string           `json:"policies"`
	Decision *decision.Decision `json:"decision"` // null before the first tick
	Concerns []decision.Concern `json:"concerns"`
	Past     []PastPoint        `json:"past"`
	Time     time.Time          `json:"time"` // the server's clock
}

// Item is one line of the timeline.
type Item struct {
	ID       string    `json:"id"`
	Time     time.Time `json:"time"`
	Mode     string    `json:"mode"`
	Outcome  string    `json:"outcome"`
	Reason   string    `json:"reason"`
	Actions  int       `json:"actions"`
	Held     int       `json:"held"`
	Concerns int       `json:"concerns"`
}

func (s *server) now(w http.ResponseWriter, r *http.Request) {
	n := Now{
		Title:    s.opt.Title,
		Policies: s.opt.Store.names(),
		Concerns: []decision.Concern{},
		Past:     []PastPoint{},
		Time:     s.opt.Now().UTC(),
	}
	d, past, ok := s.opt.Store.latest(r.URL.Query().Get("policy"))
	if ok {
		n.Decision, n.Past = &d, past
		n.Concerns = append(n.Concerns, decision.Concerns(d)...)
	}
	writeJSON(w, http.StatusOK, n)
}

func (s *server) decision(w http.ResponseWriter, r *http.Request) {
	d, ok := s.opt.Store.find(r.URL.Query().Get("id"))
	if !ok {
		fail(w, http.StatusNotFound, "the page no longer holds this decision; the journal does")
		return
	}
	writeJSON(w, http.StatusOK, struct {
		Decision decision.Decision  `json:"decision"`
		Concerns []decision.Concern `json:"concerns"`
	}{d, append([]decision.Concern{}, decision.Concerns(d)...)})
}

func (s *server) decisions(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	limit := 50
	if v := q.Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > DefaultKeep {
			fail(w, http.StatusBadRequest, "limit: want a number from 1 to 500")
			return
		}
		limit = n
	}
	var before time.Time
	if v := q.Get("before"); v != "" {
		t, err := time.Parse(time.RFC3339, v)
		if err != nil {
			fail(w, http.StatusBadRequest, "before: want a time such as 2026-03-01T12:00:00Z")
			return
		}
		before = t
	}
	items := []Item{}
	for _, d := range s.opt.Store.list(q.Get("policy"), before, limit) {
		it := Item{
			ID:       d.ID,
			Time:     d.Time,
			Mode:     d.Mode,
			Outcome:  d.Outcome,
			Reason:   d.Reason,
			Actions:  len(d.Actions),
			Concerns: len(decision.Concerns(d)),
		}
		for _, v := range d.Verdicts {
			if v.Ruling != decision.Allow {
				it.Held++
			}
		}
		items = append(items, it)
	}
	writeJSON(w, http.StatusOK, items)
}
