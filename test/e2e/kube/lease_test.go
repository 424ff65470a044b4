package kube

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidetable/tidetable/test/e2e/testbed"
)

// TestSixHundredThreadsDoNotCostTheLeaderItsLease asks who one is with 600
// threads of people who may do nothing. It once cost the leader its Lease in
// 22 s: every request was three reviews on the client that renews it.
func TestSixHundredThreadsDoNotCostTheLeaderItsLease(t *testing.T) {
	testbed.RequireKubernetes(t)
	tb := testbed.Start(t, testbed.Options{NoKafka: true, Kubernetes: true})
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	k := tb.Kubernetes
	p, page := observing(ctx, t, tb)
	renewed := func() (holder string, at time.Time) {
		l, err := k.Client.CoordinationV1().Leases(testbed.Namespace).Get(ctx, "tidetable", metav1.GetOptions{})
		if err != nil || l.Spec.HolderIdentity == nil || l.Spec.RenewTime == nil {
			return "", time.Time{}
		}
		return *l.Spec.HolderIdentity, l.Spec.RenewTime.Time
	}
	var leader string
	must(testbed.Poll(ctx, "a leader", 200*time.Millisecond, func(context.Context) error {
		if leader, _ = renewed(); leader == "" {
			return fmt.Errorf("nobody leads yet")
		}
		return nil
	}))

	var tokens []string
	for i := range 6 {
		tokens = append(tokens, person(ctx, t, k, fmt.Sprintf("stranger-%d", i)))
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 600, MaxConnsPerHost: 600}, Timeout: 10 * time.Second}
	storm, stop := context.WithTimeout(ctx, 25*time.Second) // a Lease stands for 20 s without a renewal
	defer stop()
	var threads sync.WaitGroup
	var mu sync.Mutex
	asked := 0
	for i := range 600 {
		threads.Go(func() {
			for n := 0; storm.Err() == nil; n++ {
				req, err := http.NewRequestWithContext(storm, http.MethodGet, fmt.Sprintf("%s/api/v1/me?policy=p-%d-%d", page, i, n), nil)
				if err != nil {
					return
				}
				req.Header.Set("Authorization", "Bearer "+tokens[i%len(tokens)])
				if resp, err := client.Do(req); err == nil {
					resp.Body.Close()
					mu.Lock()
					asked++
					mu.Unlock()
				}
				time.Sleep(100 * time.Millisecond) // the machine is the API server's, too
			}
		})
	}
	oldest := time.Duration(0)
	for storm.Err() == nil {
		holder, at := renewed()
		if holder != leader {
			t.Errorf("the leader is %q, and was %q", holder, leader)
			stop()
		}
		oldest = max(oldest, time.Since(at))
		select {
		case <-storm.Done():
		case <-time.After(time.Second):
		}
	}
	threads.Wait()
	t.Logf("%d requests of 600 threads; the Lease's renewal was never older than %s", asked, oldest.Round(100*time.Millisecond))
	if holder, _ := renewed(); holder != leader || !p.Running() || asked < 600 {
		t.Errorf("after it the leader is %q (was %q), running: %v, %d requests", holder, leader, p.Running(), asked)
	}
}
