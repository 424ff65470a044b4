package archive

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tidetable/tidetable/cluster"
)

const formats = "../../docs/formats/"

func TestTheDocumentsExamplesAreRead(t *testing.T) {
	text, err := os.ReadFile(formats + "snapshot.example.json")
	if err != nil {
		t.Fatal(err)
	}
	s, err := ReadSnapshot(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	if err := WriteSnapshot(&again, s); err != nil {
		t.Fatal(err)
	}
	if again.String() != string(text) {
		t.Errorf("the example is not what would be written:\n%s", again.String())
	}
	f, err := os.Open(formats + "trace.example.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tr, err := ReadTrace(f)
	if err != nil || len(tr.Series) != 3 || tr.Mended.Unordered != 1 {
		t.Errorf("trace %+v, %v", tr.Mended, err)
	}
}

// TestTheSchemaNamesEveryField holds docs/formats/snapshot.schema.json against
// the Go types, both ways.
func TestTheSchemaNamesEveryField(t *testing.T) {
	text, err := os.ReadFile(formats + "snapshot.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema node
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	compare(t, "snapshot", schema, reflect.TypeFor[cluster.Snapshot]())
}

type node struct {
	Properties map[string]node `json:"properties"`
	Items      *node           `json:"items"`
}

func compare(t *testing.T, at string, n node, typ reflect.Type) {
	t.Helper()
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
		if typ.Kind() == reflect.Slice {
			if n.Items == nil {
				t.Errorf("%s: the schema has no items", at)
				return
			}
			n = *n.Items
		}
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct || typ.PkgPath() == "time" {
		return
	}
	var fields []string
	for i := range typ.NumField() {
		name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
		fields = append(fields, name)
		child, ok := n.Properties[name]
		if !ok {
			t.Errorf("%s.%s: the schema does not know it", at, name)
			continue
		}
		compare(t, at+"."+name, child, typ.Field(i).Type)
	}
	for name := range n.Properties {
		if !slices.Contains(fields, name) {
			t.Errorf("%s.%s: the schema knows a field that is not there", at, name)
		}
	}
}
