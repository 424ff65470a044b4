package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidetable/tidetable/metrics"
)

const (
	// planFor is how long what was found is used before it is looked for anew: a loop's
	// interval or two.
	planFor = time.Minute
	// scrapesOver is what the interval between scrapes is measured over.
	scrapesOver = 10 * time.Minute
)

// Plan is what was found to be exported at one time.
type Plan struct {
	At        time.Time
	Exporters []Exporter
	// Scrape is how often the brokers are scraped: as configured, or more seldom where
	// that is what was seen.
	Scrape time.Duration
	metric map[string]int // series by metric name; nil where that is not known
	pods   string         // matchers of the brokers' pods
	byKey  map[string]*Broker
	byPod  map[string]*Broker
}

// Plan finds out what is exported; what was found within the last minute stands. One
// at a time asks the store, and whoever waits for that waits no longer than ctx lasts.
func (s *Source) Plan(ctx context.Context, at time.Time) (*Plan, error) {
	if len(s.cfg.Catalogue.Probes) == 0 {
		return &Plan{At: at, Scrape: s.cfg.Scrape}, nil
	}
	if p, err := s.found(at); p != nil || err != nil {
		return p, err
	}
	select {
	case s.planning <- struct{}{}:
		defer func() { <-s.planning }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if p, err := s.found(at); p != nil || err != nil { // while we waited
		return p, err
	}
	p, err := s.plan(ctx, at)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.planned = p
	}
	if s.failed, s.at = err, at; ctx.Err() != nil {
		s.failed = nil
	}
	return p, err
}

// found is what was found lately, or why nothing could be at that time; neither where
// it has to be looked for.
func (s *Source) found(at time.Time) (*Plan, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.planned; p != nil && at.Sub(p.At).Abs() < planFor {
		return p, nil
	}
	if s.at.Equal(at) {
		return nil, s.failed
	}
	return nil, nil //nolint:nilnil // it has to be looked for
}

func (s *Source) plan(ctx context.Context, at time.Time) (*Plan, error) {
	p := &Plan{At: at, Scrape: s.cfg.Scrape, byKey: map[string]*Broker{}, byPod: map[string]*Broker{}}
	var err error
	if p.metric, err = s.countMetrics(ctx, at); err != nil {
		return nil, fmt.Errorf("finding out what is exported: %w", err)
	}
	for _, probe := range s.cfg.Catalogue.Probes {
		if !p.has(probe.Expr) {
			continue
		}
		x, err := s.probe(ctx, probe, at)
		if err != nil {
			return nil, fmt.Errorf("finding out who is scraped: %w", err)
		}
		if x != nil {
			p.Exporters = append(p.Exporters, *x)
		}
	}
	var all []Broker
	for i := range p.Exporters {
		x := &p.Exporters[i]
		p.Scrape = max(p.Scrape, x.Scrape)
		for k := range x.Brokers {
			b := &x.Brokers[k]
			p.byKey[x.Catalogue+" "+b.Key] = b
			p.byPod[b.Namespace+"/"+b.Pod] = b
		}
		all = append(all, x.Brokers...)
	}
	p.pods = podMatchers(all)
	return p, nil
}

// countMetrics counts the series of each metric that the catalogue knows: those of the
// brokers by the selector, and those of their pods without. Where a server refuses to
// count, nil says that it is not known.
func (s *Source) countMetrics(ctx context.Context, at time.Time) (map[string]int, error) {
	var ours, pods []string
	add := func(to *[]string, expr string) {
		for _, m := range metrics.Metrics(expr) {
			if !slices.Contains(*to, m) {
				*to = append(*to, m)
			}
		}
	}
	for _, probe := range s.cfg.Catalogue.Probes {
		add(&ours, probe.Expr)
	}
	for _, q := range s.cfg.Catalogue.Queries {
		if q.ByPod() {
			add(&pods, q.Expr)
		} else {
			add(&ours, q.Expr)
		}
	}
	out := map[string]int{}
	for _, list := range []struct {
		names    []string
		selector string
	}{{ours, s.cfg.Selector}, {pods, ""}} {
		if len(list.names) == 0 {
			continue
		}
		slices.Sort(list.names)
		expr := fmt.Sprintf(`count by (__name__) ({__name__=~"%s"%s})`, strings.Join(list.names, "|"), and(list.selector))
		counted, err := s.store.Instant(ctx, expr, at)
		if errors.Is(err, metrics.ErrSource) || errors.Is(err, metrics.ErrPartial) || ctx.Err() != nil {
			return nil, err
		}
		if err != nil {
			return nil, nil //nolint:nilerr // too many to count: each query is asked
		}
		for _, c := range counted {
			out[c.Labels["__name__"]] = int(c.Value)
		}
	}
	return out, nil
}

