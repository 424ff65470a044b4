package policy

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/internal/strictyaml"
)

// Validate checks a policy that was built in code; one that was decoded has
// been checked already. Every mistake is in the error.
func (p Policy) Validate() error {
	if problems := p.Spec.problems("spec"); len(problems) > 0 {
		return &Invalid{"policy " + p.Metadata.Name, problems}
	}
	return nil
}

// checker collects mistakes under a field path.
type checker struct{ problems []strictyaml.Problem }

func (c *checker) failf(path, format string, args ...any) {
	c.problems = append(c.problems, strictyaml.Problem{Path: path, Message: fmt.Sprintf(format, args...)})
}

func (c *checker) oneOf(path, got string, allowed ...string) {
	if !slices.Contains(allowed, got) {
		c.failf(path, "must be one of %s, not %q", strings.Join(allowed, ", "), got)
	}
}

func (c *checker) share(path string, r cluster.Ratio) {
	if !(r > 0 && r <= 1) {
		c.failf(path, "must be above 0 and at most 1, not %v", float64(r))
	}
}

func (c *checker) atLeast(path string, got, least int) {
	if got < least {
		c.failf(path, "must be at least %d, not %d", least, got)
	}
}

func (c *checker) notNegative(path string, v float64) {
	if !(v >= 0 && v < 1e18) {
		c.failf(path, "must not be negative, not %v", v)
	}
}

func (c *checker) span(path string, d Duration, least, most time.Duration) {
	if d.D() < least || d.D() > most {
		c.failf(path, "must be between %s and %s, not %s", Duration(least), Duration(most), d)
	}
}

func (s Spec) problems(at string) []strictyaml.Problem {
	c := &checker{}
	at += "."
	const day = 24 * time.Hour
	c.oneOf(at+"mode", string(s.Mode), string(Observe), string(Recommend), string(Approve), string(Act))
	c.span(at+"interval", s.Interval, time.Second, day)
	c.kafka(at+"kafka", s.Kafka)
	c.prometheus(at+"prometheus", s.Prometheus)
	c.forecast(at+"forecast", s.Forecast)
	c.brokers(at+"brokers", s.Brokers, s.Mode)
	c.consumers(at+"consumers", s.Consumers, s.Mode)
	c.rebalance(at+"rebalance", s.Rebalance)
	c.gates(at+"gates", s.Gates)
	c.notNegative(at+"cost.brokerHour", s.Cost.BrokerHour)
	c.notNegative(at+"cost.replicaHour", s.Cost.ReplicaHour)
	c.notNegative(at+"cost.gigabyteMonth", s.Cost.GigabyteMonth)
	c.notNegative(at+"cost.crossZoneGigabyte", s.Cost.CrossZoneGigabyte)
	c.notNegative(at+"cost.change", s.Cost.Change)
	c.notNegative(at+"cost.movedGigabyte", s.Cost.MovedGigabyte)
	c.notNegative(at+"cost.shortBrokerHour", s.Cost.ShortBrokerHour)
	c.alerts(at+"alerts", s.Alerts)
	c.secret(at+"journal.sign", s.Journal.Sign, false)
	if s.Journal.Path == "" {
		if s.Journal.Topic != "" {
			c.failf(at+"journal.path", "is missing: journal.topic copies the file that it names")
		}
		if !s.Journal.Sign.IsZero() {
			c.failf(at+"journal.path", "is missing: journal.sign signs the file that it names")
		}
	}
	return c.problems
}

// secretName and secretKey are what Kubernetes allows; a secret is looked for in
// a folder by them, so that a name must not lead out of it.
var (
	secretName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
	secretKey  = regexp.MustCompile(`^[-._a-zA-Z0-9]+$`)
)

func (c *checker) secret(path string, s Secret, required bool) {
	switch {
	case s.File != "" && s.SecretKeyRef != nil:
		c.failf(path, "gives both file and secretKeyRef; give one")
	case s.SecretKeyRef != nil && (s.SecretKeyRef.Name == "" || s.SecretKeyRef.Key == ""):
		c.failf(path+".secretKeyRef", "needs a name and a key")
	case s.SecretKeyRef != nil && !secretName.MatchString(s.SecretKeyRef.Name):
		c.failf(path+".secretKeyRef.name", "%q is not the name of a Secret", s.SecretKeyRef.Name)
	case s.SecretKeyRef != nil && (!secretKey.MatchString(s.SecretKeyRef.Key) || strings.Contains(s.SecretKeyRef.Key, "..")):
		c.failf(path+".secretKeyRef.key", "%q is not a key of a Secret", s.SecretKeyRef.Key)
	case required && s.IsZero():
		c.failf(path, "is missing; give it by file or secretKeyRef")
	}
}

