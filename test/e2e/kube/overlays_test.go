package kube

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	coordination "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/actuators/deployment"
	"github.com/tidetable/tidetable/actuators/keda"
	"github.com/tidetable/tidetable/actuators/statefulset"
	"github.com/tidetable/tidetable/actuators/strimzi"
	"github.com/tidetable/tidetable/actuators/workload"
	"github.com/tidetable/tidetable/adapters/kube"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/policy"
	"github.com/tidetable/tidetable/test/e2e/testbed"
)

// install renders an overlay as kubectl kustomize does and applies it.
func (f *fixture) install(ctx context.Context, t *testing.T, overlay string) {
	t.Helper()
	manifest, err := testbed.RenderOverlay(overlay, f.namespace)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Apply(ctx, f.namespace, manifest); err != nil {
		t.Fatal(err)
	}
}

// forbidden lists what the API server refused to our account.
func (f *fixture) forbidden(t *testing.T) []string {
	t.Helper()
	out, err := f.Kubernetes.Forbidden("tidetable")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestEachOverlaysRightsAreEnoughForItsModeAndNoMore does with each overlay's
// account what its mode does, and shows that the next mode's writes are
// refused to it.
func TestEachOverlaysRightsAreEnoughForItsModeAndNoMore(t *testing.T) {
	ctx, f := start(t)
	f.mustApply(ctx, t, newWorkload("StatefulSet", "kafka", ", serviceName: kafka, replicas: 3"))
	f.mustApply(ctx, t, newWorkload("Deployment", "billing", ", replicas: 2"))
	f.mustApply(ctx, t, newWorkload("Deployment", "scaled", ", replicas: 2"))
	f.mustApply(ctx, t, "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: scaled, namespace: kafka}\nspec: {scaleTargetRef: {name: scaled}, minReplicaCount: 1, maxReplicaCount: 10, triggers: [{type: kafka}]}")
	f.mustApply(ctx, t, "apiVersion: kafka.strimzi.io/v1\nkind: Kafka\nmetadata: {name: claims, namespace: kafka}\nspec: {}")
	f.mustApply(ctx, t, "apiVersion: kafka.strimzi.io/v1\nkind: KafkaNodePool\nmetadata: {name: brokers, namespace: kafka, labels: {strimzi.io/cluster: claims}}\nspec: {replicas: 3, roles: [broker]}")
	f.setStatus(ctx, t, "KafkaNodePool", "brokers", `{"nodeIds":[3,4,7]}`)
	f.mustApply(ctx, t, policyWith("{mode: Recommend}"))

	f.install(ctx, t, "observe")
	config, err := f.ServiceAccountConfig(ctx, f.namespace, "tidetable")
	if err != nil {
		t.Fatal(err)
	}
	c := f.clients(t, config)
	observes(ctx, t, f, c)
	if refused := f.forbidden(t); len(refused) > 0 {
		t.Errorf("observe was refused: %v", refused)
	}

	f.install(ctx, t, "recommend")
	ours := workload.Client{Dynamic: c.Dynamic, Mapper: c.Mapper}
	scalers := map[string]actuators.Scaler{
		"statefulset": statefulset.Scaler{Client: ours, Target: f.target("StatefulSet", "kafka")},
		"deployment":  deployment.Scaler{Client: ours, Target: f.target("Deployment", "billing")},
		"strimzi":     strimzi.Scaler{Client: ours, Target: f.target("KafkaNodePool", "brokers")},
		"keda":        keda.Scaler{Client: ours, ScaledObject: f.target("ScaledObject", "scaled"), Workload: f.target("Deployment", "scaled"), Now: time.Now, HoldFloor: time.Minute},
	}
	awaitRights(ctx, t, func() error { _, err := scalers["statefulset"].Current(ctx); return err })
	before := len(f.forbidden(t)) // rights arrive a moment after their role
	for name, s := range scalers {
		if _, err := s.Current(ctx); err != nil {
			t.Errorf("recommend cannot read the %s: %v", name, err)
		}
	}
	if refused := f.forbidden(t); len(refused) > before {
		t.Errorf("recommend was refused: %v", refused[before:])
	}
	for name, s := range scalers {
		if err := s.Set(ctx, actuators.Scale{Replicas: 5}); err == nil {
			t.Errorf("recommend's account may scale the %s", name)
		}
	}

	f.install(ctx, t, "act")
	awaitRights(ctx, t, func() error { return scalers["statefulset"].Set(ctx, actuators.Scale{Replicas: 4}) })
	before = len(f.forbidden(t))
	for name, s := range scalers {
		if err := s.Set(ctx, actuators.Scale{Replicas: 5}); err != nil {
			t.Errorf("act cannot scale the %s: %v", name, err)
		}
	}
	reviews(ctx, t, f, c)
	if refused := f.forbidden(t); len(refused) > before {
		t.Errorf("act was refused: %v", refused[before:])
	}
}

// awaitRights waits until the authorizer has seen a role that was just applied.
func awaitRights(ctx context.Context, t *testing.T, try func() error) {
	t.Helper()
	if err := testbed.Poll(ctx, "the role to hold", 200*time.Millisecond, func(context.Context) error { return try() }); err != nil {
		t.Fatal(err)
	}
}

// observes elects, watches, writes a status and an event with the account.
func observes(ctx context.Context, t *testing.T, f *fixture, c *kube.Clients) {
	t.Helper()
	awaitRights(ctx, t, func() error {
		_, err := f.Client.CoordinationV1().Leases(f.namespace).List(ctx, metav1.ListOptions{})
		return err
	})
	time.Sleep(time.Second) // the authorizer's caches; a refusal in the next lines fails the test
	logger := slog.New(slog.DiscardHandler)
	election := kube.Election{Client: c.Kube, Namespace: f.namespace, Name: "tidetable", Identity: "test", Logger: logger, Now: time.Now}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	wrote := make(chan error, 1)
	go func() {
		done <- election.Run(ctx, func(ctx context.Context, fence *kube.Fence) error {
			wrote <- errors.Join(fence.Check(), watchesAndWrites(ctx, f, c, logger))
			<-ctx.Done()
			return ctx.Err()
		})
	}()
	if err := <-wrote; err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("the election ended with %v", err)
	}
	lease, err := f.Client.CoordinationV1().Leases(f.namespace).Get(t.Context(), "tidetable", metav1.GetOptions{})
	if err != nil || holder(lease) != "" {
		t.Errorf("after the end the lease is held by %q, %v; want it given back", holder(lease), err)
	}
}

