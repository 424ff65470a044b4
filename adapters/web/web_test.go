package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidetable/tidetable/adapters/web/webtest"
	"github.com/tidetable/tidetable/decision"
)

// fixtureStore keeps a day of decisions.
func fixtureStore(hostile bool) *Store {
	s := NewStore(0)
	for _, d := range webtest.Decisions(hostile) {
		s.Add(d)
	}
	return s
}

// fakeReviewer knows ann, who may do everything, and bob, who may read.
type fakeReviewer struct{ asked int }

func (f *fakeReviewer) WhoIs(_ context.Context, token string) (User, error) {
	f.asked++
	switch token {
	case "ann-token":
		return User{Name: "ann@example.org", Groups: []string{"oncall"}}, nil
	case "bob-token":
		return User{Name: "bob@example.org"}, nil
	}
	return User{}, errors.New("token " + token + " is not valid")
}

func (f *fakeReviewer) May(_ context.Context, u User, verb, _ string) (bool, error) {
	return u.Name == "ann@example.org" || verb == "get", nil
}

type call struct {
	method, path, token, body string
	header                    map[string]string
}

func do(h http.Handler, c call) *httptest.ResponseRecorder {
	r := httptest.NewRequest(c.method, "https://tidetable"+c.path, strings.NewReader(c.body))
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	if c.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for k, v := range c.header {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestTheAPIAnswersWithDecisions(t *testing.T) {
	h := Handler(Options{Store: fixtureStore(false), OpenReading: true})
	var now Now
	w := do(h, call{method: "GET", path: "/api/v1/now"})
	if err := json.Unmarshal(w.Body.Bytes(), &now); err != nil || w.Code != 200 {
		t.Fatalf("%d %v", w.Code, err)
	}
	if now.Decision.Policy != "claims" || len(now.Past) != 48 || len(now.Concerns) == 0 || !slices.Equal(now.Policies, []string{"claims"}) {
		t.Errorf("now = %s, %d past, %d concerns", now.Decision.ID, len(now.Past), len(now.Concerns))
	}
	if acted := now.Past[31].Acted; acted != "StatefulSet/kafka: replicas 6 → 7" {
		t.Errorf("acted = %q", acted)
	}
	var items []Item
	w = do(h, call{method: "GET", path: "/api/v1/decisions?policy=claims&limit=10"})
	if err := json.Unmarshal(w.Body.Bytes(), &items); err != nil || len(items) != 10 || items[0].ID != now.Decision.ID {
		t.Fatalf("%v %+v", err, items)
	}
	w = do(h, call{method: "GET", path: "/api/v1/decisions?policy=claims&limit=500&before=" + items[9].Time.Format(time.RFC3339)})
	json.Unmarshal(w.Body.Bytes(), &items)
	if len(items) != 38 {
		t.Errorf("%d older decisions, want 38", len(items))
	}
	for path, code := range map[string]int{
		"/": 200, "/assets/echarts.min.js": 200, "/assets/app.js": 200, "/assets/none.js": 404, "/assets/..%2fweb.go": 404, "/none": 404,
		"/api/v1/decision?id=" + items[0].ID: 200, "/api/v1/decision?id=none": 404,
		"/api/v1/decisions?limit=0": 400, "/api/v1/decisions?limit=x": 400, "/api/v1/decisions?before=noon": 400,
	} {
		if w := do(h, call{method: "GET", path: path}); w.Code != code {
			t.Errorf("%s: %d, want %d", path, w.Code, code)
		}
	}
	empty := do(Handler(Options{OpenReading: true}), call{method: "GET", path: "/api/v1/now"})
	if !strings.Contains(empty.Body.String(), `"decision":null`) {
		t.Errorf("before the first tick: %s", empty.Body)
	}
}

func TestEveryAnswerCarriesThePolicyThatKeepsOthersOut(t *testing.T) {
	h := Handler(Options{Store: fixtureStore(true), OpenReading: true})
	for _, path := range []string{"/", "/assets/app.js", "/api/v1/now", "/none"} {
		w := do(h, call{method: "GET", path: path})
		csp := w.Header().Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || strings.Contains(csp, "http") {
			t.Errorf("%s: policy %q", path, csp)
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: types may be guessed", path)
		}
	}
}

func TestWhoMayRead(t *testing.T) {
	closed := Handler(Options{Store: fixtureStore(false), Reviewer: &fakeReviewer{}})
	nobody := Handler(Options{Store: fixtureStore(false)})
	for name, c := range map[string]struct {
		h     http.Handler
		token string
		want  int
	}{
		"nobody to ask": {nobody, "ann-token", 403},
		"no token":      {closed, "", 401},
		"a bad token":   {closed, "guess", 401},
		"a reader":      {closed, "bob-token", 200},
	} {
		for _, path := range []string{"/api/v1/now", "/api/v1/decisions?policy=claims"} {
			w := do(c.h, call{method: "GET", path: path, token: c.token})
			if w.Code != c.want || strings.Contains(w.Body.String(), "guess") {
				t.Errorf("%s: %d %s, want %d", name, w.Code, w.Body, c.want)
			}
		}
	}
}

func TestOnlyThoseWithRightsOperate(t *testing.T) {
	var recorded []Operation
	desk := NewDesk(func() time.Time { return webtest.Epoch }, func(_ context.Context, op Operation, _ time.Time) error {
		recorded = append(recorded, op)
		return nil
	})
	store := fixtureStore(false)
	reviewer := &fakeReviewer{}
	h := Handler(Options{Store: store, Reviewer: reviewer, Operator: desk, OpenReading: true})
	hold := `{"name":"hold","policy":"claims","reason":"quarter close","forSeconds":3600}`
	for name, c := range map[string]struct {
		call call
		want int
	}{
		"no token":               {call{method: "POST", body: hold}, 401},
		"a bad token":            {call{method: "POST", body: hold, token: "guess"}, 401},
		"a reader":               {call{method: "POST", body: hold, token: "bob-token"}, 403},
		"another site":           {call{method: "POST", body: hold, token: "ann-token", header: map[string]string{"Sec-Fetch-Site": "cross-site"}}, 403},
		"another origin":         {call{method: "POST", body: hold, token: "ann-token", header: map[string]string{"Origin": "https://evil.example"}}, 403},
		"a form":                 {call{method: "POST", body: hold, token: "ann-token", header: map[string]string{"Content-Type": "text/plain"}}, 415},
		"GET":                    {call{method: "GET", token: "ann-token"}, 405},
		"not JSON":               {call{method: "POST", body: "hold", token: "ann-token"}, 400},
		"no reason":              {call{method: "POST", body: `{"name":"hold","policy":"claims"}`, token: "ann-token"}, 400},
		"for ever":               {call{method: "POST", body: `{"name":"hold","policy":"claims","reason":"x","forSeconds":9000000000}`, token: "ann-token"}, 400},
		"another policy":         {call{method: "POST", body: `{"name":"hold","policy":"none","reason":"x"}`, token: "ann-token"}, 400},
		"an unknown operation":   {call{method: "POST", body: `{"name":"scaleIn","policy":"claims"}`, token: "ann-token"}, 400},
		"a user of one's own":    {call{method: "POST", body: `{"name":"hold","policy":"claims","reason":"x","User":{"Name":"root"}}`, token: "ann-token"}, 400},
		"a proposal of nobody's": {call{method: "POST", body: `{"name":"approve","policy":"claims","decision":"none"}`, token: "ann-token"}, 400},
		"resume without a hold":  {call{method: "POST", body: `{"name":"resume","policy":"claims"}`, token: "ann-token"}, 409},
		"too large":              {call{method: "POST", body: `{"name":"hold","policy":"claims","reason":"` + strings.Repeat("x", 20<<10) + `"}`, token: "ann-token"}, 400},
	} {
		c.call.path = "/api/v1/operations"
		if w := do(h, c.call); w.Code != c.want {
			t.Errorf("%s: %d %s, want %d", name, w.Code, w.Body, c.want)
		}
	}
	if len(recorded) != 0 || len(desk.Holders()) != 0 {
		t.Fatalf("something happened: %+v, %v", recorded, desk.Holders())
	}
	last, _, _ := store.latest("claims")
	for _, body := range []string{hold, `{"name":"approve","policy":"claims","decision":"` + last.ID + `","proposal":0,"reason":"checked the graphs"}`} {
		if w := do(h, call{method: "POST", path: "/api/v1/operations", body: body, token: "ann-token"}); w.Code != http.StatusNoContent {
			t.Fatalf("%s: %d %s", body, w.Code, w.Body)
		}
	}
	if len(recorded) != 2 || recorded[0].User.Name != "ann@example.org" || recorded[1].Via != "page" {
		t.Errorf("recorded %+v", recorded)
	}
	loop := desk.Policy("claims")
	if got, _ := loop.Observations(t.Context(), webtest.Epoch); len(got) != 1 || got[0].Effect != decision.EffectFreeze ||
		!got[0].Until.Equal(webtest.Epoch.Add(time.Hour)) {
		t.Errorf("observations = %+v", got)
	}
	if got, _ := loop.Observations(t.Context(), webtest.Epoch.Add(2*time.Hour)); len(got) != 0 {
		t.Errorf("the hold outlives its time: %+v", got)
	}
	if by, ok, _ := loop.Approved(t.Context(), last.Proposals[0]); !ok || by != "ann@example.org" {
		t.Errorf("approved by %q, %v", by, ok)
	}
	more := last.Proposals[0]
	more.To++
	if _, ok, _ := loop.Approved(t.Context(), more); ok {
		t.Error("another change than the approved one goes on")
	}
	if _, ok, _ := desk.Policy("orders").Approved(t.Context(), last.Proposals[0]); ok {
		t.Error("another policy's change goes on")
	}
	if reviewer.asked > 40 {
		t.Errorf("the API server was asked %d times", reviewer.asked)
	}
}

func TestWhatCannotBeRecordedDoesNotHappen(t *testing.T) {
	desk := NewDesk(func() time.Time { return webtest.Epoch }, func(context.Context, Operation, time.Time) error { return errors.New("disk full") })
	if err := desk.Operate(t.Context(), Operation{Name: Hold, Policy: "claims"}); err == nil || len(desk.Holders()) != 0 {
		t.Errorf("%v, held: %v", err, desk.Holders())
	}
}

func TestAControllerThatStartsRestoresAHold(t *testing.T) {
	now := webtest.Epoch
	desk := NewDesk(func() time.Time { return now }, nil)
	ann := User{Name: "ann"}
	desk.Restore(Operation{Name: Hold, Policy: "claims", User: ann}, webtest.Epoch.Add(-time.Hour))
	desk.Restore(Operation{Name: Hold, Policy: "orders", User: ann}, webtest.Epoch.Add(-time.Hour))
	desk.Restore(Operation{Name: Resume, Policy: "orders", User: ann}, webtest.Epoch.Add(-time.Minute))
	if got, _ := desk.Policy("claims").Observations(t.Context(), now); len(got) != 1 || !got[0].Until.Equal(webtest.Epoch.Add(3*time.Hour)) {
		t.Errorf("claims: %+v", got)
	}
	if got, _ := desk.Policy("orders").Observations(t.Context(), now); len(got) != 0 {
		t.Errorf("orders: %+v", got)
	}
}

func TestTheStoreIsBoundedAndThePastIsThinned(t *testing.T) {
	s := NewStore(10)
	for i := range 2000 {
		d := decision.Decision{
			ID:     webtest.Epoch.Add(time.Duration(i) * time.Minute).Format(time.RFC3339),
			Policy: "p",
			Time:   webtest.Epoch.Add(time.Duration(i) * time.Minute),
		}
		if i == 1001 {
			d.Proposals = []decision.Proposal{{Kind: decision.ScaleBrokers}, {Kind: decision.ScaleConsumers}}
			d.Actions = []decision.Action{{Done: "scaled"}}
		}
		if i%3 == 0 {
			d.Proposals = append(d.Proposals, decision.Proposal{Kind: decision.ScaleConsumers})
			d.Actions = append(d.Actions, decision.Action{Done: "consumers", Proposal: len(d.Proposals) - 1})
		}
		s.Add(d)
	}
	if n := len(s.list("p", time.Time{}, 100)); n != 10 {
		t.Errorf("%d decisions are held", n)
	}
	_, past, _ := s.latest("p")
	acted := slices.IndexFunc(past, func(p PastPoint) bool { return p.Acted != "" })
	if len(past) > maxPast+2 || acted < 0 || !past[len(past)-1].Time.Equal(webtest.Epoch.Add(1999*time.Minute)) {
		t.Errorf("%d points, acted at %d", len(past), acted)
	}
}
