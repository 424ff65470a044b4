package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	rbac "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidetable/tidetable/test/e2e/testbed"
)

// TestThePageAsksTheAPIServerWhoMayReadAndHold runs the command with the
// observe overlay's account and asks its page as different people.
func TestThePageAsksTheAPIServerWhoMayReadAndHold(t *testing.T) {
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
	journal := filepath.Join(tb.Dir, "journal.jsonl")
	p, page := observing(ctx, t, tb, "apiVersion: tidetable.io/v1alpha1\nkind: KafkaCapacityPolicy\nmetadata: {name: claims}\n"+
		"spec: {mode: Observe, interval: 2s, kafka: {bootstrap: [\"127.0.0.1:1\"]}, journal: {path: "+journal+"}}")

	reader := person(ctx, t, k, "reader", "get")
	operator := person(ctx, t, k, "operator", "get", "hold")
	stranger := person(ctx, t, k, "stranger")
	must(testbed.Poll(ctx, "the page to show the policy", 500*time.Millisecond, func(ctx context.Context) error {
		status, body, err := ask(ctx, http.MethodGet, page+"/api/v1/now", reader, nil)
		if err == nil && (status != http.StatusOK || !strings.Contains(body, "claims")) {
			err = fmt.Errorf("it answers %d %.200s", status, body)
		}
		return err
	}))
	hold := []byte(`{"name":"hold","policy":"claims","reason":"migration","forSeconds":600}`)
	for _, tt := range []struct {
		who, method, path, token string
		body                     []byte
		want                     int
	}{
		{"nobody reads", http.MethodGet, "/api/v1/now", "", nil, http.StatusUnauthorized},
		{"a token of nobody's reads", http.MethodGet, "/api/v1/now", "made-up", nil, http.StatusUnauthorized},
		{"a stranger reads", http.MethodGet, "/api/v1/now", stranger, nil, http.StatusForbidden},
		{"a reader holds", http.MethodPost, "/api/v1/operations", reader, hold, http.StatusForbidden},
		{"an operator holds", http.MethodPost, "/api/v1/operations", operator, hold, http.StatusNoContent},
	} {
		status, body, err := ask(ctx, tt.method, page+tt.path, tt.token, tt.body)
		if err != nil || status != tt.want {
			t.Errorf("%s: %d %.200s %v, want %d", tt.who, status, body, err, tt.want)
		}
	}
	// Who held, and why, is on record under the name the API server gave.
	must(testbed.Poll(ctx, "the hold to be on record", 300*time.Millisecond, func(context.Context) error {
		raw, err := os.ReadFile(journal)
		if err == nil && !(bytes.Contains(raw, []byte("system:serviceaccount:kafka:operator")) && bytes.Contains(raw, []byte("migration"))) {
			err = errors.New("not yet")
		}
		return err
	}))
	if raw, err := os.ReadFile(p.Log); err != nil || bytes.Contains(raw, []byte(operator)) || bytes.Contains(raw, []byte(reader)) {
		t.Errorf("a token is in the log (%v)", err)
	}
}

// observing runs the command with the observe overlay's account beside policies, and
// tells where its page is.
func observing(ctx context.Context, t *testing.T, tb *testbed.Testbed, policies ...string) (p *testbed.Process, page string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	k := tb.Kubernetes
	must(k.EnsureNamespace(ctx, testbed.Namespace))
	manifest, err := testbed.RenderOverlay("observe", testbed.Namespace, "Deployment", "PersistentVolumeClaim")
	must(err)
	must(k.Apply(ctx, testbed.Namespace, manifest))
	for _, policy := range policies {
		must(k.Apply(ctx, testbed.Namespace, []byte(policy)))
	}
	config, err := k.ServiceAccountConfig(ctx, testbed.Namespace, "tidetable")
	must(err)
	account := filepath.Join(tb.Dir, "tidetable.kubeconfig")
	must(testbed.WriteKubeconfig(account, config))
	p = tb.Tidetable(t, "tidetable", []string{"POD_NAME=tidetable"}, "controller", "--kubernetes", "--kubeconfig", account,
		"--namespace", testbed.Namespace, "--max-mode", "Observe", "--journals", tb.Dir, "--listen", "127.0.0.1:0")
	return p, "http://" + servedAt(ctx, t, p)
}

// servedAt reads the address from the log line that tells it.
func servedAt(ctx context.Context, t *testing.T, p *testbed.Process) string {
	t.Helper()
	var at string
	err := testbed.Poll(ctx, "the page to be served", 200*time.Millisecond, func(context.Context) error {
		if !p.Running() {
			return &testbed.Fatal{Err: fmt.Errorf("tidetable ended with %d, see %s", p.ExitCode(), p.Log)}
		}
		raw, err := os.ReadFile(p.Log)
		if err != nil {
			return err
		}
		for line := range bytes.Lines(raw) {
			var entry struct{ Msg, Address string }
			if json.Unmarshal(line, &entry) == nil && entry.Msg == "serving" {
				at = entry.Address
				return nil
			}
		}
		return errors.New("not yet")
	})
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// person makes a service account with verbs on policies and gives its token.
func person(ctx context.Context, t *testing.T, k *testbed.Kubernetes, name string, verbs ...string) string {
	t.Helper()
	manifest := "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: " + name + "}\n"
	if err := k.Apply(ctx, testbed.Namespace, []byte(manifest)); err != nil {
		t.Fatal(err)
	}
	if len(verbs) > 0 {
		role := &rbac.Role{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: []rbac.PolicyRule{{APIGroups: []string{"tidetable.io"}, Resources: []string{"kafkacapacitypolicies"}, Verbs: verbs}}}
		binding := &rbac.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: name}, RoleRef: rbac.RoleRef{APIGroup: rbac.GroupName, Kind: "Role", Name: name},
			Subjects: []rbac.Subject{{Kind: rbac.ServiceAccountKind, Name: name, Namespace: testbed.Namespace}},
		}
		if _, err := k.Client.RbacV1().Roles(testbed.Namespace).Create(ctx, role, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := k.Client.RbacV1().RoleBindings(testbed.Namespace).Create(ctx, binding, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	config, err := k.ServiceAccountConfig(ctx, testbed.Namespace, name)
	if err != nil {
		t.Fatal(err)
	}
	return config.BearerToken
}

func ask(ctx context.Context, method, url, token string, body []byte) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, string(raw), err
}