func (c *checker) tls(path string, t TLS) {
	if (t.CertFile == "") != (t.KeyFile == "") {
		c.failf(path, "certFile and keyFile belong together; give both or neither")
	}
}

func (c *checker) url(path, raw string) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
		c.failf(path, "must be a URL such as http://prometheus:9090")
	case u.User != nil:
		c.failf(path, "must not hold a user or password; use basicAuth")
	}
}

func (c *checker) basicAuth(path string, b *BasicAuth) {
	if b == nil {
		return
	}
	if b.Username == "" {
		c.failf(path+".username", "is missing")
	}
	c.secret(path+".password", b.Password, true)
}

func (c *checker) kafka(path string, k Kafka) {
	for i, b := range k.Bootstrap {
		if host, port, err := net.SplitHostPort(b); err != nil || host == "" || port == "" {
			c.failf(fmt.Sprintf("%s.bootstrap[%d]", path, i), "must be host:port, such as kafka-0:9092, not %q", b)
		}
	}
	c.tls(path+".tls", k.TLS)
	switch k.SASL.Mechanism {
	case "":
		if k.SASL.Username != "" || !k.SASL.Password.IsZero() || !k.SASL.Token.IsZero() {
			c.failf(path+".sasl.mechanism", "is missing; give PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER")
		}
	case "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512":
		if k.SASL.Username == "" {
			c.failf(path+".sasl.username", "is missing")
		}
		c.secret(path+".sasl.password", k.SASL.Password, true)
	case "OAUTHBEARER":
		c.secret(path+".sasl.token", k.SASL.Token, true)
	default:
		c.oneOf(path+".sasl.mechanism", k.SASL.Mechanism, "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")
	}
}

func (c *checker) prometheus(path string, p Prometheus) {
	if p.URL != "" {
		c.url(path+".url", p.URL)
	}
	c.tls(path+".tls", p.TLS)
	c.span(path+".timeout", p.Timeout, 100*time.Millisecond, time.Hour)
	c.span(path+".scrapeInterval", p.ScrapeInterval, 0, time.Hour)
	c.secret(path+".bearerToken", p.BearerToken, false)
	c.basicAuth(path+".basicAuth", p.BasicAuth)
	ways := 0
	for _, given := range []bool{p.BearerTokenFile != "", !p.BearerToken.IsZero(), p.BasicAuth != nil} {
		if given {
			ways++
		}
	}
	if ways > 1 {
		c.failf(path, "gives more than one of bearerTokenFile, bearerToken and basicAuth; give one")
	}
	for name := range p.Headers {
		switch strings.ToLower(name) {
		case "authorization", "proxy-authorization", "cookie":
			c.failf(path+".headers."+name, "is a secret; use bearerTokenFile or basicAuth")
		}
	}
}

func (c *checker) forecast(path string, f Forecast) {
	const day = 24 * time.Hour
	if !(f.Quantile >= 0.5 && f.Quantile < 1) {
		c.failf(path+".quantile", "must be at least 0.5 and below 1, not %v", float64(f.Quantile))
	}
	c.span(path+".history", f.History, time.Minute, 5*366*day)
	c.span(path+".step", f.Step, time.Second, day)
	c.oneOf(path+".seasons", f.Seasons, "auto")
	c.span(path+".horizon", f.Horizon, time.Second, 2*366*day)
	c.span(path+".refresh", f.Refresh, time.Second, day)
	if f.Step > 0 && f.History.D()/f.Step.D() > 200_000 {
		c.failf(path+".step", "is too fine for a history of %s: more than 200000 points", f.History)
	}
	if _, err := time.LoadLocation(f.TimeZone); err != nil {
		c.failf(path+".timeZone", "time zone %q is not known", f.TimeZone)
	}
	for i, e := range f.Events {
		c.event(fmt.Sprintf("%s.events[%d]", path, i), e)
	}
}

