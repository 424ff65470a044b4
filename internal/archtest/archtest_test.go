// Package archtest holds the dependency rule of docs/ARCHITECTURE.md against
// what the code really imports. Adding a room means adding its line here.
package archtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/tidetable/tidetable/"

// leaves may be imported by every room but cluster: they know nobody.
var leaves = []string{"internal/files", "internal/plain", "internal/report", "internal/shareddata", "internal/strictyaml"}

// anything is what the rooms that wire may know: all that stands below them.
var anything = []string{"..."}

// mayImport is the house's table: a room, and the rooms it may know. A room
// that ends in /... stands for every folder below it. Each permission is used,
// and none leads to a higher floor of the drawing in docs/ARCHITECTURE.md.
var mayImport = []struct {
	room  string
	knows []string
}{
	{"actuators", nil},
	{"actuators/workload", []string{"actuators", "policy"}},
	{"actuators/...", []string{"actuators", "actuators/workload"}},
	{"adapters/alertmanager", []string{"decision", "policy"}},
	{"adapters/journal", []string{"decision"}},
	{"adapters/kube", []string{"actuators", "controller/operation", "decision", "policy", "rebalance"}},
	{"adapters/telemetry", []string{"decision"}},
	{"adapters/web", []string{"decision"}},
	{"adapters/web/webtest", []string{"capacity", "cluster", "decision", "rebalance"}},
	{"capacity", []string{"cluster"}},
	{"capacity/outlook", []string{"capacity", "cluster", "metrics"}},
	{"capacity/schedule", []string{"capacity", "cluster"}},
	{"cluster", nil},
	{"cmd/...", anything},
	{"controller", []string{
		"actuators", "capacity", "capacity/outlook", "capacity/schedule", "cluster", "controller/gates", "controller/identity", "controller/operation", "decision", "forecast", "metrics", "policy", "policy/parts",
	}},
	{"controller/gates", []string{"controller/identity", "actuators", "capacity", "cluster", "decision", "metrics", "policy"}},
	{"controller/identity", []string{"actuators", "cluster", "decision", "policy"}},
	{"controller/operation", []string{"controller/identity", "actuators", "capacity", "cluster", "decision", "policy", "rebalance"}},
	{"daemon", anything},
	{"decision", []string{"capacity", "cluster", "metrics", "rebalance"}},
	{"deploy/...", anything},
	{"forecast", []string{"metrics"}},
	{"forecast/backtest", []string{"forecast", "metrics"}},
	{"internal/...", nil},
	{"metrics", []string{"cluster"}},
	{"metrics/archive", []string{"cluster", "metrics", "metrics/source"}},
	{"metrics/archive/internal/tsdbread", nil},
	{"metrics/archive/promtest", nil},
	{"metrics/catalogue", []string{"metrics"}},
	{"metrics/kafka", []string{"cluster", "metrics"}},
	{"metrics/observe", []string{"capacity", "cluster", "metrics"}},
	{"metrics/prometheus", []string{"cluster", "metrics", "metrics/source"}},
	{"metrics/source", []string{"cluster", "metrics"}},
	{"policy", []string{"cluster"}},
	{"policy/parts", []string{"capacity", "capacity/schedule", "cluster", "forecast", "policy", "rebalance"}},
	{"rebalance", []string{"cluster"}},
	{"rebalance/execute", []string{"cluster", "metrics", "rebalance"}},
	{"rebalance/execute/adminclient", []string{"cluster", "rebalance/execute"}},
	{"rebalance/placement", []string{"cluster"}},
	{"simulations/...", anything},
}

// sdks says where a library may be imported. Keeping each behind one door is
// what makes it replaceable.
var sdks = []struct {
	prefix string
	rooms  []string
}{
	{"k8s.io/client-go", []string{"actuators/...", "adapters/kube/..."}},
	{"github.com/twmb/franz-go", []string{"metrics/kafka", "rebalance/execute/adminclient", "adapters/journal/...", "daemon", "cmd/..."}},
	{"github.com/prometheus/client_golang/api", []string{"metrics/prometheus"}},
	{"github.com/prometheus/prometheus", []string{"metrics/archive/..."}},
	{"github.com/prometheus/alertmanager", []string{"adapters/alertmanager/..."}},
	{"github.com/sajari/regression", []string{"forecast"}},
	{"github.com/spf13/cobra", []string{"cmd/..."}},
}

func TestRoomsKnowOnlyWhomTheyMay(t *testing.T) {
	for _, p := range packages(t) {
		room := strings.TrimPrefix(p.ImportPath, module)
		knows, ok := allowed(room)
		if !ok {
			t.Errorf("%s is not in the table: add its line", room)
			continue
		}
		for _, imp := range p.Imports {
			other, ours := strings.CutPrefix(imp, module)
			if !ours || matches(knows, other) || room != "cluster" && slices.Contains(leaves, other) ||
				strings.HasPrefix(other, room+"/internal/") {
				continue
			}
			t.Errorf("%s imports %s; it may know %s", room, other, strings.Join(knows, ", "))
		}
	}
}