func holder(l *coordination.Lease) string {
	if l == nil || l.Spec.HolderIdentity == nil {
		return ""
	}
	return *l.Spec.HolderIdentity
}

func watchesAndWrites(ctx context.Context, f *fixture, c *kube.Clients, logger *slog.Logger) error {
	p := &kube.Policies{Clients: c, Namespace: f.namespace, Logger: logger, Now: time.Now}
	stop := p.StartEvents()
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	objects := make(chan []kube.Object)
	watched := make(chan error, 1)
	go func() { watched <- p.Watch(ctx, objects) }()
	var seen []kube.Object
	select {
	case seen = <-objects:
	case err := <-watched:
		return err
	}
	if len(seen) != 1 || seen[0].Err != nil || seen[0].Policy.Spec.Mode != policy.Recommend {
		return errors.New("the policy did not arrive as it is")
	}
	d := decision.Decision{ID: "d1", Outcome: "4 brokers are needed"}
	d.Requirement.Brokers, d.Recommended = 4, 4
	if err := p.WriteStatus(ctx, seen[0], kube.StatusOf(d, seen[0].Generation)); err != nil {
		return err
	}
	p.Event(seen[0], false, "Decided", "4 brokers are needed")
	return testbed.Poll(ctx, "the event and the status", 200*time.Millisecond, func(ctx context.Context) error {
		events, err := f.Client.CoreV1().Events(f.namespace).List(ctx, metav1.ListOptions{FieldSelector: "reason=Decided"})
		if err != nil {
			return err
		}
		if len(events.Items) == 0 {
			return errors.New("no event yet")
		}
		o, err := f.client().Get(ctx, workload.Target{Group: policy.Group, Kind: policy.Kind, Namespace: f.namespace, Name: "p"})
		if err != nil {
			return err
		}
		if n, _ := workload.Int(o, "status", "want"); n != 4 {
			return errors.New("no status yet")
		}
		return nil
	})
}

// reviews asks who a person is and what that person may do.
func reviews(ctx context.Context, t *testing.T, f *fixture, c *kube.Clients) {
	t.Helper()
	person, err := f.ServiceAccountConfig(ctx, f.namespace, "default")
	if err != nil {
		t.Fatal(err)
	}
	r := kube.Reviewer{Client: c.Kube}
	u, err := r.WhoIs(ctx, person.BearerToken)
	if err != nil || u.Name != "system:serviceaccount:kafka:default" {
		t.Fatalf("who is = %+v, %v", u, err)
	}
	if ok, err := r.May(ctx, u, "approve", f.namespace, "p"); err != nil || ok {
		t.Errorf("a person without a role may approve: %v, %v", ok, err)
	}
	f.mustApply(ctx, t, "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: approver, namespace: kafka}\nrules: [{apiGroups: [tidetable.io], resources: [kafkacapacitypolicies], verbs: [approve]}]")
	f.mustApply(ctx, t, "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: approver, namespace: kafka}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: approver}\nsubjects: [{kind: ServiceAccount, name: default, namespace: kafka}]")
	awaitRights(ctx, t, func() error {
		ok, err := r.May(ctx, u, "approve", f.namespace, "p")
		if err == nil && !ok {
			err = errors.New("not yet")
		}
		return err
	})
	if ok, err := r.May(ctx, u, "hold", f.namespace, "p"); err != nil || ok {
		t.Errorf("a right to approve is a right to hold: %v, %v", ok, err)
	}
	if _, err := r.WhoIs(ctx, "not a token"); !errors.Is(err, kube.ErrUnauthenticated) {
		t.Errorf("nobody's token = %v", err)
	}
}
