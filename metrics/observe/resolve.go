package observe

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/metrics"
)

// scraped is one broker as those who scrape it call it.
type scraped struct {
	label string // the label broker: an id, or what it is called
	names []string
}

// who says which broker each scraped one is: by its label broker.
type who struct {
	id map[string]int
	// foreign are those that are no broker of this cluster, where the others are.
	foreign []string
	// unknown says why some cannot be told; "" when all can.
	unknown string
}

// identify learns which broker each scraped one is. Ids that labels tell stand. A name is
// that of the broker that advertises it as its host. Where no name is advertised, such as
// behind load balancers, the number in a name is taken, if the numbers are exactly the
// brokers' ids: with ids from 1 on, kafka-1 is not broker 1. brokers is nil where Kafka
// was not read: then there is nobody to ask, and numbers that differ are taken.
func identify(all []scraped, brokers []cluster.Broker) who {
	w := who{id: map[string]int{}}
	var named []scraped
	for _, s := range all {
		if id, err := strconv.Atoi(s.label); err == nil && len(s.names) == 0 {
			w.id[s.label] = id
			continue
		}
		named = append(named, s)
	}
	if len(named) == 0 {
		return w
	}
	if brokers == nil {
		w.byNumber(named, nil)
		return w
	}
	claims := map[int][]string{}
	var rest []scraped
	for _, s := range named {
		if id, ok := advertised(s.names, brokers); ok {
			claims[id] = append(claims[id], s.label)
			continue
		}
		rest = append(rest, s)
	}
	for _, id := range slices.Sorted(maps.Keys(claims)) {
		if labels := claims[id]; len(labels) > 1 {
			slices.Sort(labels)
			w.unknown = fmt.Sprintf("%s are all reached where broker %d says that it is", strings.Join(labels, ", "), id)
			continue
		}
		w.id[claims[id][0]] = id
	}
	if len(rest) == 0 {
		return w
	}
	if len(claims) > 0 {
		for _, s := range rest {
			w.foreign = append(w.foreign, s.label)
		}
		slices.Sort(w.foreign)
		return w
	}
	w.byNumber(rest, brokers)
	return w
}

// byNumber takes the numbers in names for ids, where that is safe.
func (w *who) byNumber(all []scraped, brokers []cluster.Broker) {
	numbers, labels := map[int]string{}, make([]string, 0, len(all))
	for _, s := range all {
		labels = append(labels, s.label)
	}
	slices.Sort(labels)
	listed := strings.Join(labels[:min(len(labels), mostNamed)], ", ")
	theirs := true // the catalogue itself says which number is the id
	for _, s := range all {
		n, ok := number(s)
		if !ok {
			w.unknown = "which brokers " + listed + " are is told by no label, and no broker advertises such a name" + mendNames(brokers)
			return
		}
		if other, twice := numbers[n]; twice {
			w.unknown = fmt.Sprintf("%s and %s both end in %d, and no broker advertises such a name%s", other, s.label, n, mendNames(brokers))
			return
		}
		numbers[n] = s.label
		_, err := strconv.Atoi(s.label)
		theirs = theirs && err == nil
	}
	alive := 0
	for i := range brokers {
		if _, there := numbers[brokers[i].ID]; there {
			alive++
		}
	}
	if brokers != nil && (alive != len(numbers) || !theirs && alive != len(brokers)) {
		w.unknown = "no broker advertises the names " + listed + ", and the numbers in them are not the brokers' ids" + mendNames(brokers)
		return
	}
	for n, label := range numbers {
		w.id[label] = n
	}
}

func mendNames(brokers []cluster.Broker) string {
	if brokers == nil {
		return "; read Kafka, too, or give the series a label broker_id"
	}
	return "; give the series a label broker_id"
}

// number is the number that a broker's label is, or that it ends in. Its other names
// may be its machine's, whose numbers are not brokers'.
func number(s scraped) (int, bool) {
	if n, err := strconv.Atoi(s.label); err == nil {
		return n, true
	}
	host, _, _ := strings.Cut(plainHost(s.label), ".")
	if net.ParseIP(plainHost(s.label)) != nil || strings.HasPrefix(host, "ip-") {
		return 0, false
	}
	return metrics.NumberAtEnd(host)
}

// advertised is the one broker that says that it is reached under one of the names.
func advertised(names []string, brokers []cluster.Broker) (id int, ok bool) {
	for _, name := range names {
		var at []int
		for i := range brokers {
			if called(plainHost(name), plainHost(brokers[i].Host)) {
				at = append(at, brokers[i].ID)
			}
		}
		if len(at) == 1 {
			return at[0], true
		}
	}
	return 0, false
}

// plainHost is a host without its port, in lower case.
func plainHost(s string) string {
	return strings.TrimSuffix(strings.ToLower(metrics.HostOf(s)), ".")
}

// called tells whether a name and an advertised host are one machine's: they are equal,
// or one is the other with more of its domain.
func called(name, host string) bool {
	switch {
	case name == "" || host == "":
		return false
	case name == host:
		return true
	case net.ParseIP(name) != nil || net.ParseIP(host) != nil:
		return false
	}
	return strings.HasPrefix(host, name+".") || strings.HasPrefix(name, host+".")
}

