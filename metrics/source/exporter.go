package source

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidetable/tidetable/metrics"
)

// Exporter is what was found of one catalogue's exporter.
type Exporter struct {
	Catalogue string   `json:"catalogue"`
	Brokers   []Broker `json:"brokers"` // sorted by key
	// By is the label of the scrape that tells the brokers apart.
	By string `json:"by,omitempty"`
	// Copies is how many series there are beyond one a broker, and CopiedBy the labels
	// that tell the copies apart: a pod that two jobs scrape, two servers that scrape
	// the same pods. They are taken once.
	Copies   int      `json:"copies,omitempty"`
	CopiedBy []string `json:"copiedBy,omitempty"`
	// Scrape is how often the brokers are scraped; 0 where that could not be told.
	Scrape time.Duration `json:"-"`
	// Refused says why nothing may be read of it, and what to do; "" when all is well.
	Refused string `json:"refused,omitempty"`
	seenBy  string // the series that show that a broker was scraped
}

// Broker is one broker as the scrape knows it.
type Broker struct {
	Key string `json:"key"` // the value of Exporter.By
	// ID is its id where a label tells it, or an operator's or a service's naming does;
	// NoID where only Kafka's metadata can.
	ID int `json:"id"`
	// Names are what it may be called in Kafka's metadata, the best first.
	Names          []string `json:"names,omitempty"`
	Namespace, Pod string   `json:"-"`
}

// NoID is the id of a broker that nothing in the scrape tells.
const NoID = -1

// agreeing is how far two scrapes of one counter may be apart to be of one broker, as a
// part of it: a scrape interval's traffic against all since the start. A judgement.
const agreeing = 0.01

// examine tells the brokers apart in a probe's series: one series a broker, and as many
// copies as it is scraped. selector is what the user chose; labels that it names are
// taken as decided.
func examine(catalogue string, series []metrics.Point, selector string) Exporter {
	e := Exporter{Catalogue: catalogue}
	if why := severalClusters(series, selector); why != "" {
		e.Refused = why
		return e
	}
	var groups map[string][]metrics.Point
	if e.By, groups = tellApart(series); e.By == "" {
		e.Refused = fmt.Sprintf("no label of its %d series tells the brokers apart: name the brokers by a label broker_id", len(series))
		return e
	}
	agree, copied := 0, 0
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		g := groups[key]
		e.Brokers = append(e.Brokers, brokerOf(key, g))
		if len(g) == 1 {
			continue
		}
		copied++
		e.Copies += len(g) - 1
		for _, name := range differing(g) {
			if !slices.Contains(e.CopiedBy, name) {
				e.CopiedBy = append(e.CopiedBy, name)
			}
		}
		if sameValues(g) {
			agree++
		}
	}
	slices.Sort(e.CopiedBy)
	if 2*agree < copied {
		e.Refused = fmt.Sprintf("%d series stand for %d brokers by %s, and do not agree: they are of several clusters, told apart by %s",
			len(series), len(groups), e.By, strings.Join(e.CopiedBy, ", ")) + mendBy(e.CopiedBy, groups)
	}
	return e
}

// examineAlike looks whether exporters that each tell of a whole cluster tell of one.
func examineAlike(catalogue string, series []metrics.Point, selector string) Exporter {
	e := Exporter{Catalogue: catalogue, Copies: len(series) - 1, Refused: severalClusters(series, selector)}
	if e.Refused == "" && !sameValues(series) {
		by := differing(series)
		slices.Sort(by)
		e.Refused = fmt.Sprintf("%d exporters answer, and do not agree: they are of several clusters, told apart by %s",
			len(series), strings.Join(by, ", ")) + mendBy(by, map[string][]metrics.Point{"": series})
	}
	return e
}

// mendBy is a selector that would separate copies, as an example.
func mendBy(names []string, groups map[string][]metrics.Point) string {
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		for _, name := range names {
			if v := groups[key][0].Labels[name]; v != "" && name != "instance" && name != "pod_ip" {
				return fmt.Sprintf("; choose one, such as with the selector %s=%q", name, v)
			}
		}
	}
	return ""
}

// separates tells whether a label of a scrape stands for a cluster, by its name.
func separates(name string) bool {
	switch name {
	case "namespace", "kafka_cr", "env", "environment", "project", "tenant", "tenant_id", "datacenter", "region":
		return true
	}
	return strings.Contains(strings.ToLower(name), "cluster")
}

// severalClusters says by which labels the series are of more than one cluster.
func severalClusters(series []metrics.Point, selector string) string {
	values := map[string]map[string]int{}
	for _, p := range series {
		for name, v := range p.Labels {
			if separates(name) {
				if values[name] == nil {
					values[name] = map[string]int{}
				}
				values[name][v]++
			}
		}
	}
	var by []string
	example := ""
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if len(values[name]) < 2 || names(selector, name) {
			continue
		}
		var each []string
		for _, v := range slices.Sorted(maps.Keys(values[name])) {
			if example == "" {
				example = fmt.Sprintf("%s=%q", name, v)
			}
			each = append(each, fmt.Sprintf("%q (%d series)", v, values[name][v]))
		}
		by = append(by, name+" is "+strings.Join(each[:min(len(each), mostNamed)], ", "))
	}
	if len(by) == 0 {
		return ""
	}
	return fmt.Sprintf("the series are of several clusters: %s; choose one, such as with the selector %s", strings.Join(by, "; "), example)
}

