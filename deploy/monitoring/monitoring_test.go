package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/tidetable/tidetable/decision"
)

var update = flag.Bool("update", false, "write the generated files")

func TestGeneratedFilesAreCurrent(t *testing.T) {
	if *update {
		if err := write(".."); err != nil {
			t.Fatal(err)
		}
	}
	files, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("..", name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("deploy/%s is not what deploy/monitoring makes (%v): make monitoring", name, err)
		}
	}
}

// metricsInDocs are the names that docs/metrics.md lists; the test of
// adapters/telemetry holds that list against the code.
func metricsInDocs(t *testing.T) map[string]bool {
	doc, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, m := range regexp.MustCompile("`(tidetable_[a-z_]+)`").FindAllSubmatch(doc, -1) {
		names[string(m[1])] = true
	}
	return names
}

// checkExpr parses an expression and sees that what it selects exists.
func checkExpr(t *testing.T, where, expr string, known map[string]bool) {
	t.Helper()
	expr = strings.NewReplacer("$__range", "1h", "$policy", "p", "$signal", "s").Replace(expr)
	e, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		t.Errorf("%s: %v: %s", where, err, expr)
		return
	}
	found := 0
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		if v, ok := n.(*parser.VectorSelector); ok {
			found++
			name := strings.TrimSuffix(v.Name, "_bucket")
			if !known[name] {
				t.Errorf("%s: there is no metric %s", where, v.Name)
			}
		}
		return nil
	})
	if found == 0 {
		t.Errorf("%s selects nothing: %s", where, expr)
	}
}

func TestEveryRuleSelectsWhatExistsAndHasARunbook(t *testing.T) {
	known := metricsInDocs(t)
	names := map[string]bool{}
	for _, g := range groups() {
		for _, r := range g.Rules {
			checkExpr(t, r.Alert, r.Expr, known)
			if names[r.Alert] {
				t.Errorf("%s is there twice", r.Alert)
			}
			names[r.Alert] = true
			if !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) || r.Annotations["summary"] == "" ||
				r.Annotations["description"] == "" {
				t.Errorf("%s lacks a severity, a summary or a description", r.Alert)
			}
		}
	}
	for _, k := range decision.ConcernKinds {
		names[string(k)] = true
	}
	for name := range names {
		page, err := os.ReadFile(filepath.Join("../../docs/runbooks", name+".md"))
		if err != nil {
			t.Errorf("%s has no runbook: %v", name, err)
			continue
		}
		for _, part := range []string{"# " + name + "\n", "\n## What it means", "\n## What it does to you", "\n## Look", "\n## Do"} {
			if !strings.Contains(string(page), part) {
				t.Errorf("docs/runbooks/%s.md lacks %q", name, strings.TrimSpace(part))
			}
		}
	}
	pages, _ := filepath.Glob("../../docs/runbooks/*.md")
	for _, p := range pages {
		if name := strings.TrimSuffix(filepath.Base(p), ".md"); !names[name] && name != "README" {
			t.Errorf("docs/runbooks/%s.md is about no alert", name)
		}
	}
}

func TestDashboardsAreWellMade(t *testing.T) {
	known := metricsInDocs(t)
	uids := map[string]bool{}
	for _, d := range dashboards() {
		b, err := d.json()
		if err != nil {
			t.Fatal(err)
		}
		var doc struct {
			UID    string
			Panels []struct {
				ID                       int
				Type, Title, Description string
				Datasource               struct{ UID string }
				FieldConfig              struct{ Defaults struct{ Unit string } }
				GridPos                  struct{ H, W, X, Y int }
				Targets                  []struct{ RefID, Expr, LegendFormat string }
			}
		}
		if err := json.Unmarshal(b, &doc); err != nil {
			t.Fatal(err)
		}
		if uids[doc.UID] || doc.UID == "" {
			t.Errorf("%s: uid %q", d.file, doc.UID)
		}
		uids[doc.UID] = true
		ids, cells := map[int]bool{}, map[[2]int]string{}
		for _, p := range doc.Panels {
			where := d.file + ": " + p.Title
			if ids[p.ID] || p.Title == "" {
				t.Errorf("%s: id %d or title", where, p.ID)
			}
			ids[p.ID] = true
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
					if other := cells[[2]int{x, y}]; other != "" || x >= 24 {
						t.Fatalf("%s overlaps %q or leaves the grid", where, other)
					}
					cells[[2]int{x, y}] = p.Title
				}
			}
			if p.Type == "row" {
				continue
			}
			if p.Description == "" || p.FieldConfig.Defaults.Unit == "" || p.Datasource.UID != "${datasource}" || len(p.Targets) == 0 {
				t.Errorf("%s lacks a description, a unit, the data source variable or a query", where)
			}
			for _, q := range p.Targets {
				checkExpr(t, where, q.Expr, known)
				if q.LegendFormat == "" || q.RefID == "" {
					t.Errorf("%s: a query lacks its legend", where)
				}
			}
		}
	}
}

// TestRulesFireAndStaySilentInPromtool runs the rules' unit tests with
// promtool, and sees that every alert has one.
func TestRulesFireAndStaySilentInPromtool(t *testing.T) {
	tests, err := os.ReadFile("../rules/tidetable.test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups() {
		for _, r := range g.Rules {
			if n := strings.Count(string(tests), "alertname: "+r.Alert+"\n"); n < 2 {
				t.Errorf("%s has %d tests: it must be seen to fire and to stay silent", r.Alert, n)
			}
		}
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("no promtool on this machine: apt-get install prometheus")
	}
	for _, args := range [][]string{{"check", "rules", "tidetable.rules.yaml"}, {"test", "rules", "tidetable.test.yaml"}} {
		cmd := exec.Command(promtool, args...)
		cmd.Dir = "../rules"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		} else {
			t.Log(fmt.Sprintf("%s", bytes.TrimSpace(out)))
		}
	}
}