// A permission that nobody uses is a door that somebody will go through.
func TestEveryPermissionIsUsed(t *testing.T) {
	imported := map[string][]string{}
	for _, p := range packages(t) {
		imported[strings.TrimPrefix(p.ImportPath, module)] = p.Imports
	}
	for _, m := range mayImport {
		for _, k := range m.knows {
			used := false
			for room, imports := range imported {
				if line, _ := lineOf(room); line == m.room {
					used = used ||
						slices.ContainsFunc(imports, func(i string) bool { return matches([]string{k}, strings.TrimPrefix(i, module)) })
				}
			}
			if !used {
				t.Errorf("%s may know %s, and does not", m.room, k)
			}
		}
	}
	for _, s := range sdks {
		for _, r := range s.rooms {
			used := false
			for room, imports := range imported {
				if matches([]string{r}, room) {
					used = used ||
						slices.ContainsFunc(imports, func(i string) bool { return i == s.prefix || strings.HasPrefix(i, s.prefix+"/") })
				}
			}
			if !used {
				t.Errorf("%s may import %s, and does not", r, s.prefix)
			}
		}
	}
}

// floors reads the drawing of the house, from the top floor to the ground: a
// floor is a line between the two that fence the drawing off.
func floors(t *testing.T) [][]string {
	t.Helper()
	doc, err := os.ReadFile("../../docs/ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(doc), "```floors\n")
	drawing, _, closed := strings.Cut(rest, "```")
	if !ok || !closed {
		t.Fatal("docs/ARCHITECTURE.md has no drawing of the floors")
	}
	var all [][]string
	for line := range strings.Lines(drawing) {
		if rooms := strings.Fields(line); len(rooms) > 0 {
			all = append(all, rooms)
		}
	}
	return all
}

func TestNoArrowRunsUp(t *testing.T) {
	all := floors(t)
	floorOf := func(room string) int {
		best, at := -1, -1
		for i, rooms := range all {
			for _, r := range rooms {
				if r == room {
					return i
				}
				if matches([]string{r}, room) && len(r) > best {
					best, at = len(r), i
				}
			}
		}
		return at
	}
	for _, p := range packages(t) {
		room := strings.TrimPrefix(p.ImportPath, module)
		from := floorOf(room)
		if from < 0 {
			t.Errorf("%s is on no floor of the drawing in docs/ARCHITECTURE.md", room)
			continue
		}
		for _, imp := range p.Imports {
			if other, ours := strings.CutPrefix(imp, module); ours && floorOf(other) < from {
				t.Errorf("%s imports %s, which is %d floors above it", room, other, from-floorOf(other))
			}
		}
	}
}

func TestLibrariesStayBehindTheirDoor(t *testing.T) {
	for _, p := range packages(t) {
		room := strings.TrimPrefix(p.ImportPath, module)
		for _, imp := range p.Imports {
			for _, s := range sdks {
				if (imp == s.prefix || strings.HasPrefix(imp, s.prefix+"/")) && !matches(s.rooms, room) {
					t.Errorf("%s imports %s, which stays in %s", room, imp, strings.Join(s.rooms, ", "))
				}
			}
		}
	}
}

func TestVocabularyImportsTheStandardLibraryOnly(t *testing.T) {
	for _, p := range packages(t) {
		if strings.TrimPrefix(p.ImportPath, module) != "cluster" {
			continue
		}
		for _, imp := range p.Imports {
			if first, _, _ := strings.Cut(imp, "/"); strings.Contains(first, ".") {
				t.Errorf("cluster imports %s", imp)
			}
		}
	}
}

type pkg struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		t.Fatalf("listing packages: %v", err)
	}
	var all []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("reading go list: %v", err)
		}
		all = append(all, p)
	}
	if len(all) < 5 {
		t.Fatalf("go list gave %d packages; the test looks in the wrong place", len(all))
	}
	return all
}

// lineOf is the name of the room's line in the table.
func lineOf(room string) (string, bool) {
	for _, m := range mayImport {
		if m.room == room {
			return m.room, true
		}
	}
	best := ""
	for _, m := range mayImport {
		base, below := strings.CutSuffix(m.room, "/...")
		if below && (room == base || strings.HasPrefix(room, base+"/")) && len(m.room) > len(best) {
			best = m.room
		}
	}
	return best, best != ""
}

// allowed is what the room may know: by its own line, or the nearest folder's.
func allowed(room string) ([]string, bool) {
	line, ok := lineOf(room)
	for _, m := range mayImport {
		if m.room == line {
			return m.knows, ok
		}
	}
	return nil, false
}

func matches(patterns []string, room string) bool {
	for _, p := range patterns {
		base, below := strings.CutSuffix(p, "...")
		if p == room || below && (strings.HasPrefix(room, base) || room == strings.TrimSuffix(base, "/")) {
			return true
		}
	}
	return false
}

// heavy is what the program must not link: Prometheus' configuration drags the
// SDK of every cloud in, and its storage drags the configuration in.
var heavy = []string{"github.com/prometheus/prometheus/config", "github.com/Azure/", "github.com/aws/", "cloud.google.com/", "google.golang.org/api/",
	"github.com/chromedp/"}

func TestTheProgramLinksNoCloudsSDK(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "./cmd/tidetable")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("listing what the program links: %v", err)
	}
	linked := strings.Fields(string(out))
	if len(linked) < 100 {
		t.Fatalf("the program links %d packages; the test looks in the wrong place", len(linked))
	}
	for _, p := range linked {
		for _, h := range heavy {
			if p == h || strings.HasSuffix(h, "/") && strings.HasPrefix(p, h) {
				t.Errorf("the program links %s", p)
			}
		}
	}
}
