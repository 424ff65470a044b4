// Package kube tests what tidetable does to a Kubernetes API on a real one:
// the definition, the actuators, the Lease and the overlays' rights.
package kube

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/tidetable/tidetable/actuators/workload"
	"github.com/tidetable/tidetable/adapters/kube"
	"github.com/tidetable/tidetable/test/e2e/testbed"
)

// fixture is one control plane with our definition and stand-ins for
// Strimzi's and KEDA's, and a namespace of the test's own.
type fixture struct {
	*testbed.Kubernetes
	admin     *kube.Clients
	namespace string
}

func start(t *testing.T) (context.Context, *fixture) {
	t.Helper()
	k := testbed.StartKubernetes(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	f := &fixture{Kubernetes: k, namespace: "kafka"}
	f.admin = f.clients(t, k.Config)
	ns := &core.Namespace{ObjectMeta: metav1.ObjectMeta{Name: f.namespace}}
	if _, err := k.Client.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	f.applyFile(ctx, t, "../../../deploy/kustomize/base/crd.yaml")
	f.applyFile(ctx, t, "testdata/strimzi-crds.yaml")
	f.applyFile(ctx, t, "testdata/keda-crd.yaml")
	for _, kind := range []string{"KafkaCapacityPolicy.tidetable.io", "KafkaNodePool.kafka.strimzi.io", "Kafka.kafka.strimzi.io", "ScaledObject.keda.sh"} {
		f.waitServed(ctx, t, kind)
	}
	return ctx, f
}

func (f *fixture) clients(t *testing.T, cfg *rest.Config) *kube.Clients {
	t.Helper()
	c, err := kube.NewClients(cfg, f.namespace)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (f *fixture) client() workload.Client {
	return workload.Client{Dynamic: f.admin.Dynamic, Mapper: f.admin.Mapper}
}

func (f *fixture) target(kind, name string) workload.Target {
	return workload.Target{Kind: kind, Namespace: f.namespace, Name: name}
}

// waitServed waits until the API server serves a kind.
func (f *fixture) waitServed(ctx context.Context, t *testing.T, kindAndGroup string) {
	t.Helper()
	kind, group, _ := strings.Cut(kindAndGroup, ".")
	err := testbed.Poll(ctx, kind+" to be served", 200*time.Millisecond, func(ctx context.Context) error {
		f.admin.Mapper.Reset()
		r, err := f.client().Resource(workload.Target{Group: group, Kind: kind, Namespace: f.namespace})
		if err != nil {
			return err
		}
		_, err = r.List(ctx, metav1.ListOptions{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// applyFile applies every document of a YAML file, as kubectl apply does.
func (f *fixture) applyFile(ctx context.Context, t *testing.T, path string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.FromSlash(path))
	if err != nil {
		t.Fatal(err)
	}
	for doc := range strings.SplitSeq(string(raw), "\n---") {
		if strings.TrimSpace(doc) == "" {
			continue
		}
		if _, err := f.apply(ctx, doc); err != nil {
			t.Fatalf("applying %s: %v", path, err)
		}
	}
}

// apply server-side applies one document as a person would.
func (f *fixture) apply(ctx context.Context, doc string) (*unstructured.Unstructured, error) {
	var o unstructured.Unstructured
	if err := yaml.Unmarshal([]byte(doc), &o.Object); err != nil {
		return nil, err
	}
	gvk := o.GroupVersionKind()
	m, err := f.admin.Mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		f.admin.Mapper.Reset()
		if m, err = f.admin.Mapper.RESTMapping(gvk.GroupKind(), gvk.Version); err != nil {
			return nil, err
		}
	}
	body, err := o.MarshalJSON()
	if err != nil {
		return nil, err
	}
	opts := metav1.PatchOptions{FieldManager: "test"}
	if m.Scope.Name() == "namespace" {
		if o.GetNamespace() == "" {
			o.SetNamespace(f.namespace)
		}
		return f.admin.Dynamic.Resource(m.Resource).Namespace(o.GetNamespace()).Patch(ctx, o.GetName(), types.ApplyPatchType, body, opts)
	}
	return f.admin.Dynamic.Resource(m.Resource).Patch(ctx, o.GetName(), types.ApplyPatchType, body, opts)
}

func (f *fixture) mustApply(ctx context.Context, t *testing.T, doc string) *unstructured.Unstructured {
	t.Helper()
	o, err := f.apply(ctx, doc)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func (f *fixture) get(ctx context.Context, t *testing.T, kind, name string) *unstructured.Unstructured {
	t.Helper()
	o, err := f.client().Get(ctx, f.target(kind, name))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func (f *fixture) setStatus(ctx context.Context, t *testing.T, kind, name string, status string) {
	t.Helper()
	r, err := f.client().Resource(f.target(kind, name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Patch(ctx, name, types.MergePatchType, []byte(fmt.Sprintf(`{"status":%s}`, status)), metav1.PatchOptions{}, "status"); err != nil {
		t.Fatal(err)
	}
}