// and is a selector after other matchers.
func and(selector string) string {
	if selector = strings.Trim(selector, ", "); selector != "" {
		return "," + selector
	}
	return ""
}

// has tells whether every metric of an expression is there, or may be.
func (p *Plan) has(expr string) bool {
	return p.metric == nil || !slices.ContainsFunc(metrics.Metrics(expr), func(m string) bool { return p.metric[m] == 0 })
}

func (s *Source) probe(ctx context.Context, probe metrics.Probe, at time.Time) (*Exporter, error) {
	expr := boundProbe(probe, s.cfg)
	series, err := s.store.Instant(ctx, expr, at)
	counted := expr
	if err == nil && len(series) == 0 {
		// Some export a meter by topic only.
		expr, counted = byTopicOnly(probe, s.cfg), ""
		series, err = s.store.Instant(ctx, expr, at)
	}
	if err != nil || len(series) == 0 {
		return nil, err
	}
	if probe.Alike {
		x := examineAlike(probe.Catalogue, series, s.cfg.Selector)
		return &x, nil
	}
	x := examine(probe.Catalogue, series, s.cfg.Selector)
	if x.seenBy = counted; counted != "" {
		samples, err := s.store.Instant(ctx, fmt.Sprintf("count_over_time(%s[%dms])", counted, scrapesOver.Milliseconds()), at)
		if err != nil {
			return nil, err
		}
		x.Scrape = scrapeInterval(samples)
		if isCounter(s.cfg.Catalogue, probe) {
			resets, err := s.store.Instant(ctx, fmt.Sprintf("resets(%s[%dms])", counted, scrapesOver.Milliseconds()), at)
			if err != nil {
				return nil, err
			}
			if x.Refused == "" && fallsLikeAGauge(samples, resets) {
				x.Refused = metrics.Metrics(probe.Expr)[0] + ": " + errGauge.Error()
			}
		}
	} else {
		x.seenBy = metricOf(probe, s.cfg)
	}
	return &x, nil
}

func boundProbe(p metrics.Probe, cfg Config) string {
	return metrics.Query{Expr: p.Expr}.Bind(metrics.Vars{Selector: cfg.Selector}).Expr
}

// isCounter tells whether a catalogue takes the rate of its probe.
func isCounter(c metrics.Catalogue, p metrics.Probe) bool {
	return slices.ContainsFunc(c.Queries, func(q metrics.Query) bool {
		return q.Catalogue == p.Catalogue && strings.Contains(q.Expr, "rate("+metrics.Metrics(p.Expr)[0])
	})
}

// metricOf is all series of a probe's metric.
func metricOf(p metrics.Probe, cfg Config) string {
	return fmt.Sprintf("%s{%s}", metrics.Metrics(p.Expr)[0], strings.Trim(cfg.Selector, ", "))
}

// byTopicOnly is one series for each broker of a meter that is only exported by topic.
func byTopicOnly(p metrics.Probe, cfg Config) string {
	return fmt.Sprintf("sum without (topic, partition, name) (%s)", metricOf(p, cfg))
}

// intervals are those at which people scrape.
var intervals = []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 20 * time.Second,
	30 * time.Second, time.Minute, 2 * time.Minute, 3 * time.Minute, 5 * time.Minute}

// scrapeInterval is the interval that the number of samples within scrapesOver tells: the
// shortest usual one that they can have been scraped at. Of few samples it tells none.
func scrapeInterval(counted []metrics.Point) time.Duration {
	most := 0.0
	for _, c := range counted {
		most = max(most, c.Value)
	}
	if most < 2 {
		return 0
	}
	for _, d := range intervals {
		// The window holds one sample more or less, by where it begins.
		if most >= float64(scrapesOver/d)-1 {
			return d
		}
	}
	return intervals[len(intervals)-1]
}

// errAbsent says that a query's metrics are not there.
var errAbsent = errors.New("not exported")

// exporter is what was found of a catalogue's exporter; nil where it has no probe or no brokers.
func (p *Plan) exporter(catalogue string) *Exporter {
	i := slices.IndexFunc(p.Exporters, func(x Exporter) bool { return x.Catalogue == catalogue })
	if i < 0 {
		return nil
	}
	return &p.Exporters[i]
}

