package decision

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/tidetable/tidetable/internal/plain"
)

// Whatever somebody outside has named or answered, no text of a decision steers a
// terminal or is longer than a line: all its renderings rest on that.
func TestNoTextOfADecisionSteersATerminal(t *testing.T) {
	var d Decision
	fill(reflect.ValueOf(&d).Elem(), 0)
	d.Plain()
	walk(t, reflect.ValueOf(d), "decision")
	if _, err := json.Marshal(d); err != nil {
		t.Error(err)
	}
}

const hostile = "\x1b]0;title\x07a\r\nb"

// fill puts a hostile text into every string.
func fill(v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(hostile + strings.Repeat("x", 2*plain.Most))
	case reflect.Pointer:
		if depth < 8 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem(), depth+1)
		}
	case reflect.Slice:
		if depth < 8 {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			fill(v.Index(0), depth+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i), depth+1)
			}
		}
	}
}

func walk(t *testing.T, v reflect.Value, at string) {
	t.Helper()
	switch v.Kind() {
	case reflect.String:
		if s := v.String(); strings.ContainsAny(s, "\x1b\x07\r\n") || len(s) > plain.Most {
			t.Errorf("%s is %.40q… of %d bytes", at, s, len(s))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			walk(t, v.Elem(), at)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walk(t, v.Index(i), at+"[0]")
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				walk(t, v.Field(i), at+"."+v.Type().Field(i).Name)
			}
		}
	}
}
