package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidetable/tidetable/adapters/alertmanager"
	"github.com/tidetable/tidetable/controller/gates"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/policy"
	"github.com/tidetable/tidetable/test/e2e/testbed"
)

// inbox is the receiver, and what arrived at it.
type inbox struct {
	receiver *alertmanager.Receiver
	mu       sync.Mutex
	codes    []int
}

func (i *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rec := httptest.NewRecorder()
	i.receiver.ServeHTTP(rec, r)
	i.mu.Lock()
	i.codes = append(i.codes, rec.Code)
	i.mu.Unlock()
	w.WriteHeader(rec.Code)
}

func (i *inbox) notifications() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.codes)
}

func (i *inbox) acting(t *testing.T) string {
	all, err := i.receiver.Observations(t.Context(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, o := range all {
		out = append(out, o.Effect)
	}
	slices.Sort(out)
	return strings.Join(out, ",")
}

// ruling is what the loop's own gate says to a scale-in, given what arrived.
func (i *inbox) ruling(t *testing.T) decision.Ruling {
	t.Helper()
	all, err := i.receiver.Observations(t.Context(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	in := decision.Proposal{Kind: decision.ScaleBrokers, Target: "StatefulSet/kafka", From: 6, To: 5}
	return gates.Alerts{}.Check(t.Context(), in, gates.Situation{Observations: all}).Ruling
}

func (i *inbox) wait(ctx context.Context, t *testing.T, want string) {
	t.Helper()
	err := testbed.Poll(ctx, fmt.Sprintf("%q to act", want), 100*time.Millisecond, func(context.Context) error {
		if got := i.acting(t); got != want {
			return fmt.Errorf("%q acts", got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func concerns(kinds ...decision.ConcernKind) decision.Decision {
	d := decision.Decision{ID: "e2e", Policy: "claims", ClusterID: "tide"}
	for _, k := range kinds {
		for _, subject := range []string{"broker 1", "broker 2"} {
			d.Concerns = append(d.Concerns, decision.Concern{Kind: k, Subject: subject, Severity: decision.Warning, Detail: "because"})
		}
	}
	return d
}

// TestAlertmanagerGroupsAndSendsBackWhatHoldsAScaleIn sends alerts to a real
// Alertmanager, whose route leads back to the webhook: they come back grouped,
// hold, resolve, and release. Then Alertmanager is away for a while: telling
// it waits for nothing, and what it missed reaches it afterwards.
func TestAlertmanagerGroupsAndSendsBackWhatHoldsAScaleIn(t *testing.T) {
	testbed.RequireAlertmanager(t)
	tb := testbed.Start(t, testbed.Options{NoKafka: true})
	away, limit := 5*time.Second, 6*time.Minute
	if os.Getenv("TIDETABLE_SOAK") != "" {
		away, limit = 10*time.Minute, 20*time.Minute
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()

	receiver, err := alertmanager.NewReceiver(alertmanager.ReceiverOptions{
		Token: func() (string, error) { return "s3cret", nil },
		Rules: []policy.AlertRule{
			{Match: map[string]string{"alertname": "HotSpot", "subject": "broker 1"}, Effect: decision.EffectHold},
			{Match: map[string]string{"alertname": "RebalanceStalled", "subject": "broker 1"}, Effect: decision.EffectFreeze},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	in := &inbox{receiver: receiver}
	srv := httptest.NewServer(in)
	defer srv.Close()
	am, err := tb.StartAlertmanager(ctx, srv.URL+"/api/v1/alerts", "s3cret")
	if err != nil {
		t.Fatal(err)
	}

	endpoints, err := alertmanager.Endpoints([]policy.Alertmanager{{URL: am.URL}})
	if err != nil {
		t.Fatal(err)
	}
	sender := alertmanager.NewSender(alertmanager.SenderOptions{Endpoints: endpoints, Interval: 5 * time.Second})
	running, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); _ = sender.Run(running) }()
	defer func() { stop(); <-done }()

	// Two alerts of one kind leave, and come back as one group.
	sender.Publish(concerns(decision.HotSpot))
	in.wait(ctx, t, "hold")
	if got := in.ruling(t); got != decision.Hold {
		t.Errorf("the gate says %q to a scale-in while the alert fires", got)
	}
	if n := in.notifications(); n != 1 {
		t.Errorf("%d notifications, want the two alerts in one group", n)
	}
	sender.Publish(concerns())
	in.wait(ctx, t, "")
	if got := in.ruling(t); got != decision.Allow {
		t.Errorf("the gate says %q to a scale-in after the alert has resolved", got)
	}

	// Away: an alert that stays and one that comes and goes.
	if err := am.Process().Stop(ctx); err != nil {
		t.Fatal(err)
	}
	var slowest time.Duration
	for began := time.Now(); time.Since(began) < away; time.Sleep(50 * time.Millisecond) {
		before := time.Now()
		sender.Publish(concerns(decision.RebalanceStalled, decision.HotSpot))
		slowest = max(slowest, time.Since(before))
	}
	t.Logf("the slowest of the tellings while Alertmanager was away took %v", slowest)
	sender.Publish(concerns(decision.RebalanceStalled))
	if err := am.Start(ctx); err != nil {
		t.Fatal(err)
	}
	in.wait(ctx, t, "freeze")

	// A controller that starts anew asks what fires, and holds at once.
	fresh, err := alertmanager.NewReceiver(alertmanager.ReceiverOptions{Rules: []policy.AlertRule{
		{Match: map[string]string{"alertname": "RebalanceStalled"}, Effect: decision.EffectFreeze},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := fresh.Adopt(ctx, endpoints); err != nil {
		t.Fatal(err)
	}
	if got := (&inbox{receiver: fresh}).acting(t); got != "freeze,freeze" {
		t.Errorf("adopted %q", got)
	}
	sender.Publish(concerns())
	in.wait(ctx, t, "")
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, c := range in.codes {
		if c != http.StatusOK {
			t.Errorf("the webhook answered %d to Alertmanager", c)
		}
	}
}
