package scenario

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/internal/strictyaml"
	"github.com/tidetable/tidetable/metrics"
	"github.com/tidetable/tidetable/policy"
	"github.com/tidetable/tidetable/simulations/policies"
)

// Sources are how a scenario reaches its inputs; whoever wires the program
// gives them. Dir is the folder that relative paths start from.
type Sources struct {
	Dir      string
	Trace    func(path string) ([]metrics.Series, error)
	Snapshot func(path string) (cluster.Snapshot, error)
	Blocks   func(path, signal string) (metrics.Series, error)
	Policy   func(path string) (policy.Policy, error)
}

func (s Sources) path(p string) string {
	if filepath.IsAbs(p) || s.Dir == "" {
		return p
	}
	return filepath.Join(s.Dir, p)
}

// Invalid is every mistake of one scenario.
type Invalid struct {
	Source   string
	Problems []strictyaml.Problem
}

// Error gives one mistake on one line, several on a line each.
func (e *Invalid) Error() string {
	if len(e.Problems) == 1 {
		return e.Source + ": " + e.Problems[0].String()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d mistakes:", e.Source, len(e.Problems))
	for _, p := range e.Problems {
		b.WriteString("\n  " + p.String())
	}
	return b.String()
}

// Decode reads a scenario, fills its defaults and checks it together with the
// inputs that it names.
func Decode(data []byte, source string, in Sources) (*Experiment, error) {
	var s Scenario
	lines, problems := strictyaml.Decode(data, &s)
	if len(problems) == 1 && problems[0].Path == "" {
		return nil, &Invalid{source, problems}
	}
	s.setDefaults()
	c := checker{s: &s, lines: lines, told: map[string]bool{}}
	for _, p := range problems {
		c.told[p.Path] = true
	}
	c.problems = problems
	c.check()
	p := &Experiment{Scenario: s, in: in}
	p.read(&c)
	if len(c.problems) > 0 {
		slices.SortStableFunc(c.problems, func(a, b strictyaml.Problem) int {
			if a.Line != b.Line {
				return a.Line - b.Line
			}
			return strings.Compare(a.Path, b.Path)
		})
		return nil, &Invalid{source, c.problems}
	}
	return p, nil
}

// IsInvalid tells whether err is a scenario's mistakes.
func IsInvalid(err error) bool {
	var inv *Invalid
	return errors.As(err, &inv)
}

// Names of the policies there are, in the order of reports.
var Names = []string{policies.StaticName, policies.HPAName, policies.KEDAName, policies.KEDARateName,
	policies.KEDACronName, policies.ReactiveName,
	policies.TidetableName, policies.OracleName}

func (s *Scenario) setDefaults() {
	def(&s.Version, 1)
	def(&s.Name, "scenario")
	def(&s.Duration, policy.Duration(7*24*time.Hour))
	def(&s.Tick, policy.Duration(time.Minute))
	def(&s.History, policy.Duration(14*24*time.Hour))
	if s.Policies == nil {
		s.Policies = slices.Clone(Names)
	}
	c := &s.Cluster
	def(&c.Throttle, 50e6)
	def(&c.Startup.Pod, policy.Duration(time.Minute))
	def(&c.Startup.Join, policy.Duration(time.Minute))
	def(&c.Startup.Consumer, policy.Duration(time.Minute))
	def(&c.Startup.RebalancePause, policy.Duration(5*time.Second))
	if c.Brokers.Zones == nil {
		c.Brokers.Zones = []string{"a", "b", "c"}
	}
	c.Brokers.Shape.setDefaults()
	def(&s.SLO.ProduceP99, policy.Duration(500*time.Millisecond))
	for i := range s.Loads {
		l := &s.Loads[i]
		def(&l.Scale, 1)
		if l.Gen != nil {
			def(&l.Gen.Step, policy.Duration(5*time.Minute))
			for j := range l.Gen.Events {
				def(&l.Gen.Events[j].Duration, policy.Duration(time.Hour))
			}
		}
	}
	for i := range s.Topics {
		s.Topics[i].setDefaults(s.Loads)
	}
	for i := range s.Groups {
		s.Groups[i].setDefaults()
	}
	for i := range s.Changes {
		x := &s.Changes[i]
		if x.Topic != nil {
			x.Topic.setDefaults(s.Loads)
		}
		if x.Group != nil {
			x.Group.setDefaults()
		}
		if x.Shape != nil {
			x.Shape.setDefaults()
		}
	}
}

func (s *Shape) setDefaults() {
	def(&s.CPU, 8)
	def(&s.Net, 1.25e9)
	def(&s.Disk, 2e12)
	def(&s.DiskBW, 5e8)
	def(&s.Memory, 32e9)
}

func (t *Topic) setDefaults(loads []Load) {
	def(&t.Count, 1)
	def(&t.Partitions, 12)
	def(&t.Replication, 3)
	def(&t.MinISR, max(t.Replication-1, 1))
	def(&t.Retention, policy.Duration(24*time.Hour))
	def(&t.MessageBytes, 1000)
	if t.Load == "" && len(loads) == 1 {
		t.Load = loads[0].Name
	}
}

func (g *Group) setDefaults() {
	def(&g.Min, 1)
	def(&g.Replicas, max(g.Min, 1))
	def(&g.MaxLag, policy.Duration(time.Minute))
	// Kafka's auto.commit.interval.ms: lag is never zero for who looks at offsets.
	def(&g.Commit, policy.Duration(5*time.Second))
}

func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}
