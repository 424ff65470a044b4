package kube

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic/dynamicinformer"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	"github.com/tidetable/tidetable/internal/plain"
	"github.com/tidetable/tidetable/policy"
)

// PolicyResource is where policies are served.
var PolicyResource = schema.GroupVersionResource{Group: policy.Group, Version: policy.Version, Resource: policy.Plural}

// resync is how often the informer replays what it knows: a missed change is
// never missed for longer.
const resync = 10 * time.Minute

// Object is one policy as the API serves it. Err says why it cannot be used.
type Object struct {
	Policy      policy.Policy
	Err         error
	UID         types.UID
	Generation  int64
	Annotations map[string]string
	Status      policy.Status
}

// Key names the object.
func (o Object) Key() string { return o.Policy.Metadata.Namespace + "/" + o.Policy.Metadata.Name }

// Policies watches the policies of one namespace and writes their status.
type Policies struct {
	Clients   *Clients
	Namespace string
	Logger    *slog.Logger
	Now       func() time.Time
	recorder  record.EventRecorder
}

// Watch sends every policy, sorted by name, at the start and after each change,
// until ctx ends. It fails when the definition is not installed or may not be
// read within a minute.
func (p *Policies) Watch(ctx context.Context, out chan<- []Object) error {
	factory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(p.Clients.Dynamic, resync, p.Namespace, nil)
	informer := factory.ForResource(PolicyResource).Informer()
	changed := make(chan struct{}, 1)
	notify := func() {
		select {
		case changed <- struct{}{}:
		default: // a change is waiting already; it will see this one too
		}
	}
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { notify() },
		UpdateFunc: func(any, any) { notify() },
		DeleteFunc: func(any) { notify() },
	})
	if err != nil {
		return fmt.Errorf("watching policies: %w", err)
	}
	factory.Start(ctx.Done())
	synced, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if !cache.WaitForCacheSync(synced.Done(), informer.HasSynced) {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf(
			"watching policies in %s: no answer within a minute; is the %s definition installed, and may this account list it?",
			p.Namespace,
			PolicyResource.GroupResource(),
		)
	}
	notify()
	for {
		select {
		case <-ctx.Done():
			factory.Shutdown()
			return nil
		case <-changed:
		}
		objects := readObjects(informer.GetStore().List())
		select {
		case <-ctx.Done():
			factory.Shutdown()
			return nil
		case out <- objects:
		}
	}
}

func readObjects(items []any) []Object {
	var out []Object
	for _, item := range items {
		if u, ok := item.(*unstructured.Unstructured); ok {
			out = append(out, readObject(u))
		}
	}
	slices.SortFunc(out, func(a, b Object) int { return cmp.Compare(a.Key(), b.Key()) })
	refuseContested(out)
	return out
}

// readObject decodes one object with the decoder that files go through.
func readObject(u *unstructured.Unstructured) Object {
	o := Object{UID: u.GetUID(), Generation: u.GetGeneration(), Annotations: u.GetAnnotations()}
	o.Policy.Metadata = policy.Metadata{Name: u.GetName(), Namespace: u.GetNamespace()}
	if status, ok, _ := unstructured.NestedMap(u.Object, "status"); ok {
		// A status that cannot be read is one that nobody has written yet.
		_ = runtime.DefaultUnstructuredConverter.FromUnstructured(status, &o.Status)
	}
	spec, err := json.Marshal(u.Object["spec"])
	if err != nil {
		o.Err = fmt.Errorf("reading policy %s: %w", o.Key(), err)
		return o
	}
	p, err := policy.DecodeSpec(u.GetName(), u.GetNamespace(), spec)
	if err != nil {
		o.Err = err
		return o
	}
	p.Metadata.Annotations = u.GetAnnotations()
	o.Policy = p
	return o
}

// WriteStatus replaces the policy's status, keeping the transition times of
// conditions that did not change.
func (p *Policies) WriteStatus(ctx context.Context, o Object, s policy.Status) error {
	s.Conditions = Transitions(o.Status.Conditions, s.Conditions, p.Now())
	raw, err := json.Marshal(map[string]any{"status": s})
	if err != nil {
		return fmt.Errorf("encoding the status of %s: %w", o.Key(), err)
	}
	_, err = p.Clients.Dynamic.Resource(PolicyResource).Namespace(o.Policy.Metadata.Namespace).
		Patch(ctx, o.Policy.Metadata.Name, types.MergePatchType, raw, metav1.PatchOptions{FieldManager: "tidetable"}, "status")
	if err != nil {
		return fmt.Errorf("writing the status of %s: %w", o.Key(), err)
	}
	return nil
}

// Transitions dates the conditions: one whose status is as before keeps its
// time.
func Transitions(before, after []policy.Condition, now time.Time) []policy.Condition {
	out := slices.Clone(after)
	for i := range out {
		out[i].LastTransitionTime = now.UTC().Format(time.RFC3339)
		for _, b := range before {
			if b.Type == out[i].Type && b.Status == out[i].Status && b.LastTransitionTime != "" {
				out[i].LastTransitionTime = b.LastTransitionTime
			}
		}
	}
	slices.SortFunc(out, func(a, b policy.Condition) int { return cmp.Compare(a.Type, b.Type) })
	return out
}

// StartEvents makes Event work until the returned function is called.
func (p *Policies) StartEvents() (stop func()) {
	b := record.NewBroadcaster()
	b.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: p.Clients.Kube.CoreV1().Events(p.Namespace)})
	p.recorder = b.NewRecorder(runtime.NewScheme(), corev1.EventSource{Component: "tidetable"})
	return b.Shutdown
}

// Event tells kubectl describe what happened; reason is a stable CamelCase word.
func (p *Policies) Event(o Object, warning bool, reason, message string) {
	if p.recorder == nil {
		return
	}
	kind := corev1.EventTypeNormal
	if warning {
		kind = corev1.EventTypeWarning
	}
	p.recorder.Event(&corev1.ObjectReference{
		APIVersion: policy.APIVersion, Kind: policy.Kind, UID: o.UID,
		Namespace: o.Policy.Metadata.Namespace, Name: o.Policy.Metadata.Name,
	}, kind, reason, plain.Text(message))
}