// mostNamed is how many values a reason names.
const mostNamed = 6

// names tells whether a selector says something of a label.
func names(selector, label string) bool {
	return regexp.MustCompile(`(?:^|[,{\s])` + regexp.QuoteMeta(label) + `\s*[=!]`).MatchString(selector)
}

// tellApart finds the label that every series has and that never stands for two pods, or
// two machines, at once.
func tellApart(series []metrics.Point) (by string, groups map[string][]metrics.Point) {
	for _, label := range metrics.BrokerLabels {
		groups = map[string][]metrics.Point{}
		for _, p := range series {
			groups[p.Labels[label]] = append(groups[p.Labels[label]], p)
		}
		if groups[""] != nil || len(groups) == 0 {
			continue
		}
		mixed := false
		for _, g := range groups {
			machines, known := map[string]bool{}, 0
			for _, p := range g {
				if m := machine(p.Labels); m != "" {
					machines[m] = true
					known++
				}
			}
			mixed = mixed || len(machines) > 1 && known == len(g)
		}
		if !mixed {
			return label, groups
		}
	}
	return "", nil
}

// machine is the pod of a series, or the host of its target.
func machine(l metrics.Labels) string {
	return cmp.Or(l["kubernetes_pod_name"], l["pod"], metrics.HostOf(l["instance"]))
}

var mskHost = regexp.MustCompile(`^b-(\d+)\..*\.kafka(?:-serverless)?\.[a-z0-9-]+\.amazonaws\.com`)

// brokerOf is who a group of series is.
func brokerOf(key string, g []metrics.Point) Broker {
	b := Broker{Key: key, ID: NoID}
	add := func(name string) {
		if name != "" && !slices.Contains(b.Names, name) {
			b.Names = append(b.Names, name)
		}
	}
	for _, p := range g {
		for _, label := range []string{"brokerId", "broker_id", "broker"} {
			if id, err := strconv.Atoi(p.Labels[label]); err == nil && id >= 0 && b.ID == NoID {
				b.ID = id
			}
		}
		pod := cmp.Or(p.Labels["kubernetes_pod_name"], p.Labels["pod"])
		b.Namespace, b.Pod = cmp.Or(b.Namespace, p.Labels["namespace"]), cmp.Or(b.Pod, pod)
		for _, name := range []string{pod, p.Labels["host"], p.Labels["hostname"], metrics.HostOf(p.Labels["instance"]), p.Labels["pod_ip"]} {
			add(name)
		}
	}
	if b.ID != NoID {
		return b
	}
	// Strimzi ends a pod's name in its broker's id, whatever the pool; Amazon MSK begins
	// a host's name with it.
	of := g[0].Labels
	if id, ok := metrics.NumberAtEnd(b.Pod); ok && (of["strimzi_io_cluster"] != "" || of["strimzi_io_kind"] != "") {
		b.ID = id
	}
	for _, name := range b.Names {
		if m := mskHost.FindStringSubmatch(name); m != nil && b.ID == NoID {
			b.ID, _ = strconv.Atoi(m[1])
		}
	}
	return b
}

// differing are the labels that tell series apart.
func differing(g []metrics.Point) []string {
	var out []string
	for _, p := range g {
		for name := range p.Labels {
			if !slices.Contains(out, name) && slices.ContainsFunc(g, func(q metrics.Point) bool { return q.Labels[name] != p.Labels[name] }) {
				out = append(out, name)
			}
		}
	}
	return out
}

// sameValues tells whether series are scrapes of one and the same counter.
func sameValues(g []metrics.Point) bool {
	for _, p := range g[1:] {
		if math.Abs(p.Value-g[0].Value) > agreeing*max(math.Abs(p.Value), math.Abs(g[0].Value)) {
			return false
		}
	}
	return true
}

// digits stands for any number in a pod's name, so that pods that have gone are picked, too.
var digits = regexp.MustCompile(`\d+`)

// podMatchers pick the pods of brokers.
func podMatchers(brokers []Broker) string {
	var pods, namespaces []string
	for _, b := range brokers {
		if b.Pod == "" {
			continue
		}
		name := regexp.QuoteMeta(b.Pod)
		if _, ok := metrics.NumberAtEnd(b.Pod); ok {
			name = digits.ReplaceAllString(name, "[0-9]+")
		}
		if !slices.Contains(pods, name) {
			pods = append(pods, name)
		}
		if b.Namespace != "" && !slices.Contains(namespaces, b.Namespace) {
			namespaces = append(namespaces, b.Namespace)
		}
	}
	if len(pods) == 0 {
		return ""
	}
	slices.Sort(pods)
	slices.Sort(namespaces)
	out := fmt.Sprintf("pod=~%q", strings.Join(pods, "|"))
	if len(namespaces) > 0 {
		out = fmt.Sprintf("namespace=~%q,", strings.Join(namespaces, "|")) + out
	}
	return out
}
