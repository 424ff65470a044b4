package kube

import (
	"context"
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tidetable/tidetable/controller/operation"
	"github.com/tidetable/tidetable/policy"
)

// Store keeps the loop's state in the policy's own status, so that whoever
// leads next resumes the operation in flight.
type Store struct {
	Policies *Policies
	Object   Object
}

// Load reads the state from the API server, never from a cache: a leader that
// has just taken over must see what the last one wrote.
func (s Store) Load(ctx context.Context) (operation.State, error) {
	o, err := s.Policies.Clients.Dynamic.Resource(PolicyResource).Namespace(s.Object.Policy.Metadata.Namespace).
		Get(ctx, s.Object.Policy.Metadata.Name, metav1.GetOptions{})
	if err != nil {
		return operation.State{}, fmt.Errorf("reading the state of %s: %w", s.Object.Key(), err)
	}
	text, _, err := unstructured.NestedString(o.Object, "status", "operation")
	if err != nil || text == "" {
		return operation.State{}, err
	}
	var state operation.State
	if err := json.Unmarshal([]byte(text), &state); err != nil {
		return operation.State{}, fmt.Errorf("reading the state of %s from status.operation: %w", s.Object.Key(), err)
	}
	return state, nil
}

// Save writes the state and nothing else of the status.
func (s Store) Save(ctx context.Context, state operation.State) error {
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
	patch, err := json.Marshal(map[string]any{"status": map[string]any{"operation": string(text)}})
	if err != nil {
		return fmt.Errorf("encoding the state of %s: %w", s.Object.Key(), err)
	}
	_, err = s.Policies.Clients.Dynamic.Resource(PolicyResource).Namespace(s.Object.Policy.Metadata.Namespace).
		Patch(ctx, s.Object.Policy.Metadata.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "tidetable"}, "status")
	if err != nil {
		return fmt.Errorf("saving the state of %s: %w", s.Object.Key(), err)
	}
	return nil
}
