package alertmanager

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/alertmanager/api/v2/models"

	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/policy"
)

// fakePeer keeps what it is told, as Alertmanager does: the latest word on
// each set of labels. It can be down, and it can hang.
type fakePeer struct {
	mu     sync.Mutex
	down   bool
	hang   bool
	refuse bool
	posts  int
	alerts map[string][]models.PostableAlert // by alertname and subject, every start once
}

func (f *fakePeer) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	hang := f.hang
	f.mu.Unlock()
	if hang {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return nil, errors.New("connection refused")
	}
	f.posts++
	status := http.StatusOK
	var got []models.PostableAlert
	if err := json.NewDecoder(r.Body).Decode(&got); err != nil || f.refuse {
		status = http.StatusBadRequest
	}
	for _, a := range got {
		name := a.Labels["alertname"] + "/" + a.Labels["subject"]
		list := f.alerts[name]
		if n := len(list); n > 0 && time.Time(list[n-1].StartsAt).Equal(time.Time(a.StartsAt)) {
			list[n-1] = a
		} else {
			list = append(list, a)
		}
		f.alerts[name] = list
	}
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Body: io.NopCloser(strings.NewReader("")), Request: r}, nil
}

func (f *fakePeer) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// told is how many posts have come.
func (f *fakePeer) told() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.posts
}

func (f *fakePeer) of(name string) []models.PostableAlert {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]models.PostableAlert(nil), f.alerts[name]...)
}

func newFakePeer(name string) (*fakePeer, Endpoint) {
	f := &fakePeer{alerts: map[string][]models.PostableAlert{}}
	return f, Endpoint{Name: name, URL: &url.URL{Scheme: "http", Host: name}, Client: &http.Client{Transport: f}}
}

func held(ids ...string) decision.Decision {
	d := decision.Decision{ID: "d", Policy: "claims", ClusterID: "c"}
	for i, id := range ids {
		d.Proposals = append(d.Proposals, decision.Proposal{Kind: decision.ScaleConsumers, Target: id, From: 1, To: 2})
		d.Verdicts = append(d.Verdicts, decision.Verdict{Gate: "cooldown", Proposal: i, Ruling: decision.Hold})
	}
	return d
}

func running(t *testing.T, s *Sender) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}

func TestAnAlertIsKeptAliveAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, e := newFakePeer("am")
		s := NewSender(SenderOptions{Endpoints: []Endpoint{e}})
		running(t, s)
		began := time.Now()
		s.Publish(held("billing"))
		synctest.Wait()
		for range 10 {
			got := f.of("ScaleHeld/billing")
			if len(got) != 1 || !time.Time(got[0].StartsAt).Equal(began) {
				t.Fatalf("alerts = %+v, want one that starts at %v", got, began)
			}
			if ends := time.Time(got[0].EndsAt); ends.Sub(time.Now()) < 2*DefaultInterval {
				t.Fatalf("the alert would end at %v, and it is %v", ends, time.Now())
			}
			s.Publish(held("billing")) // deduplicated: the same alert, still firing
			time.Sleep(DefaultInterval)
		}
		if posts := f.told(); posts > 12 {
			t.Errorf("%d posts in ten intervals for an alert that never changed", posts)
		}
		s.Publish(held())
		synctest.Wait()
		got := f.of("ScaleHeld/billing")
		if ends := time.Time(got[0].EndsAt); len(got) != 1 || ends.After(time.Now()) {
			t.Errorf("the alert ends at %v, and it is %v", ends, time.Now())
		}
	})
}

func TestAnAlertmanagerThatIsDownLosesNothingAndSlowsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down, downEnd := newFakePeer("down")
		up, upEnd := newFakePeer("up")
		stuck, stuckEnd := newFakePeer("stuck")
		stuck.hang = true
		down.down = true
		s := NewSender(SenderOptions{Endpoints: []Endpoint{downEnd, upEnd, stuckEnd}})
		running(t, s)

		// For ten minutes an alert comes and goes every tick, and one stays.
		// Publishing never waits: on the fake clock it takes no time at all.
		for i := range 20 {
			before := time.Now()
			s.Publish(held("stays", fmt.Sprintf("passing-%d", i)))
			if took := time.Since(before); took != 0 {
				t.Fatalf("publishing waited %v", took)
			}
			time.Sleep(30 * time.Second)
			synctest.Wait()
			if len(up.of(fmt.Sprintf("ScaleHeld/passing-%d", i))) != 1 {
				t.Fatal("the Alertmanager that is up was not told")
			}
		}
		s.Publish(held("stays"))
		down.set(func() { down.down = false })
		stuck.set(func() { stuck.hang = false })
		time.Sleep(2 * retryMost)
		synctest.Wait()
		for _, f := range []*fakePeer{down, up, stuck} {
			for i := range 20 {
				got := f.of(fmt.Sprintf("ScaleHeld/passing-%d", i))
				if len(got) != 1 || time.Time(got[0].EndsAt).After(time.Now()) {
					t.Errorf("passing-%d: %+v, want it once and ended", i, got)
				}
			}
			if got := f.of("ScaleHeld/stays"); len(got) != 1 || time.Time(got[0].EndsAt).Before(time.Now()) {
				t.Errorf("stays: %+v, want it once and firing", got)
			}
		}
	})
}

