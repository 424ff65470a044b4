package kube

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tidetable/tidetable/adapters/kube"
	"github.com/tidetable/tidetable/policy"
)

// policyWith is a policy with the given spec, in flow style.
func policyWith(spec string) string {
	return "apiVersion: tidetable.io/v1alpha1\nkind: KafkaCapacityPolicy\nmetadata: {name: p, namespace: kafka}\nspec: " + spec
}

func TestDefinitionTakesWhatTheFileTakesAndRefusesTheRest(t *testing.T) {
	ctx, f := start(t)
	examples, err := filepath.Glob("../../../deploy/examples/*.yaml")
	if err != nil || len(examples) == 0 {
		t.Fatalf("no examples (%v)", err)
	}
	for _, path := range examples {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.apply(ctx, string(raw)); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, tt := range []struct{ name, spec, says string }{
		{"an unknown mode", "{mode: Go}", "spec.mode"},
		{"acting without a maximum", "{mode: Act, brokers: {min: 3}}", "brokers.max is required"},
		{"a maximum under the minimum", "{brokers: {min: 5, max: 3}}", "max must not be less than min"},
		{"a quantile in percent", "{forecast: {quantile: 95}}", "spec.forecast.quantile"},
		{"a consumer without a group", "{consumers: [{via: scale}]}", "spec.consumers[0].group"},
		{"a time that is none", "{interval: soon}", "spec.interval"},
		{"a key nobody knows", "{brokrs: {min: 3}}", "brokrs"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := f.apply(ctx, policyWith(tt.spec))
			if err == nil {
				t.Fatal("it was taken")
			}
			if !strings.Contains(err.Error(), tt.says) {
				t.Errorf("the refusal does not say %q: %v", tt.says, err)
			}
		})
	}
	f.mustApply(ctx, t, policyWith("{}"))

	// What the loop writes is taken too: after a busy day its state is large.
	for _, tt := range []struct {
		field string
		size  int
		taken bool
	}{{"operation", policy.MaxState, true}, {"operation", policy.MaxState + 1, false}, {"why", policy.MaxText, true}} {
		patch := fmt.Sprintf(`{"status": {%q: %q}}`, tt.field, strings.Repeat("x", tt.size))
		_, err := f.admin.Dynamic.Resource(kube.PolicyResource).Namespace("kafka").Patch(ctx, "p", types.MergePatchType, []byte(patch), metav1.PatchOptions{}, "status")
		if (err == nil) != tt.taken {
			t.Errorf("status.%s of %d characters: taken %v, want %v: %.300v", tt.field, tt.size, err == nil, tt.taken, err)
		}
	}
}
