package report

import (
	"bytes"
	"strings"
	"testing"
)

func TestHostileTextIsShownAsText(t *testing.T) {
	evil := `</script><script>alert("x")</script>`
	p := Page{
		Title: evil, Subtitle: evil, Notes: []string{evil},
		Facts:  []Fact{{evil, evil, evil}},
		Charts: []Chart{{Title: evil, Description: evil, Option: map[string]any{"title": evil}}},
		Tables: []Table{{Title: evil, Columns: []string{evil}, Rows: [][]string{{evil}}}},
	}
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), `<script>alert(`) {
		t.Error("a script from the data reached the page")
	}
}

func TestPageAsksNobodyForAnything(t *testing.T) {
	var b bytes.Buffer
	if err := (Page{Title: "t"}).Write(&b); err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(b.String(), "</head>")
	if !strings.Contains(head, `default-src &#39;none&#39;`) && !strings.Contains(head, `default-src 'none'`) {
		t.Error("the page's policy does not forbid outside requests")
	}
	for _, s := range []string{"<link", " src="} {
		if strings.Contains(head, s) {
			t.Errorf("the page's head has %q", s)
		}
	}
}

func TestSamePageGivesSameBytes(t *testing.T) {
	p := Page{Title: "t", Charts: []Chart{{Option: map[string]any{"b": 1, "a": map[string]any{"d": 1, "c": 2}}}}}
	var a, b bytes.Buffer
	if err := p.Write(&a); err != nil {
		t.Fatal(err)
	}
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("two writes of one page differ")
	}
}