func TestAnAlertThatFiresAgainComesAfterItsOwnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, e := newFakePeer("am")
		f.down = true
		s := NewSender(SenderOptions{Endpoints: []Endpoint{e}})
		running(t, s)
		s.Publish(held("billing"))
		time.Sleep(time.Minute)
		s.Publish(held())
		time.Sleep(time.Minute)
		s.Publish(held("billing"))
		f.set(func() { f.down = false })
		time.Sleep(time.Minute)
		synctest.Wait()
		got := f.of("ScaleHeld/billing")
		if len(got) != 2 || time.Time(got[0].EndsAt).After(time.Time(got[1].StartsAt)) || time.Time(got[1].EndsAt).Before(time.Now()) {
			t.Errorf("got %+v, want one that has ended and one that fires", got)
		}
	})
}

func TestPoliciesDoNotEndEachOthersAlerts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, e := newFakePeer("am")
		s := NewSender(SenderOptions{Endpoints: []Endpoint{e}})
		running(t, s)
		s.Publish(held("billing"))
		other := held()
		other.Policy = "orders"
		s.Publish(other)
		synctest.Wait()
		if got := f.of("ScaleHeld/billing"); len(got) != 1 || time.Time(got[0].EndsAt).Before(time.Now()) {
			t.Errorf("got %+v", got)
		}
	})
}

func TestWhatIsRefusedIsNotSentForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, e := newFakePeer("am")
		f.refuse = true
		s := NewSender(SenderOptions{Endpoints: []Endpoint{e}})
		running(t, s)
		s.Publish(held("billing"))
		s.Publish(held())
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if f.told() > 3 {
			t.Errorf("%d posts of an alert that is refused", f.told())
		}
	})
}

func TestEveryKindOfConcernBecomesAnAlertToRouteBy(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	d := decision.Decision{
		ID:          "2026-03-01T12:00:00Z/claims",
		Time:        at,
		Policy:      "claims",
		ClusterID:   "c1",
		Requirement: capacity.Requirement{Bottleneck: "network-out"},
	}
	for _, k := range decision.ConcernKinds {
		d.Concerns = append(
			d.Concerns,
			decision.Concern{
				Kind:       k,
				Subject:    "s\xff",
				Gate:       "g",
				Constraint: "network-out",
				By:         at,
				Severity:   decision.Warning,
				Detail:     "because",
			},
		)
	}
	page, _ := url.Parse("https://tidetable.example.org/")
	books, _ := url.Parse("https://example.org/runbooks/")
	alerts := FromDecision(d, Links{Page: page, Runbooks: books})
	if len(alerts) != len(decision.ConcernKinds) {
		t.Fatalf("%d alerts of %d concerns", len(alerts), len(decision.ConcernKinds))
	}
	for i, a := range alerts {
		kind := string(decision.ConcernKinds[i])
		if a.Labels["alertname"] != kind || a.Labels["policy"] != "claims" || a.Labels["kafka_cluster"] != "c1" ||
			a.Labels["severity"] != "warning" ||
			a.Labels["subject"] != "s\uFFFD" {
			t.Errorf("labels = %v", a.Labels)
		}
		if a.Annotations["summary"] == "" || a.Annotations["by"] != "2026-03-01T12:00:00Z" ||
			a.Annotations["constraint"] != "network-out" ||
			a.Annotations["runbook_url"] != "https://example.org/runbooks/"+kind+".md" {
			t.Errorf("annotations = %v", a.Annotations)
		}
		if a.Link != "https://tidetable.example.org/#decision=2026-03-01T12:00:00Z/claims" {
			t.Errorf("link = %s", a.Link)
		}
		if err := a.postable(at).Validate(nil); err != nil {
			t.Errorf("Alertmanager's own model refuses it: %v", err)
		}
	}
}

func TestEndpointsComeFromThePolicy(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var path, auth string
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		path, auth = r.URL.Path, r.Header.Get("Authorization")
	}))
	defer srv.Close()
	all, err := Endpoints([]policy.Alertmanager{{URL: srv.URL + "/prefix/", BearerTokenFile: token}})
	if err != nil {
		t.Fatal(err)
	}
	if err := all[0].post(t.Context(), models.PostableAlerts{}); err != nil {
		t.Fatal(err)
	}
	if path != "/prefix/api/v2/alerts" || auth != "Bearer s3cret" {
		t.Errorf("path %q, authorization %q", path, auth)
	}
	for _, bad := range []string{"", "not a url", "http://user:pass@am:9093"} {
		if _, err := Endpoints([]policy.Alertmanager{{URL: bad}}); err == nil || strings.Contains(err.Error(), "pass@") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