func (c *checker) event(path string, e Event) {
	if e.Name == "" {
		c.failf(path+".name", "is missing")
	}
	switch {
	case (e.Schedule == "") == (len(e.At) == 0):
		c.failf(path, "needs either a schedule or at")
	case e.Schedule != "":
		if _, err := ParseSchedule(e.Schedule, e.TimeZone); err != nil {
			c.failf(path+".schedule", "%v", err)
		}
	}
	for i, at := range e.At {
		if _, err := time.Parse(time.RFC3339, at); err != nil {
			c.failf(fmt.Sprintf("%s.at[%d]", path, i), "must be a time such as 2026-03-01T12:00:00Z, not %q", at)
		}
	}
	c.span(path+".duration", e.Duration, time.Second, 366*24*time.Hour)
	if e.Uplift != 0 && !(e.Uplift > 0 && e.Uplift <= 1000) {
		c.failf(path+".uplift", "must be a factor above 0 and at most 1000, not %v", e.Uplift)
	}
}

func (c *checker) windows(path string, ws []Window) {
	for i, w := range ws {
		at := fmt.Sprintf("%s[%d]", path, i)
		if _, err := ParseSchedule(w.Schedule, w.TimeZone); err != nil {
			c.failf(at+".schedule", "%v", err)
		}
		c.span(at+".duration", w.Duration, time.Second, 366*24*time.Hour)
	}
}

func (c *checker) alerts(path string, a Alerts) {
	for i, m := range a.Alertmanagers {
		at := fmt.Sprintf("%s.alertmanagers[%d]", path, i)
		c.url(at+".url", m.URL)
		c.tls(at+".tls", m.TLS)
		c.basicAuth(at+".basicAuth", m.BasicAuth)
	}
	c.secret(path+".webhook.token", a.Webhook.Token, false)
	for i, r := range a.Webhook.Rules {
		at := fmt.Sprintf("%s.webhook.rules[%d]", path, i)
		c.oneOf(at+".effect", r.Effect, "hold", "freeze", "uplift", "brokerDown", "check")
		if len(r.Match) == 0 {
			c.failf(at+".match", "is empty: it would match every alert")
		}
		if r.Effect == "uplift" && !(r.Uplift > 1 && r.Uplift <= 100) {
			c.failf(at+".uplift", "must be a factor above 1 and at most 100, not %v: an alert can only raise", r.Uplift)
		}
		if r.Effect != "uplift" && r.Uplift != 0 {
			c.failf(at+".uplift", "belongs to the effect uplift")
		}
		if (r.Effect == "brokerDown") != (r.SubjectLabel != "") {
			c.failf(at+".subjectLabel", "belongs to the effect brokerDown, which needs it: the label that holds the broker's id")
		}
	}
}

func (c *checker) rebalance(path string, r Rebalance) {
	c.share(path+".tolerance", r.Tolerance)
	c.share(path+".minGain", r.MinGain)
	if _, _, err := r.ThrottleRate(); err != nil {
		c.failf(path+".throttle", "%v", err)
	}
	if _, err := r.MaxPlanBytes(); err != nil {
		c.failf(path+".maxBytes", "%v", err)
	}
	c.windows(path+".windows", r.Windows)
	for i, t := range r.Exclude.Topics {
		if _, err := regexp.Compile(t); err != nil {
			c.failf(fmt.Sprintf("%s.exclude.topics[%d]", path, i), "is not a regular expression: %v", err)
		}
	}
}

func (c *checker) gates(path string, g Gates) {
	const day = 24 * time.Hour
	c.windows(path+".windows", g.Windows)
	c.span(path+".cooldown", g.Cooldown, 0, 7*day)
	c.span(path+".staleAfter", g.StaleAfter, time.Second, day)
	c.span(path+".ineffective", g.Ineffective, time.Second, 7*day)
	c.atLeast(path+".minZones", g.MinZones, 1)
	c.share(path+".diskAfter", g.DiskAfter)
	c.atLeast(path+".budget.brokerActionsPerDay", g.Budget.BrokerActions, 1)
	c.atLeast(path+".budget.consumerActionsPerDay", g.Budget.ConsumerActions, 1)
}
