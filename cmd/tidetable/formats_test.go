package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
	"go.yaml.in/yaml/v3"

	"github.com/tidetable/tidetable/adapters/journal"
	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/capacity/outlook"
	"github.com/tidetable/tidetable/controller"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/policy"
	"github.com/tidetable/tidetable/rebalance"
	"github.com/tidetable/tidetable/rebalance/execute"
	"github.com/tidetable/tidetable/simulations"
	"github.com/tidetable/tidetable/simulations/scenario"
)

var updateFormats = flag.Bool("update-formats", false, "write docs/formats anew: the schemas made from types, and the examples")

const formats = "../../docs/formats/"

// made are the schemas that are made from Go types; the others in docs/formats
// are written by hand.
var made = map[string]struct {
	title string
	typ   reflect.Type
	input bool // read, not written: nothing is required that has a default
}{
	"backtest":        {"tidetable backtest", reflect.TypeFor[backtestsJSON](), false},
	"capacity-plan":   {"tidetable plan", reflect.TypeFor[outlook.Outlook](), false},
	"decision":        {"tidetable controller --once, and what explain reads", reflect.TypeFor[decision.Decision](), false},
	"progress":        {"tidetable rebalance execute, status and cancel", reflect.TypeFor[progressJSON](), false},
	"simulation":      {"tidetable simulate", reflect.TypeFor[simulations.Result](), false},
	"simulation-runs": {"tidetable simulate --runs", reflect.TypeFor[simulations.MonteCarlo](), false},
	"scenario":        {"tidetable simulate SCENARIO", reflect.TypeFor[scenario.Scenario](), true},
	"prices":          {"tidetable plan --price, and a scenario's prices", reflect.TypeFor[capacity.PriceFile](), true},
}

func schemaOf(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile(formats + name + ".schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var s jsonschema.Schema
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return &s
}

func TestSchemasAreOfWhatIsWritten(t *testing.T) {
	written := func(pattern string) *jsonschema.Schema {
		return &jsonschema.Schema{Types: []string{"string", "number"}, Description: pattern}
	}
	opts := &jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[policy.Duration](): written("a duration such as 90s, 30m, 6h or 28d"),
		reflect.TypeFor[scenario.Bytes]():  written("an amount or a rate such as 500GB or 20MB/s"),
		reflect.TypeFor[scenario.Time]():   {Type: "string", Format: "date-time"},
		reflect.TypeFor[policy.Spec]():     {Type: "object", Description: "see policy.schema.json"},
	}}
	for name, m := range made {
		s, err := jsonschema.ForType(m.typ, opts)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		loosen(s, m.input)
		s.Schema, s.Title = "https://json-schema.org/draft/2020-12/schema", m.title
		text, err := json.MarshalIndent(s, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		hold(t, name+".schema.json", append(text, '\n'))
	}
}

// loosen lets a schema's objects have fields of a later version, and where they
// are read, leave out what has a default.
func loosen(s *jsonschema.Schema, input bool) {
	if s == nil {
		return
	}
	if s.Properties != nil {
		s.AdditionalProperties = nil
		if input {
			s.Required = nil
			s.AdditionalProperties = &jsonschema.Schema{Not: &jsonschema.Schema{}} // an unknown key is a mistake
		}
	}
	for _, p := range s.Properties {
		loosen(p, input)
	}
	loosen(s.Items, input)
	if s.Properties == nil {
		loosen(s.AdditionalProperties, input)
	}
}

