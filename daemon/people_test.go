package daemon

import (
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidetable/tidetable/adapters/journal"
	"github.com/tidetable/tidetable/adapters/web"
	"github.com/tidetable/tidetable/decision"
)

// TestWhatPeopleAskForIsOnRecordAndOutlivesARestart holds and approves, starts
// anew from the journal, and finds both in effect.
func TestWhatPeopleAskForIsOnRecordAndOutlivesARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	start := func() (*Front, *journal.Journal) {
		f := NewFront(FrontConfig{}, slog.New(slog.DiscardHandler))
		j, err := journal.Open(path, journal.Options{NoSync: true})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.adopt(t.Context(), "claims", j); err != nil {
			t.Fatal(err)
		}
		return f, j
	}
	ann := web.User{Name: "ann@example.org", Groups: []string{"oncall"}}
	proposal := decision.Proposal{Kind: decision.ScaleBrokers, Target: "kafka", From: 6, To: 7, Why: "a peak"}.Named("claims", time.Now())
	f, j := start()
	for _, op := range []web.Operation{
		{Name: web.Hold, Policy: "claims", ForSeconds: 2 * 3600, Reason: "quarter close", User: ann, Via: "page"},
		{Name: web.Approve, Policy: "claims", Decision: "d", Proposed: proposal, User: ann, Via: "page"},
	} {
		if err := f.desk.Operate(t.Context(), op); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}

	f, j = start()
	defer j.Close()
	desk := f.desk.Policy("claims")
	got, _ := desk.Observations(t.Context(), time.Now())
	if len(got) != 1 || got[0].Effect != decision.EffectFreeze || got[0].Source != "page/ann@example.org" ||
		time.Until(got[0].Until) > 2*time.Hour {
		t.Errorf("after a restart: %+v", got)
	}
	proposal.Why = "the same change in other words"
	if by, ok, _ := desk.Approved(t.Context(), proposal); !ok || by != ann.Name {
		t.Errorf("after a restart approved by %q, %v", by, ok)
	}
	var kinds []journal.Kind
	err := journal.Read(t.Context(), path, 0, func(e journal.Entry) error {
		if e.By == ann.Name {
			kinds = append(kinds, e.Kind)
		}
		return nil
	})
	if err != nil || len(kinds) != 2 || kinds[0] != journal.KindOperation || kinds[1] != journal.KindApproval {
		t.Errorf("on record: %v, %v", kinds, err)
	}
}

type approvals struct {
	by  string
	ok  bool
	err error
}

func (a approvals) Approved(context.Context, decision.Proposal) (string, bool, error) {
	return a.by, a.ok, a.err
}

func TestOneWayOfApprovingIsEnoughAndNoneIsNot(t *testing.T) {
	broken := errors.New("no API server")
	for name, c := range map[string]struct {
		ways anyApproval
		by   string
		ok   bool
		err  error
	}{
		"none":                {anyApproval{approvals{}, approvals{}}, "", false, nil},
		"the second":          {anyApproval{approvals{}, approvals{by: "bob", ok: true}}, "bob", true, nil},
		"beside a broken one": {anyApproval{approvals{err: broken}, approvals{by: "bob", ok: true}}, "bob", true, nil},
		"only a broken one":   {anyApproval{approvals{err: broken}, approvals{}}, "", false, broken},
		"yes with an error":   {anyApproval{approvals{by: "x", ok: true, err: broken}}, "", false, broken},
	} {
		by, ok, err := c.ways.Approved(t.Context(), decision.Proposal{})
		if by != c.by || ok != c.ok || !errors.Is(err, c.err) {
			t.Errorf("%s: %q, %v, %v", name, by, ok, err)
		}
	}
}

func TestNotificationsReachTheirPolicy(t *testing.T) {
	f := NewFront(FrontConfig{}, slog.New(slog.DiscardHandler))
	answers := func(code int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
	}
	h := f.handler()
	post := func(path string) int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, nil))
		return w.Code
	}
	if got := post("/api/v1/alerts"); got != http.StatusNotFound {
		t.Errorf("nobody listens: %d", got)
	}
	f.webhooks["claims"] = answers(201)
	if a, b := post("/api/v1/alerts"), post("/api/v1/alerts/claims"); a != 201 || b != 201 {
		t.Errorf("one policy: %d, %d", a, b)
	}
	f.webhooks["orders"] = answers(202)
	if a, b := post("/api/v1/alerts"), post("/api/v1/alerts/orders"); a != http.StatusNotFound || b != 202 {
		t.Errorf("two policies: %d, %d", a, b)
	}
}

// Somebody with the disk writes a hold until 2099 into a signed journal: its own
// controller does not take it up, and says so. Into one without a key he can, and
// it lasts as long as one of today.
func TestAHoldThatWasForgedHasNoEffect(t *testing.T) {
	_, key, _ := ed25519.GenerateKey(nil)
	later := func() time.Time { return time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC) }
	for name, c := range map[string]struct {
		key   ed25519.PrivateKey
		holds int
	}{"signed": {key, 0}, "without a key": {nil, 1}} {
		path := filepath.Join(t.TempDir(), "journal.jsonl")
		for _, by := range []journal.Options{{NoSync: true, Key: c.key}, {NoSync: true, Now: later}} { // the second is the forger's
			j, err := journal.Open(path, by)
			if err != nil {
				t.Fatal(err)
			}
			if by.Now != nil {
				err = j.RecordOperation(t.Context(), journal.Operation{Name: web.Hold, Subject: "claims", By: "eve", ForSeconds: 3600})
			}
			if err := errors.Join(err, j.Close()); err != nil {
				t.Fatal(err)
			}
		}
		var log strings.Builder
		f := NewFront(FrontConfig{}, slog.New(slog.NewTextHandler(&log, nil)))
		j, err := journal.Open(path, journal.Options{NoSync: true, Key: c.key})
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		if _, err := f.adopt(t.Context(), "claims", j); err != nil {
			t.Fatal(err)
		}
		got, _ := f.desk.Policy("claims").Observations(t.Context(), time.Now())
		if len(got) != c.holds || len(got) == 1 && time.Until(got[0].Until) > time.Hour {
			t.Errorf("%s: holds %+v", name, got)
		}
		if told := strings.Contains(log.String(), "it has no signature"); told != (c.holds == 0) {
			t.Errorf("%s: told %v: %s", name, told, log.String())
		}
	}
}
