package main

import (
	"encoding/json"
	"reflect"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/tidetable/tidetable/policy"
)

// refinements say what a Go type cannot: enumerations, bounds and rules between
// fields, by the schema's path. They repeat policy's validation where the API
// server can check it at once; the rest is reported in the Ready condition.
var refinements = map[string]func(*apiextensions.JSONSchemaProps){
	"spec": func(s *apiextensions.JSONSchemaProps) {
		s.XValidations = apiextensions.ValidationRules{
			rule(
				"!has(self.mode) || !(self.mode in ['Act', 'Approve']) || (has(self.brokers) && has(self.brokers.max) && self.brokers.max > 0)",
				"brokers.max is required in mode Approve and Act",
			),
		}
	},
	"spec.journal": func(s *apiextensions.JSONSchemaProps) {
		s.XValidations = apiextensions.ValidationRules{
			rule("has(self.path) && self.path != '' || !(has(self.topic) && self.topic != '') && !has(self.sign)",
				"journal.path is required with journal.topic and journal.sign"),
		}
	},
	"spec.mode":                 enum("Observe", "Recommend", "Approve", "Act"),
	"spec.kafka.sasl.mechanism": enum("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"),
	"spec.forecast.quantile":    share,
	"spec.brokers": func(s *apiextensions.JSONSchemaProps) {
		s.XValidations = apiextensions.ValidationRules{
			rule("!has(self.max) || self.max == 0 || !has(self.min) || self.max >= self.min", "max must not be less than min"),
		}
	},
	"spec.brokers.min":                       atLeast(1),
	"spec.brokers.max":                       atLeast(0),
	"spec.brokers.maxStep":                   atLeast(1),
	"spec.brokers.utilisation.cpu":           share,
	"spec.brokers.utilisation.networkIn":     share,
	"spec.brokers.utilisation.networkOut":    share,
	"spec.brokers.utilisation.disk":          share,
	"spec.brokers.utilisation.diskBandwidth": share,
	"spec.brokers.survive.zones":             atLeast(0),
	"spec.brokers.survive.brokers":           atLeast(0),
	"spec.consumers[]": func(s *apiextensions.JSONSchemaProps) {
		s.XValidations = apiextensions.ValidationRules{
			rule("!has(self.max) || self.max == 0 || !has(self.min) || self.max >= self.min", "max must not be less than min"),
		}
	},
	"spec.consumers[].via":   enum("auto", "floor", "scale", "metric"),
	"spec.consumers[].min":   atLeast(0),
	"spec.consumers[].max":   atLeast(0),
	"spec.consumers[].group": func(s *apiextensions.JSONSchemaProps) { s.MinLength = ptr(int64(1)) },
	"spec.gates.diskAfter":   share,

	"status.operation":            atMost(policy.MaxState),
	"status.why":                  atMost(policy.MaxText),
	"status.conditions[].message": atMost(policy.MaxText),
}

func rule(cel, message string) apiextensions.ValidationRule {
	return apiextensions.ValidationRule{Rule: cel, Message: message}
}

func enum(values ...string) func(*apiextensions.JSONSchemaProps) {
	return func(s *apiextensions.JSONSchemaProps) {
		for _, v := range values {
			raw, _ := json.Marshal(v) // a string always encodes
			s.Enum = append(s.Enum, apiextensions.JSON{Raw: raw})
		}
	}
}

func atLeast(n float64) func(*apiextensions.JSONSchemaProps) {
	return func(s *apiextensions.JSONSchemaProps) { s.Minimum = &n }
}

func atMost(characters int64) func(*apiextensions.JSONSchemaProps) {
	return func(s *apiextensions.JSONSchemaProps) { s.MaxLength = &characters }
}

func share(s *apiextensions.JSONSchemaProps) {
	s.Minimum, s.ExclusiveMinimum, s.Maximum = ptr(0.0), true, ptr(1.0)
}

// crd is the definition as it is written: without the status that the Go type
// always carries.
type crd struct {
	APIVersion string                                     `json:"apiVersion"`
	Kind       string                                     `json:"kind"`
	Metadata   map[string]any                             `json:"metadata"`
	Spec       apiextensions.CustomResourceDefinitionSpec `json:"spec"`
}

func definition(c comments) crd {
	spec := schemaOf(reflect.TypeFor[policy.Spec](), "spec", c)
	spec.Description = c["Spec"]
	status := schemaOf(reflect.TypeFor[policy.Status](), "status", c)
	status.Description = c["Status"]
	conditions := status.Properties["conditions"]
	conditions.XListType, conditions.XListMapKeys = ptr("map"), []string{"type"}
	status.Properties["conditions"] = conditions
	return crd{
		APIVersion: "apiextensions.k8s.io/v1", Kind: "CustomResourceDefinition",
		Metadata: map[string]any{"name": policy.Plural + "." + policy.Group},
		Spec: apiextensions.CustomResourceDefinitionSpec{
			Group: policy.Group,
			Scope: apiextensions.NamespaceScoped,
			Names: apiextensions.CustomResourceDefinitionNames{
				Kind: policy.Kind, ListKind: policy.Kind + "List", Plural: policy.Plural, Singular: "kafkacapacitypolicy",
				ShortNames: []string{"kcp"}, Categories: []string{"kafka"},
			},
			Versions: []apiextensions.CustomResourceDefinitionVersion{{
				Name: policy.Version, Served: true, Storage: true,
				Schema: &apiextensions.CustomResourceValidation{OpenAPIV3Schema: &apiextensions.JSONSchemaProps{
					Type: "object", Description: "KafkaCapacityPolicy says what tidetable may do with one Kafka cluster.",
					Required: []string{"spec"},
					Properties: map[string]apiextensions.JSONSchemaProps{
						"apiVersion": {Type: "string"}, "kind": {Type: "string"}, "metadata": {Type: "object"},
						"spec": spec, "status": status,
					},
				}},
				Subresources: &apiextensions.CustomResourceSubresources{
					Status: &apiextensions.CustomResourceSubresourceStatus{},
				},
				AdditionalPrinterColumns: columns(),
			}},
		},
	}
}

func columns() []apiextensions.CustomResourceColumnDefinition {
	return []apiextensions.CustomResourceColumnDefinition{
		{Name: "Mode", Type: "string", JSONPath: ".spec.mode"},
		{Name: "Brokers", Type: "integer", JSONPath: ".status.brokers"},
		{Name: "Want", Type: "integer", JSONPath: ".status.want"},
		{Name: "Why", Type: "string", JSONPath: ".status.why"},
		{Name: "Ready", Type: "string", JSONPath: `.status.conditions[?(@.type=="Ready")].status`},
		{Name: "Age", Type: "date", JSONPath: ".metadata.creationTimestamp"},
	}
}