// hold compares a file of docs/formats, or writes it.
func hold(t *testing.T, file string, want []byte) {
	t.Helper()
	if *updateFormats {
		if err := os.WriteFile(formats+file, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(formats + file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, want) {
		t.Errorf("%s is not what the types say; go test ./cmd/tidetable -run TestSchemas -update-formats writes it", file)
	}
}

// Every example, and what the commands print today, is what its schema says.
func TestWhatIsPrintedFollowsItsSchema(t *testing.T) {
	trace := traceCSV(t)
	six := formats + "scenario.example.yaml"
	commands := []struct {
		schema, example string
		args            []string
	}{
		{"forecast", "forecast.example.json", []string{"forecast", "--input", trace, "--horizon", "15m", "--explain"}},
		{"backtest", "backtest.example.json", []string{"backtest", "--input", trace, "--horizon", "1h", "--every", "12h"}},
		{"snapshot", "", nil},
		{"plan", "", nil},
		{
			"capacity-plan",
			"capacity-plan.example.json",
			[]string{
				"plan",
				"--policy",
				formats + "policy.example.yaml",
				"--input",
				formats + "snapshot.example.json",
				"--horizon",
				"60d",
				"--growth",
				"0.5",
				"--lose",
				"zone=a",
			},
		},
		{"simulation", "simulation.example.json", []string{"simulate", six}},
		{"simulation-runs", "simulation-runs.example.json", []string{"simulate", six, "--runs", "2"}},
		{"decision", "decision.example.json", []string{"explain", scaledOut(t)}},
	}
	for _, c := range commands {
		schema, err := schemaOf(t, c.schema).Resolve(nil)
		if err != nil {
			t.Fatalf("%s: %v", c.schema, err)
		}
		if c.args != nil {
			code, out, errs := tidetable(append(c.args, "--output", "json")...)
			if code != 0 {
				t.Errorf("%s: exit %d: %s", c.schema, code, errs)
				continue
			}
			validate(t, c.schema+" as printed", schema, []byte(out))
			if *updateFormats && c.example != "" {
				hold(t, c.example, []byte(out))
			}
		}
		example := c.example
		if example == "" {
			example = c.schema + ".example.json"
		}
		text, err := os.ReadFile(formats + example)
		if err != nil {
			t.Fatal(err)
		}
		validate(t, example, schema, text)
	}
}

func validate(t *testing.T, what string, schema *jsonschema.Resolved, text []byte) {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	if err := schema.Validate(v); err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

// scaledOut runs the example scenario and writes its first decision that scaled
// brokers out into a file; the forecasts' curves are cut to three points.
func scaledOut(t *testing.T) string {
	t.Helper()
	plan, _, err := readScenario(formats+"scenario.example.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	var first firstDecision
	o := simulationOptions()
	o.Journal = func(string, controller.Clock) (controller.Journal, error) { return &first, nil }
	if _, err := simulations.Compare(t.Context(), plan, o); err != nil {
		t.Fatal(err)
	}
	if first.Reason == "" {
		t.Fatal("the example scaled no brokers out")
	}
	for i := range first.Forecasts {
		f := &first.Forecasts[i]
		f.Curve = f.Curve[:min(3, len(f.Curve))]
	}
	text, err := json.Marshal(first.Decision)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "decision.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// firstDecision is a journal that keeps the first decision which scaled brokers out.
type firstDecision struct{ decision.Decision }

func (f *firstDecision) Record(_ context.Context, d decision.Decision) error {
	out := slices.ContainsFunc(d.Proposals, func(p decision.Proposal) bool { return p.Kind == decision.ScaleBrokers && p.To > p.From })
	if f.Reason == "" && d.Reason == decision.ReasonScaled && out {
		f.Decision = d
	}
	return nil
}

func TestProgressExampleIsWhatIsPrinted(t *testing.T) {
	var out bytes.Buffer
	p := rebalance.Progress{
		State:      rebalance.Moving,
		BytesTotal: 3.7e12,
		BytesMoved: 4.1e11,
		MovesTotal: 812,
		MovesDone:  90,
		Rate:       9.6e7,
		ETASeconds: 34320,
	}
	if err := printProgress(&out, execute.Run{ID: "20260301T120000.000-7tkw"}, p, "json"); err != nil {
		t.Fatal(err)
	}
	schema, err := schemaOf(t, "progress").Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	validate(t, "progress as printed", schema, out.Bytes())
	hold(t, "progress.example.json", out.Bytes())
}

// What people write is held to its schema, too: the example documents are read
// by the commands in other tests.
func TestDocumentExamplesFollowTheirSchemas(t *testing.T) {
	hold(t, "policy.schema.json", policySchema(t))
	if _, err := readEvents(formats+"events.example.yaml", nil); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"scenario", "events", "policy", "catalogue", "prices"} {
		text, err := os.ReadFile(formats + name + ".example.yaml")
		if err != nil {
			t.Fatal(err)
		}
		schema, err := schemaOf(t, name).Resolve(nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		validate(t, name+".example.yaml", schema, asJSON(t, text))
	}
}

func asJSON(t *testing.T, text []byte) []byte {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	out, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// policySchema is the custom resource's schema in the words of JSON schema:
// what only the API server understands is left out, and the status, which
// nobody writes.
func policySchema(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile("../../deploy/kustomize/base/crd.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var crd struct {
		Spec struct {
			Versions []struct {
				Schema struct {
					OpenAPI map[string]any `yaml:"openAPIV3Schema"`
				} `yaml:"schema"`
			} `yaml:"versions"`
		} `yaml:"spec"`
	}
	if err := yaml.Unmarshal(text, &crd); err != nil {
		t.Fatal(err)
	}
	root := crd.Spec.Versions[0].Schema.OpenAPI
	plainValue(root)
	delete(root["properties"].(map[string]any), "status")
	root["$schema"], root["title"] = "https://json-schema.org/draft/2020-12/schema", "KafkaCapacityPolicy"
	out, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(out, '\n')
}

// plain turns OpenAPI's schema into JSON schema, in place.
func plainValue(s map[string]any) {
	if least, exclusive := s["minimum"], s["exclusiveMinimum"]; exclusive == true {
		delete(s, "minimum")
		s["exclusiveMinimum"] = least
	}
	for key, v := range s {
		switch child := v.(type) {
		case map[string]any:
			plainValue(child)
		default:
			if key == "format" && (child == "int32" || child == "int64") {
				delete(s, key)
			}
		}
		if strings.HasPrefix(key, "x-kubernetes-") {
			delete(s, key)
		}
	}
}

// The example journal is a whole chain: written by the journal, verified by the
// command.
func TestJournalExampleHolds(t *testing.T) {
	example := formats + "journal.example.jsonl"
	code, out, errs := tidetable("journal", "verify", example, "--anchor", "none")
	if code != 0 && *updateFormats { // one that holds is kept: process ids differ every time
		writeJournalExample(t, example)
		code, out, errs = tidetable("journal", "verify", example, "--anchor", "none")
	}
	if code != 0 {
		t.Fatalf("exit %d: %s%s", code, out, errs)
	}
	entry, err := schemaOf(t, "journal").Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		validate(t, fmt.Sprintf("journal.example.jsonl, line %d", i+1), entry, []byte(line))
	}
}

func writeJournalExample(t *testing.T, path string) {
	t.Helper()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	dir := t.TempDir()
	j, err := journal.Open(
		filepath.Join(dir, "j.jsonl"),
		journal.Options{Writer: "tidetable-7d9f", Now: func() time.Time { now = now.Add(time.Second); return now }},
	)
	if err != nil {
		t.Fatal(err)
	}
	id := "20260301T120000.000Z-claims"
	for _, err := range []error{
		j.RecordApproval(t.Context(), journal.Approval{Decision: id, Proposed: decision.Proposal{Kind: decision.ScaleBrokers, Target: "StatefulSet/kafka", From: 6, To: 7, Why: "7 brokers, bound by network-out"}, Granted: true, By: "ann@example.org", Via: "page"}),
		j.RecordAction(t.Context(), journal.ActionRecord{Decision: id, Name: "batch", Subject: "StatefulSet/kafka", Done: "moved 12 replicas, 48.2 GB, to broker 6"}),
		j.RecordOperation(t.Context(), journal.Operation{Name: "hold", Subject: "claims", By: "ann@example.org", Via: "page", Reason: "network maintenance until 14:00"}),
		j.Close(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "j.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
}
