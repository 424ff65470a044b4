// Package report writes one self-contained HTML page: facts, charts and
// tables, with the charting library inside, so that the page opens offline, can
// be mailed, and asks nobody for anything. Its Content-Security-Policy forbids
// every outside request. Charts are Apache ECharts options
// (https://echarts.apache.org/en/option.html).
//
// A function cannot travel in JSON, so a string "fn:NAME" stands for one of the
// page's formatters: fn:bytes, fn:bytesPerSecond, fn:percent, fn:number,
// fn:seconds. A marked point (markPoint) with a "reason" tells it below its
// chart when it is clicked.
package report

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
)

//go:embed assets/echarts.min.js assets/page.css assets/page.js assets/page.html
var assets embed.FS

// ECharts is the charting library's source, for whoever serves pages of their
// own: it is embedded in the binary once.
func ECharts() []byte {
	b, err := assets.ReadFile("assets/echarts.min.js")
	if err != nil {
		panic(err) // embedded at build time; cannot be absent
	}
	return b
}

// Page is one report.
type Page struct {
	Title    string
	Subtitle string
	Facts    []Fact  // shown large, in order
	Summary  []Table // before the charts
	Charts   []Chart
	Tables   []Table
	Notes    []string // paragraphs at the end: method, limits
}

// Fact is one number that the reader came for.
type Fact struct{ Name, Value, Detail string }

// Chart is one ECharts chart with words for those who cannot see it.
type Chart struct {
	Title       string
	Description string // one sentence; read by screen readers
	Height      int    // CSS pixels; zero means 360
	Option      map[string]any
}

// Table is a table; the columns named in Numeric are right-aligned.
type Table struct {
	Title   string
	Columns []string
	Numeric []int // indexes into Columns
	Rows    [][]string
}

// Write renders the page. The same page gives the same bytes.
func (p Page) Write(w io.Writer) error {
	t, err := template.New("page.html").Funcs(template.FuncMap{
		"css": func() (template.CSS, error) {
			b, err := assets.ReadFile("assets/page.css")
			return template.CSS(b), err
		},
		"js":      func() (template.JS, error) { b, err := assets.ReadFile("assets/page.js"); return template.JS(b), err },
		"echarts": func() template.JS { return template.JS(ECharts()) },
		"option":  optionJSON,
		"height":  func(h int) int { return max(h, 0) + map[bool]int{true: 360}[h <= 0] },
		"numeric": func(t Table, column int) bool {
			for _, n := range t.Numeric {
				if n == column {
					return true
				}
			}
			return false
		},
	}).ParseFS(assets, "assets/page.html")
	if err != nil {
		return fmt.Errorf("parsing the page's template: %w", err)
	}
	if err := t.Execute(w, p); err != nil {
		return fmt.Errorf("writing report: %w", err)
	}
	return nil
}

// optionJSON is the chart's option as JSON that cannot close its script
// element: json.Marshal escapes <, > and &.
func optionJSON(c Chart) (template.JS, error) {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(c.Option); err != nil {
		return "", fmt.Errorf("encoding chart %q: %w", c.Title, err)
	}
	return template.JS(bytes.TrimSpace(b.Bytes())), nil
}
