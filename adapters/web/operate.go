package web

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/tidetable/tidetable/decision"
)

// The operations that a person can ask for; their names are the verbs that
// rights are asked for.
const (
	Hold    = "hold"    // nothing is changed until resumed, or the hold expires
	Resume  = "resume"  // what was held by hand goes on
	Approve = "approve" // one proposal may go on, in mode Approve
)

var verbs = []string{Approve, Hold, Resume}

// Operation is what a person asks for.
type Operation struct {
	Name       string  `json:"name"`
	Policy     string  `json:"policy"`
	Decision   string  `json:"decision,omitempty"` // for approve
	Proposal   int     `json:"proposal,omitempty"` // for approve: index into the decision's
	ForSeconds float64 `json:"forSeconds,omitempty"`
	Reason     string  `json:"reason,omitempty"`

	User     User              `json:"-"` // as authenticated, never as said
	Proposed decision.Proposal `json:"-"` // what approve is about, as the store has it
	Via      string            `json:"-"`
}

// Operator does what people ask for. An error of an operation that makes no
// sense wraps ErrRefused, and its text is shown.
type Operator interface {
	Operate(ctx context.Context, op Operation) error
}

// ErrRefused says that an operation makes no sense now.
var ErrRefused = errors.New("refused")

const (
	maxOperationBody = 16 << 10
	maxReason        = 500 // runes
)

// signedIn authenticates the request, and answers it where that fails.
func (s *server) signedIn(w http.ResponseWriter, r *http.Request) (User, bool) {
	u, err := s.whoIs(r)
	if err != nil {
		w.Header().Set("WWW-Authenticate", `Bearer realm="tidetable"`)
		status := http.StatusUnauthorized
		if errors.Is(err, errTooMany) {
			status = http.StatusTooManyRequests
		}
		fail(w, status, err.Error())
	}
	return u, err == nil
}

// reading lets a handler answer those who may read.
func (s *server) reading(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.opt.OpenReading {
			next(w, r)
			return
		}
		if s.opt.Reviewer == nil {
			fail(w, http.StatusForbidden, "reading needs a token, and there is nobody to check one")
			return
		}
		u, ok := s.signedIn(w, r)
		if !ok {
			return
		}
		// The answers name every policy, so the right to get all is asked for.
		if !s.may(r.Context(), u, "get", "") {
			fail(w, http.StatusForbidden, "reading needs the right to get kafkacapacitypolicies")
			return
		}
		next(w, r)
	}
}

// Me is the answer to GET /api/v1/me.
type Me struct {
	User string          `json:"user,omitempty"`
	May  map[string]bool `json:"may"`
	Why  string          `json:"why,omitempty"` // why the page is read-only
}

func (s *server) me(w http.ResponseWriter, r *http.Request) {
	m := Me{May: map[string]bool{}}
	if s.opt.Reviewer == nil || s.opt.Operator == nil {
		m.Why = "this page is read-only: it runs where nobody's rights can be checked"
		writeJSON(w, http.StatusOK, m)
		return
	}
	u, err := s.whoIs(r)
	if err != nil {
		m.Why = "read-only until you sign in"
		if !errors.Is(err, errNoToken) {
			m.Why = err.Error()
		}
		writeJSON(w, http.StatusOK, m)
		return
	}
	m.User = u.Name
	policy := r.URL.Query().Get("policy")
	if _, _, ok := s.opt.Store.latest(policy); !ok {
		policy = "" // asking about names that nobody has heard of would be without end
	}
	for _, v := range verbs {
		m.May[v] = s.may(r.Context(), u, v, policy)
	}
	writeJSON(w, http.StatusOK, m)
}

func (s *server) operate(w http.ResponseWriter, r *http.Request) {
	if s.opt.Reviewer == nil || s.opt.Operator == nil {
		fail(w, http.StatusForbidden, "this page is read-only")
		return
	}
	// A form of another site cannot send this type without being asked first.
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		fail(w, http.StatusUnsupportedMediaType, "want application/json")
		return
	}
	u, ok := s.signedIn(w, r)
	if !ok {
		return
	}
	op, err := s.readOperation(http.MaxBytesReader(w, r.Body, maxOperationBody))
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	if !s.may(r.Context(), u, op.Name, op.Policy) {
		fail(w, http.StatusForbidden, u.Name+" has no right to "+op.Name+" this policy")
		return
	}
	op.User, op.Via = u, "page"
	err = s.opt.Operator.Operate(r.Context(), op)
	switch {
	case errors.Is(err, ErrRefused):
		fail(w, http.StatusConflict, err.Error())
	case err != nil:
		s.opt.Log.Error("doing what a person asked for", "operation", op.Name, "user", u.Name, "error", err)
		fail(w, http.StatusInternalServerError, "it could not be done; the log says why")
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

func (s *server) readOperation(body io.Reader) (Operation, error) {
	var op Operation
	dec := json.NewDecoder(body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&op); err != nil {
		return op, errors.New("the body is not an operation")
	}
	if _, _, ok := s.opt.Store.latest(op.Policy); !ok || op.Policy == "" {
		return op, errors.New("policy: there is none of that name")
	}
	if utf8.RuneCountInString(op.Reason) > maxReason {
		return op, errors.New("reason: want at most 500 characters")
	}
	switch op.Name {
	case Hold:
		if !(op.ForSeconds >= 0 && op.ForSeconds <= MaxHold.Seconds()) {
			return op, errors.New("forSeconds: want at most seven days")
		}
		if strings.TrimSpace(op.Reason) == "" {
			return op, errors.New("reason: say why, for whoever is on call next")
		}
	case Resume:
	case Approve:
		d, ok := s.opt.Store.find(op.Decision)
		if !ok || d.Policy != op.Policy || op.Proposal < 0 || op.Proposal >= len(d.Proposals) {
			return op, errors.New("decision, proposal: there is none such")
		}
		op.Proposed = d.Proposals[op.Proposal]
	default:
		return op, errors.New("name: want hold, resume or approve")
	}
	return op, nil
}
