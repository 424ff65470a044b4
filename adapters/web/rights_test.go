package web

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// counting is an API server that counts what it is asked.
type counting struct{ who, may int }

func (c *counting) WhoIs(_ context.Context, token string) (User, error) {
	c.who++
	if !strings.HasPrefix(token, "valid") {
		return User{}, errors.New("nobody's")
	}
	return User{Name: token}, nil
}

func (c *counting) May(context.Context, User, string, string) (bool, error) {
	c.may++
	return false, nil
}

func ask(h http.Handler, token, address string) int {
	r := httptest.NewRequest(http.MethodGet, "/api/v1/me", nil)
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
		ask(h, "valid-but-without-rights", "10.0.0.1")
	}
	if api.who > 2 || api.may > 10 {
		t.Errorf("6,000 requests of one user are %d token reviews and %d access reviews", api.who, api.may)
	}
}

func TestInvalidTokensDoNotStarveValidOnes(t *testing.T) {
	api := &counting{}
	h := Handler(Options{Reviewer: api, Operator: NewDesk(nil, nil)})
	for i := range 1000 {
		ask(h, "invalid-"+strings.Repeat("x", i), "10.0.0.1")
	}
	if api.who > 2*addressBurst {
		t.Errorf("1,000 invalid tokens of one address are %d reviews", api.who)
	}
	if code := ask(h, "valid", "10.0.0.2"); code != http.StatusOK {
		t.Errorf("a valid token from another address: %d", code)
	}
	for range 100 {
		ask(h, "invalid", "10.0.0.2")
	}
	if code := ask(h, "valid", "10.0.0.2"); code != http.StatusOK {
		t.Errorf("a valid token that is known, beside invalid ones: %d", code)
	}
}