// bind makes a query ready to be asked. errAbsent says that it need not be; another
// error why it must not.
func (p *Plan) bind(q metrics.Query, cfg Config, step time.Duration) (metrics.Query, error) {
	v := metrics.Vars{Selector: cfg.Selector, Step: step, Scrape: p.Scrape}
	if len(cfg.Catalogue.Probes) == 0 {
		return q.Bind(v), nil
	}
	if q.Selects() && !p.has(q.Expr) {
		return q, errAbsent
	}
	if q.ByPod() {
		if v.Pods = p.pods; v.Pods == "" {
			return q, errAbsent
		}
	}
	if x := p.exporter(q.Catalogue); x != nil {
		if x.Refused != "" {
			return q, errors.New(x.Refused)
		}
		if x.By != "" {
			v.Broker = []string{x.By}
		}
	} else if q.ByBroker() || probed(cfg.Catalogue, q.Catalogue) {
		return q, errAbsent // the names may be there by another exporter, which nobody has looked at
	}
	return q.Bind(v), nil
}

func probed(c metrics.Catalogue, name string) bool {
	return slices.ContainsFunc(c.Probes, func(p metrics.Probe) bool { return p.Catalogue == name })
}

// presence is a query for whom an exporter told of, broker by broker: what a sum over
// brokers is made of.
func (p *Plan) presence(x *Exporter, step time.Duration) metrics.Query {
	q := metrics.Query{
		// A rate needs two samples.
		Expr:   fmt.Sprintf("max by (%s) (count_over_time(%s[$range]) > 1)", x.By, x.seenBy),
		Labels: map[string]metrics.LabelRule{"broker": {From: []string{x.By}}},
	}
	return q.Bind(metrics.Vars{Step: step, Scrape: p.Scrape})
}

// point gives one series of an answer the signal's labels; false where it is of no
// broker, such as a pod of controllers.
func (p *Plan) point(q metrics.Query, v metrics.Point) (metrics.Point, bool) {
	out := metrics.Point{Time: v.Time, Value: q.Scaled(v.Value), Labels: q.Find(func(l string) string { return v.Labels[l] })}
	key, ok := out.Labels["broker"]
	if !ok {
		return out, true
	}
	var b *Broker
	switch x := p.exporter(q.Catalogue); {
	case strings.Contains(q.Expr, p.pods) && p.pods != "":
		if b = p.byPod[v.Labels["namespace"]+"/"+v.Labels["pod"]]; b == nil {
			return out, false
		}
	case x != nil:
		b = p.byKey[x.Catalogue+" "+key]
	}
	if b == nil {
		if rule := q.Labels["broker"]; rule.Pattern != nil {
			out.Names = raw(rule, v.Labels)
		}
		return out, true
	}
	out.Labels["broker"], out.Names = b.label(), b.Names
	if b.ID != NoID {
		out.Names = nil
	}
	return out, true
}

// raw is the value that a pattern cut an id out of.
func raw(rule metrics.LabelRule, l metrics.Labels) []string {
	for _, name := range rule.From {
		if v := l[name]; v != "" && rule.Pattern.MatchString(v) {
			if _, err := strconv.Atoi(v); err == nil {
				return nil // the label is the id
			}
			return []string{metrics.HostOf(v)}
		}
	}
	return nil
}

// label is the broker's id, or what it is called where that is not known.
func (b *Broker) label() string {
	if b.ID != NoID {
		return strconv.Itoa(b.ID)
	}
	return cmp.Or(b.Pod, b.Key)
}

// named gives histories by broker the brokers' ids, or names. Those of pods that are no
// brokers are left out.
func (p *Plan) named(q metrics.Query, series []metrics.Series) []metrics.Series {
	if !q.PerBroker() || len(p.byKey) == 0 {
		return series
	}
	x := p.exporter(q.Catalogue)
	byPod := p.pods != "" && strings.Contains(q.Expr, p.pods)
	for i, s := range series {
		key, b := s.Labels["broker"], (*Broker)(nil)
		switch {
		case byPod:
			for _, c := range p.byPod {
				if c.Pod == key {
					b = c
				}
			}
		case x != nil:
			b = p.byKey[x.Catalogue+" "+key]
		}
		if b != nil {
			series[i].Labels = maps.Clone(s.Labels)
			series[i].Labels["broker"] = b.label()
		}
	}
	slices.SortFunc(series, func(a, b metrics.Series) int { return strings.Compare(a.Labels.Key(), b.Labels.Key()) })
	return series
}

// remarks are what was found of an exporter that a person should know.
func (x *Exporter) remarks(cfg Config) []string {
	if x.Refused != "" {
		return []string{x.Refused}
	}
	var out []string
	if x.Copies > 0 && len(x.Brokers) > 0 {
		out = append(out, fmt.Sprintf("brokers are scraped more than once, told apart by %s; each is taken once", strings.Join(x.CopiedBy, ", ")))
	}
	if cfg.Scrape > 0 && x.Scrape > cfg.Scrape {
		out = append(out, fmt.Sprintf("brokers are scraped every %s, not every %s as is configured; rates look back accordingly",
			x.Scrape, cfg.Scrape))
	}
	return out
}
