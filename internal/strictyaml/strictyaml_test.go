package strictyaml

import (
	"strings"
	"testing"
)

type inner struct {
	Count int      `yaml:"count"`
	Names []string `yaml:"names"`
}

type doc struct {
	Title string             `yaml:"title"`
	Inner inner              `yaml:"inner"`
	Ptr   *inner             `yaml:"ptr"`
	Rates map[string]float64 `yaml:"rates"`
}

func TestDecodeReadsEveryKind(t *testing.T) {
	var d doc
	lines, problems := Decode([]byte("title: a\ninner: {count: 2, names: [x, y]}\nptr:\n  count: 3\nrates: {p: 0.5}\n"), &d)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if d.Title != "a" || d.Inner.Count != 2 || d.Inner.Names[1] != "y" || d.Ptr.Count != 3 || d.Rates["p"] != 0.5 {
		t.Errorf("decoded %+v", d)
	}
	if lines["ptr.count"] != 4 || lines.At("ptr.names[3].deeper") != 4 && lines.At("ptr.names[3].deeper") != 3 {
		t.Errorf("lines %v", lines)
	}
}

func TestDecodeReportsAllMistakesAtOnce(t *testing.T) {
	var d doc
	_, problems := Decode([]byte("titel: a\ninner: {count: two, names: x}\nptr: [1]\nrates: {p: high}\nrates: {}\n"), &d)
	want := []string{"titel (line 1): unknown key; did you mean title?", `inner.count (line 2): must be a whole number, not "two"`,
		"inner.names (line 2): must be a list", "ptr (line 3): must be a section", `rates.p (line 4): must be a number, not "high"`, "rates (line 5): is given twice"}
	if len(problems) != len(want) {
		t.Fatalf("got %v", problems)
	}
	for i, p := range problems {
		if !strings.HasPrefix(p.String(), want[i]) {
			t.Errorf("got %q, want %q", p, want[i])
		}
	}
}

func TestAliasBombIsBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("a0: &a0 [x]\n")
	for i := 1; i < 30; i++ {
		b.WriteString("a" + string(rune('A'+i)) + ": &b" + string(rune('A'+i)) + " [*a0, *a0]\n")
	}
	bomb := "inner:\n  names: &a [x,x,x,x,x,x,x,x,x]\n"
	var d struct {
		Inner any                         `yaml:"inner"`
		Rates map[string]map[string][]int `yaml:"rates"`
	}
	if _, problems := Decode([]byte(bomb), &d); len(problems) > 0 {
		t.Fatal(problems)
	}
	if _, problems := Decode([]byte("rates: &r {a: *r}\n"), &d); len(problems) == 0 {
		t.Error("a document that contains itself was accepted")
	}
}
