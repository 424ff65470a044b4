package policy

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestFullDocumentDecodes(t *testing.T) {
	p, err := Load("testdata/full.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	if p.Metadata.Name != "claims" || p.Spec.Brokers.Max != 12 || p.Spec.Consumers[0].Lag.MaxSeconds != 60 ||
		p.Spec.Forecast.History.D() != 28*24*time.Hour || p.Spec.Kafka.SASL.Password.File != "/etc/kafka/password" {
		t.Errorf("decoded wrongly: %+v", p)
	}
	if p.Spec.Brokers.Survive != (Survive{Zones: 1}) {
		t.Errorf("a default was put over what was said: %+v", p.Spec.Brokers.Survive)
	}
}

func TestEveryMistakeIsReportedTogether(t *testing.T) {
	_, err := Load("testdata/ten-mistakes.yaml", nil)
	if err == nil {
		t.Fatal("ten mistakes were accepted")
	}
	golden := filepath.Join("testdata", "ten-mistakes.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(err.Error()+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, _ := os.ReadFile(golden)
	if err.Error()+"\n" != string(want) {
		t.Errorf("got:\n%s\nwant:\n%s", err, want)
	}
	if n := len(err.(*Invalid).Problems); n != 10 {
		t.Errorf("reported %d mistakes, want 10", n)
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Error("a secret is repeated in the message")
	}
}

func TestMistakesAreNamedByPathAndLine(t *testing.T) {
	header := "apiVersion: tidetable.io/v1alpha1\nkind: KafkaCapacityPolicy\nspec:\n"
	tests := map[string]struct{ doc, want string }{
		"empty":             {"", "is empty"},
		"not yaml":          {"{", "did not find expected node content"},
		"a list":            {"- a\n", "must be a section"},
		"two documents":     {header + "  mode: Act\n---\nkind: x\n", "more than one document"},
		"unknown key":       {header + "  brokers: {maximum: 3}\n", "spec.brokers.maximum (line 4): unknown key"},
		"suggestion":        {header + "  broker: {}\n", "did you mean brokers?"},
		"twice":             {header + "  mode: Act\n  mode: Observe\n", "spec.mode (line 5): is given twice"},
		"list for section":  {header + "  brokers: [1]\n", "spec.brokers (line 4): must be a section"},
		"text for number":   {header + "  brokers: {min: many}\n", `spec.brokers.min (line 4): must be a whole number, not "many"`},
		"inline secret":     {header + "  kafka: {sasl: {mechanism: PLAIN, username: u, password: {value: x}}}\n", "unknown key"},
		"header secret":     {header + "  prometheus: {headers: {Authorization: Bearer x}}\n", "is a secret"},
		"URL with password": {header + "  prometheus: {url: 'http://u:p@h:1'}\n", "must not hold a user or password"},
		"act without bound": {
			header + "  mode: Act\n  brokers: {target: {kind: StatefulSet, name: k}}\n",
			"spec.brokers.max (line 5): is missing",
		},
		"throttle": {header + "  rebalance: {throttle: fast}\n", "auto or a rate"},
		"uplift down": {
			header + "  alerts: {webhook: {rules: [{match: {a: b}, effect: uplift, uplift: 0.5}]}}\n",
			"an alert can only raise",
		},
		"negative":    {header + "  gates: {cooldown: -5m}\n", "is not a duration"},
		"NaN":         {header + "  cost: {brokerHour: .nan}\n", "must not be negative"},
		"not a share": {header + "  brokers: {utilisation: {cpu: 60}}\n", "above 0 and at most 1"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Decode([]byte(tc.doc), "p.yaml")
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.HasPrefix(err.Error(), "p.yaml: ") {
				t.Errorf("got %v, want it to say %q", err, tc.want)
			}
		})
	}
}

func TestDefaultsAreValidAndComplete(t *testing.T) {
	p, err := Decode([]byte(`{"apiVersion":"tidetable.io/v1alpha1","kind":"KafkaCapacityPolicy","spec":{}}`), "p")
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(p.Spec, Default) {
		t.Errorf("an empty spec is not the table of defaults:\n%+v\n%+v", p.Spec, Default)
	}
	if err := p.Validate(); err != nil {
		t.Error(err)
	}
}

func TestSpecOfACustomResourceReadsTheSame(t *testing.T) {
	p, err := Load("testdata/full.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(p.Spec)
	if err != nil {
		t.Fatal(err)
	}
	q, err := DecodeSpec("claims", "kafka", raw)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(p.Spec, q.Spec) {
		t.Errorf("got %+v\nwant %+v", q.Spec, p.Spec)
	}
	if _, err := DecodeSpec("claims", "kafka", []byte(`{"brokers":{"mn":1}}`)); err == nil ||
		!strings.Contains(err.Error(), "spec.brokers.mn: unknown key") {
		t.Errorf("got %v", err)
	}
}

func TestDurationsRoundTrip(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"28d": 28 * 24 * time.Hour, "1d12h": 36 * time.Hour, "2w": 14 * 24 * time.Hour, "90s": 90 * time.Second, "1.5h": 90 * time.Minute, "250ms": 250 * time.Millisecond,
	} {
		d, err := ParseDuration(in)
		if err != nil || d.D() != want {
			t.Errorf("%s: got %s, %v", in, d, err)
		}
		if back, err := ParseDuration(d.String()); err != nil || back != d {
			t.Errorf("%s printed as %s, which reads as %s, %v", in, d, back, err)
		}
	}
	for _, bad := range []string{"", "30", "5 minutes", "-1h", "1h-", "999999w", "1e9h", "h"} {
		if d, err := ParseDuration(bad); err == nil {
			t.Errorf("%q was read as %s", bad, d)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, name := range []string{"testdata/full.yaml", "testdata/ten-mistakes.yaml"} {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("? {a: b}\n: c"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Decode(data, "p")
		if err == nil {
			if err := p.Validate(); err != nil {
				t.Errorf("accepted, but not valid: %v", err)
			}
		}
	})
}

func TestExampleInTheDocsIsValid(t *testing.T) {
	if _, err := Load("../docs/formats/policy.example.yaml", nil); err != nil {
		t.Error(err)
	}
}