// resolve gives every point of a broker its broker's id, as far as it can be told, and
// keeps what was found out. Points of those that cannot be told are left out.
func (in *Input) resolve(brokers []cluster.Broker) {
	seen := map[string]scraped{}
	for _, points := range in.Points {
		for _, p := range points {
			if label, ok := p.Labels["broker"]; ok && (len(seen[label].names) == 0) {
				seen[label] = scraped{label, p.Names}
			}
		}
	}
	all := make([]scraped, 0, len(seen))
	for _, label := range slices.Sorted(maps.Keys(seen)) {
		all = append(all, seen[label])
	}
	in.who = identify(all, brokers)
	points := make(map[metrics.Signal][]metrics.Point, len(in.Points))
	in.unplaced = map[metrics.Signal][]string{}
	for signal, list := range in.Points {
		points[signal] = in.placed(signal, list)
	}
	in.Points = points
}

func (in *Input) placed(signal metrics.Signal, list []metrics.Point) []metrics.Point {
	out := make([]metrics.Point, 0, len(list))
	for _, p := range list {
		label, ok := p.Labels["broker"]
		if !ok {
			out = append(out, p)
			continue
		}
		id, known := in.who.id[label]
		if !known {
			if !slices.Contains(in.unplaced[signal], label) {
				in.unplaced[signal] = append(in.unplaced[signal], label)
			}
			continue
		}
		if text := strconv.Itoa(id); text != label {
			p.Labels = maps.Clone(p.Labels)
			p.Labels["broker"] = text
		}
		p.Names = nil
		out = append(out, p)
	}
	return out
}

// unresolved says why points of a signal are of no broker; nil when all are, or what is
// left over is only another cluster's.
func (in *Input) unresolved(signal metrics.Signal) *cluster.StaleSignal {
	if len(in.unplaced[signal]) == 0 || in.who.unknown == "" {
		return nil
	}
	return &cluster.StaleSignal{Signal: signal, Cause: cluster.CauseMismatch, Reason: in.who.unknown}
}

// foreignShare says that a sum over all who are scraped holds others' shares; "" where
// it does not.
func (in *Input) foreignShare(byBroker metrics.Signal, brokers int) string {
	if scraped := len(in.Points[byBroker]) + len(in.unplaced[byBroker]); in.who.unknown != "" && scraped != brokers {
		return fmt.Sprintf("its sum is over %d that are scraped, and the cluster has %d brokers; %s", scraped, brokers, in.who.unknown)
	}
	var names []string
	for _, label := range in.unplaced[byBroker] {
		if slices.Contains(in.who.foreign, label) {
			names = append(names, label)
		}
	}
	if len(names) == 0 {
		return ""
	}
	slices.Sort(names)
	return fmt.Sprintf("its sum holds the share of %s, which is no broker of this cluster; narrow the selector",
		strings.Join(names[:min(len(names), mostNamed)], ", "))
}

// topics finds a cluster's topics by the names that exporters give them.
type topics struct {
	known  map[string]bool
	folded map[string][]string
}

// fold is a topic's name as exporters write it that take a dot for a level.
func fold(name string) string { return strings.ReplaceAll(name, ".", "_") }

func topicsOf(s *cluster.Snapshot) topics {
	t := topics{known: make(map[string]bool, len(s.Topics)), folded: map[string][]string{}}
	for _, x := range s.Topics {
		t.known[x.Name] = true
		t.folded[fold(x.Name)] = append(t.folded[fold(x.Name)], x.Name)
	}
	return t
}

// named is the topic that an exporter's name stands for; "" where there is none, or
// several could be meant.
func (t topics) named(name string) string {
	if t.known[name] {
		return name
	}
	if of := t.folded[fold(name)]; len(of) == 1 {
		return of[0]
	}
	return ""
}

// unfold gives points the names of the cluster's topics. What fits none keeps its name.
func (in *Input) unfold(t topics) {
	for _, list := range in.Points {
		for i, p := range list {
			name, ok := p.Labels["topic"]
			if !ok {
				continue
			}
			if real := t.named(name); real != "" && real != name {
				list[i].Labels = maps.Clone(p.Labels)
				list[i].Labels["topic"] = real
			}
		}
	}
}

// strayShare is the part of a signal's sum from which on topics that are not the cluster's
// make it unknown: rates of a few scrapes differ by no less. A judgement.
const strayShare = 0.01

// strays says that a part of a signal's sum is of no topic of the cluster; nil where it
// is too little to matter.
func (m *merger) strays(signal metrics.Signal, t topics) *cluster.StaleSignal {
	all, stray := 0.0, map[string]float64{}
	lost := 0.0
	for _, p := range m.in.Points[signal] {
		v := max(p.Value, 0)
		all += v
		if name := p.Labels["topic"]; !t.known[name] {
			stray[name] += v
			lost += v
		}
	}
	if all <= 0 || lost <= strayShare*all {
		return nil
	}
	if len(t.known) == 0 && !m.kafka {
		return &cluster.StaleSignal{Signal: signal, Cause: cluster.CauseInferred,
			Reason: "it is measured, and where the topics' replicas are is not known; read Kafka, too"}
	}
	names := slices.SortedFunc(maps.Keys(stray), func(a, b string) int {
		return cmp.Or(cmp.Compare(stray[b], stray[a]), cmp.Compare(a, b))
	})
	const most = 3
	listed := strings.Join(names[:min(most, len(names))], ", ")
	if len(names) > most {
		listed += fmt.Sprintf(" and %d more", len(names)-most)
	}
	return &cluster.StaleSignal{Signal: signal, Cause: cluster.CauseMismatch,
		Reason: fmt.Sprintf("%.0f %% of it is of topics that are not in this cluster (%s); is the selector right?", 100*lost/all, listed)}
}
