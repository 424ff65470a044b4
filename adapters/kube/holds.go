package kube

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/internal/plain"
	"github.com/tidetable/tidetable/policy"
)

// Annotations of a hold by hand, beside policy.HoldAnnotation, which says why.
const (
	HoldUntilAnnotation = "tidetable.io/hold-until" // RFC 3339; without it the hold stands until it is taken away
	HoldByAnnotation    = "tidetable.io/hold-by"
)

// forGood is how long a hold without an end is said to stand, tick by tick.
const forGood = 24 * time.Hour

// Holds tells the loop of holds by hand, as they stand at each tick: an
// annotation changes no generation, so the loop is not started anew for it.
type Holds struct {
	Policies *Policies
	Object   Object
}

// Observations reads the policy's annotations. An error is the loop's to treat
// as a stale signal: that nobody holds is not known then.
func (h Holds) Observations(ctx context.Context, now time.Time) ([]decision.Observation, error) {
	o, err := h.Policies.Clients.Dynamic.Resource(PolicyResource).Namespace(h.Object.Policy.Metadata.Namespace).
		Get(ctx, h.Object.Policy.Metadata.Name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("reading holds of %s: %w", h.Object.Key(), err)
	}
	return holdOf(o.GetAnnotations(), now), nil
}

func holdOf(a map[string]string, now time.Time) []decision.Observation {
	why, held := a[policy.HoldAnnotation]
	if !held || why == "false" {
		return nil
	}
	until := now.Add(forGood)
	if text := a[HoldUntilAnnotation]; text != "" {
		end, err := time.Parse(time.RFC3339, text)
		if err == nil && !now.Before(end) {
			return nil
		}
		if err == nil {
			until = end
		} // an end that cannot be read is none: the hold stands
	}
	source := "the annotation " + policy.HoldAnnotation
	if by := a[HoldByAnnotation]; by != "" {
		source += " of " + by
	}
	if why != "" && why != "true" {
		source += ": " + why
	}
	return []decision.Observation{{Source: plain.Text(source), Effect: decision.EffectFreeze, Until: until}}
}
