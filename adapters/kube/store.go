package kube

import (
	"context"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/tidetable/tidetable/controller/operation"
	"github.com/tidetable/tidetable/policy"
)

// Store keeps the loop's state in the policy's own status, so that whoever
// leads next resumes the operation in flight. A write is based on what this
// process has read or written last: when somebody else has written since, it is
// refused, even where a lost Lease has not been noticed yet.
type Store struct {
	Policies *Policies
	Object   Object

	last string // status.operation as this process knows it
	read bool
}

// maxConflicts is how often a state is written again when only something else
// of the object, such as the rest of its status, changed meanwhile.
const maxConflicts = 8

// Load reads the state from the API server, never from a cache: a leader that
// has just taken over must see what the last one wrote.
func (s *Store) Load(ctx context.Context) (operation.State, error) {
	text, _, err := s.stored(ctx)
	if err != nil {
		return operation.State{}, fmt.Errorf("reading the state of %s: %w", s.Object.Key(), err)
	}
	s.last, s.read = text, true
	if text == "" {
		return operation.State{}, nil
	}
	var state operation.State
	if err := json.Unmarshal([]byte(text), &state); err != nil {
		return operation.State{}, fmt.Errorf("reading the state of %s from status.operation: %w", s.Object.Key(), err)
	}
	return state, nil
}

// stored is the state as it is written now, and the object's version.
func (s *Store) stored(ctx context.Context) (text, version string, err error) {
	o, err := s.objects().Get(ctx, s.Object.Policy.Metadata.Name, metav1.GetOptions{})
	if err != nil {
		return "", "", err
	}
	text, _, err = unstructured.NestedString(o.Object, "status", "operation")
	return text, o.GetResourceVersion(), err
}

func (s *Store) objects() dynamic.ResourceInterface {
	return s.Policies.Clients.Dynamic.Resource(PolicyResource).Namespace(s.Object.Policy.Metadata.Namespace)
}

// Save writes the state and nothing else of the status.
func (s *Store) Save(ctx context.Context, state operation.State) error {
	text, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("encoding the state of %s: %w", s.Object.Key(), err)
	}
	if len(text) > policy.MaxState {
		return fmt.Errorf(
			"saving the state of %s: it has %d bytes, more than the %d an object can hold",
			s.Object.Key(),
			len(text),
			policy.MaxState,
		)
	}
	for range maxConflicts {
		if err = s.write(ctx, string(text)); !apierrors.IsConflict(err) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("saving the state of %s: %w", s.Object.Key(), err)
	}
	s.last, s.read = string(text), true
	return nil
}

func (s *Store) write(ctx context.Context, text string) error {
	now, version, err := s.stored(ctx)
	if err != nil {
		return err
	}
	if s.read && now != s.last && now != text {
		return fmt.Errorf("%w: another process has written the state meanwhile", ErrNotLeader)
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": version},
		"status":   map[string]any{"operation": text},
	})
	if err != nil {
		return err
	}
	_, err = s.objects().
		Patch(ctx, s.Object.Policy.Metadata.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "tidetable"}, "status")
	return err
}
