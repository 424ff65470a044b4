package catalogue_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/metrics/catalogue"
)

var update = flag.Bool("update", false, "write the tables of the documents")

const page = "../../docs/formats/catalogue.md"

// TestTheDocumentListsEverySignal keeps the table of docs/formats/catalogue.md
// what metrics.Signals says.
func TestTheDocumentListsEverySignal(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	const head = "| signal | unit | labels |\n|---|---|---|\n"
	before, rest, ok := strings.Cut(string(text), head)
	if !ok {
		t.Fatal("the page has no table of signals")
	}
	_, after, _ := strings.Cut(rest, "\n\n")
	var table strings.Builder
	for _, s := range slices.Sorted(maps.Keys(metrics.Signals)) {
		info := metrics.Signals[s]
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", s, info.Unit, strings.Join(info.Labels, ", "))
	}
	want := before + head + table.String() + "\n" + after
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if !*update && want != string(text) {
		t.Error("the table differs; run go test ./metrics/catalogue -update")
	}
}

func TestTheDocumentsExampleIsRead(t *testing.T) {
	if _, err := catalogue.Load("../../docs/formats/catalogue.example.yaml,strimzi"); err != nil {
		t.Error(err)
	}
}

func TestTheSchemaKnowsEveryUnit(t *testing.T) {
	text, err := os.ReadFile("../../docs/formats/catalogue.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Properties struct {
			Queries struct {
				Items struct {
					Properties struct {
						Unit struct {
							Enum []string `json:"enum"`
						} `json:"unit"`
					} `json:"properties"`
				} `json:"items"`
			} `json:"queries"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	for s, info := range metrics.Signals {
		if !slices.Contains(schema.Properties.Queries.Items.Properties.Unit.Enum, info.Unit) {
			t.Errorf("%s is in %s, which the schema does not know", s, info.Unit)
		}
	}
}
