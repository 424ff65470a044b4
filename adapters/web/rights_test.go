package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// counting is an API server that counts what it is asked.
type counting struct{ who, may atomic.Int64 }

func (c *counting) WhoIs(_ context.Context, token string) (User, error) {
	c.who.Add(1)
	if !strings.HasPrefix(token, "valid") {
		return User{}, errors.New("nobody's")
	}
	return User{Name: token}, nil
}

func (c *counting) May(context.Context, User, string, string) (bool, error) {
	c.may.Add(1)
	return false, nil
}

func ask(h http.Handler, token, address string, query string) int {
	r := httptest.NewRequest(http.MethodGet, "https://tidetable/api/v1/me"+query, nil)
	r.RemoteAddr = address + ":1"
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

// 600 threads of somebody without rights dethroned a leader in 22 s: each
// request was three reviews on the client that renews the Lease.
func TestNobodyWithoutRightsCostsTheAPIServerMuch(t *testing.T) {
	api := &counting{}
	h := Handler(Options{Reviewer: api, Operator: NewDesk(nil, nil)})
	for range 6000 {
		ask(h, "valid-but-without-rights", "10.0.0.1", "")
	}
	if api.who.Load() > 2 || api.may.Load() > 10 {
		t.Errorf("6,000 requests of one user are %d token reviews and %d access reviews", api.who.Load(), api.may.Load())
	}
}

func TestInvalidTokensDoNotStarveValidOnes(t *testing.T) {
	api := &counting{}
	h := Handler(Options{Reviewer: api, Operator: NewDesk(nil, nil)})
	for i := range 1000 {
		ask(h, "invalid-"+strings.Repeat("x", i), "10.0.0.1", "")
	}
	if api.who.Load() > 2*addressBurst {
		t.Errorf("1,000 invalid tokens of one address are %d reviews", api.who.Load())
	}
	if code := ask(h, "valid", "10.0.0.2", ""); code != http.StatusOK {
		t.Errorf("a valid token from another address: %d", code)
	}
	for range 100 {
		ask(h, "invalid", "10.0.0.2", "")
	}
	if code := ask(h, "valid", "10.0.0.2", ""); code != http.StatusOK {
		t.Errorf("a valid token that is known, beside invalid ones: %d", code)
	}
}

// Neither many threads at once nor names of policies that nobody has heard of
// make more questions of it.
func TestThreadsOfOneUserAskTogether(t *testing.T) {
	api := &counting{}
	h := Handler(Options{Store: fixtureStore(false), Reviewer: api, Operator: NewDesk(nil, nil)})
	var all sync.WaitGroup
	for i := range 600 {
		all.Go(func() {
			for k := range 5 {
				ask(h, "valid", "10.0.0.1", fmt.Sprintf("?policy=%d-%d", i, k))
			}
		})
	}
	all.Wait()
	if who, may := api.who.Load(), api.may.Load(); who > 2 || may > 10 {
		t.Errorf("600 threads of one user are %d token reviews and %d access reviews", who, may)
	}
}

func TestOneUsersQuestionsAreBounded(t *testing.T) {
	api, k := &counting{}, newRights()
	for i := range 1000 {
		_, _ = k.may(t.Context(), api, User{Name: "eve"}, "get", fmt.Sprint(i), time.Now())
	}
	if n := api.may.Load(); n > 3*userBurst {
		t.Errorf("1,000 questions about one user's rights reach the API server %d times", n)
	}
	if _, err := k.may(t.Context(), api, User{Name: "ann"}, "get", "", time.Now()); err != nil {
		t.Errorf("another user: %v", err)
	}
}

// A flood of invalid tokens from everywhere neither washes out who is known nor
// keeps him from being asked about again.
func TestWhoWasLetInPassesBeforeStrangers(t *testing.T) {
	api := &counting{}
	s := &server{opt: Options{Reviewer: api, Log: slog.New(slog.DiscardHandler)}, rights: newRights(), ids: newIdentities()}
	request := func(token string, from int) *http.Request {
		r := httptest.NewRequest(http.MethodGet, "https://tidetable/", nil)
		r.RemoteAddr = fmt.Sprintf("10.0.%d.%d:1", from/256, from%256)
		r.Header.Set("Authorization", "Bearer "+token)
		return r
	}
	if _, err := s.whoIs(request("valid", 0)); err != nil {
		t.Fatal(err)
	}
	for i := range 3 * maxKnown {
		_, _ = s.whoIs(request(fmt.Sprint("invalid-", i), i))
	}
	for key, u := range s.ids.users {
		s.ids.users[key] = knownUser{u.user, u.at.Add(-2 * userAge)} // it must be asked about again
	}
	before := api.who.Load()
	if _, err := s.whoIs(request("valid", 0)); err != nil || api.who.Load() != before+1 {
		t.Errorf("a known token beside a flood: %v, asked %d times", err, api.who.Load()-before)
	}
}

func TestATokenIsNotTakenOverPlainHTTPFromAnotherMachine(t *testing.T) {
	api := &counting{}
	h := Handler(Options{Store: fixtureStore(false), Reviewer: api, Operator: NewDesk(nil, nil)})
	for address, want := range map[string]int{"10.0.0.1:1": http.StatusUnauthorized, "127.0.0.1:1": http.StatusForbidden, "[::1]:1": http.StatusForbidden} {
		r := httptest.NewRequest(http.MethodGet, "http://tidetable/api/v1/now", nil)
		r.RemoteAddr = address
		r.Header.Set("Authorization", "Bearer valid")
		w := httptest.NewRecorder()
		before := api.who.Load()
		h.ServeHTTP(w, r)
		if w.Code != want || want == http.StatusUnauthorized && api.who.Load() != before {
			t.Errorf("from %s: %d %s", address, w.Code, w.Body)
		}
	}
}

// Where no token is asked for, somebody else's page could read this one in a
// browser that may reach it, by a name that leads here.
func TestAnOpenPageIsServedUnderItsOwnNamesOnly(t *testing.T) {
	h := Handler(Options{Store: fixtureStore(false), OpenReading: true, Hosts: []string{"tides.example.org"}})
	for host, want := range map[string]int{
		"127.0.0.1:8080": 200, "[::1]:8080": 200, "localhost:8080": 200, "10.1.2.3": 200, "tidetable:8080": 200,
		"tidetable.kafka.svc:8080": 200, "tidetable.kafka.svc.cluster.local": 200, "Tides.Example.org": 200,
		"evil.example": 421, "evil.example:8080": 421, "127.0.0.1.evil.example": 421, "svc.evil.example": 421, "": 421,
	} {
		r := httptest.NewRequest(http.MethodGet, "/api/v1/now", nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("Host %q: %d, want %d", host, w.Code, want)
		}
	}
}
