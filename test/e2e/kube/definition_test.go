package kube

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
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
}
