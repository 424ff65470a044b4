package source

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/tidetable/tidetable/metrics"
)

var (
	// rated are the functions that make a rate of a counter.
	rated = regexp.MustCompile(`\b(rate|irate|increase|deriv|idelta|rollup_rate)\s*\(`)
	// window is a range that a query writes out.
	window = regexp.MustCompile(`\b(?:rate|irate|increase)\s*\([^\[\]]*\[\s*([0-9a-z]+)\s*\]`)
)

func isRate(q metrics.Query) bool { return strings.HasSuffix(q.Unit, "_per_second") }

// misread says why a query, as it is written, does not give what its signal is.
func (p *Plan) misread(q metrics.Query) error {
	if isRate(q) && !rated.MatchString(q.Expr) {
		for _, name := range metrics.Metrics(q.Expr) {
			if strings.HasSuffix(name, "_total") || strings.HasSuffix(name, "_count") {
				return fmt.Errorf("%s is a counter by its name, and %s is its rate: write rate(…[$range])", name, q.Signal)
			}
		}
	}
	for _, m := range window.FindAllStringSubmatch(q.Expr, -1) {
		back, err := model.ParseDuration(m[1])
		if err == nil && time.Duration(back) < 2*p.Scrape {
			return fmt.Errorf("its rate looks back %s, and brokers are scraped every %s: a rate needs two samples; write [$range]",
				m[1], p.Scrape)
		}
	}
	return nil
}

// aDay is what a load must be seen over before it is said that it only ever grows.
const aDay = 24 * time.Hour

// onlyGrows says that what is taken for a rate is the counter itself.
func onlyGrows(q metrics.Query, series []metrics.Series) error {
	names := metrics.Metrics(q.Expr)
	if !isRate(q) || rated.MatchString(q.Expr) || len(names) == 0 {
		return nil
	}
	for _, s := range series {
		if s.End().Sub(s.Start) >= aDay && s.LooksLikeCounter(names[0]) {
			return fmt.Errorf("%s only ever grows: it is a counter, and %s is its rate: write rate(…[$range])", names[0], q.Signal)
		}
	}
	return nil
}

// errGauge is a meter's value under the name of its count.
var errGauge = errors.New("it falls again and again: it is a gauge, such as a meter's OneMinuteRate, and is not the count that its rate is " +
	"taken of; export the Count of Kafka's meters")

// fallsLikeAGauge tells whether a probe falls so often that it is no counter: more than
// brokers restart.
func fallsLikeAGauge(samples, resets []metrics.Point) bool {
	most, falls := 0.0, 0.0
	for _, p := range samples {
		most = max(most, p.Value)
	}
	for _, p := range resets {
		falls = max(falls, p.Value)
	}
	return falls >= mostRestarts && falls >= most/fallsOften
}

const (
	// mostRestarts is how often a broker may restart within scrapesOver, and fallsOften the
	// part of all samples from which on falls are no restarts. Judgements.
	mostRestarts = 3
	fallsOften   = 5
)
