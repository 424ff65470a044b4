// Package archtest holds the dependency rule of docs/ARCHITECTURE.md against
// what the code really imports. Adding a room means adding its line here.
package archtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/tidetable/tidetable/"

// leaves may be imported by every room but cluster: they know nobody.
var leaves = []string{"internal/browsertest", "internal/files", "internal/report", "internal/shareddata", "internal/strictyaml"}

// domain is what an adapter may know.
var domain = []string{"cluster", "metrics", "forecast", "forecast/backtest", "capacity", "policy", "rebalance", "rebalance/placement", "decision", "actuators", "controller", "controller/gates", "controller/operation", "policy/parts"}

// mayImport is the house's table: a room, and the rooms it may know. A room
// that ends in /... stands for every folder below it.
var mayImport = []struct {
	room  string
	knows []string
}{
	{"cluster", nil},
	{"metrics", []string{"cluster"}},
	{"forecast", []string{"metrics"}},
	{"forecast/backtest", []string{"metrics", "forecast"}},
	{"capacity", []string{"cluster", "forecast"}},
	{"rebalance", []string{"cluster", "capacity"}},
	{"rebalance/placement", []string{"cluster", "rebalance"}},
	{"capacity/outlook", []string{"cluster", "metrics", "capacity"}},
	{"policy", []string{"cluster", "capacity"}},
	{"decision", []string{"cluster", "metrics", "capacity", "rebalance"}},
	{"policy/parts", []string{"cluster", "capacity", "forecast", "policy", "rebalance"}},
	{"controller/operation", []string{"cluster", "capacity", "policy", "rebalance", "decision", "actuators"}},
	{"controller", []string{"policy/parts", "controller/operation", "cluster", "metrics", "forecast", "forecast/backtest", "capacity", "capacity/outlook", "policy", "rebalance", "decision", "actuators", "controller/gates"}},
	{"controller/gates", []string{"cluster", "metrics", "forecast", "capacity", "policy", "rebalance", "decision", "actuators"}},
	{"internal/browsertest", nil},
	{"internal/files", nil},
	{"internal/report", nil},
	{"internal/shareddata", nil},
	{"internal/strictyaml", nil},
	{"metrics/...", domain},
	{"actuators", nil},
	{"actuators/...", append([]string{"actuators", "actuators/workload"}, domain...)},
	{"rebalance/execute", []string{"cluster", "metrics", "rebalance"}},
	{"rebalance/execute/adminclient", []string{"cluster", "rebalance/execute"}},
	{"adapters/...", domain},
	{"internal/archtest", nil},
	{"simulations/...", append([]string{"simulations/..."}, domain...)},
	{"daemon", []string{"..."}},
	{"cmd/...", []string{"..."}},
	{"test/...", []string{"..."}},
	{"deploy/...", []string{"..."}},
}

// sdks says where a library may be imported. Keeping each behind one door is
// what makes it replaceable.
var sdks = []struct {
	prefix string
	rooms  []string
}{
	{"k8s.io/client-go", []string{"actuators/...", "adapters/kube/...", "daemon"}},
	{"github.com/twmb/franz-go", []string{"metrics/kafka", "rebalance/execute/adminclient", "adapters/journal/...", "daemon", "cmd/..."}},
	{"github.com/prometheus/client_golang/api", []string{"metrics/prometheus"}},
	{"github.com/prometheus/prometheus", []string{"metrics/archive/...", "metrics/prometheus"}},
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
			if !ours || matches(knows, other) || room != "cluster" && slices.Contains(leaves, other) || strings.HasPrefix(other, room+"/internal/") {
				continue
			}
			t.Errorf("%s imports %s; it may know %s", room, other, strings.Join(knows, ", "))
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

// allowed finds the room's line: its own, or the nearest folder's.
func allowed(room string) ([]string, bool) {
	for _, m := range mayImport {
		if m.room == room {
			return m.knows, true
		}
	}
	for _, m := range mayImport {
		base, below := strings.CutSuffix(m.room, "/...")
		if below && (room == base || strings.HasPrefix(room, base+"/")) {
			return m.knows, true
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
