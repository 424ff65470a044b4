// Package alertmanager speaks with Prometheus Alertmanager both ways: it sends
// what people should know (Sender), and takes what others know as observations
// that can hold, freeze or raise, and never make anything smaller (Receiver).
package alertmanager

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-openapi/strfmt"
	"github.com/prometheus/alertmanager/api/v2/models"

	"github.com/tidetable/tidetable/decision"
)

// Alert is one alert that is firing, or was.
type Alert struct {
	Labels      map[string]string // what tells it from others, and what people route by
	Annotations map[string]string // what they read
	Link        string            // to the Decision on the page
	StartsAt    time.Time
	EndsAt      time.Time // zero while it fires
}

// key is the alert's identity: its labels, sorted.
func (a Alert) key() string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(a.Labels)) {
		b.WriteString(k + "\x00" + a.Labels[k] + "\x00")
	}
	return b.String()
}

// Links says where people find more; either may be empty.
type Links struct {
	Page     *url.URL // the controller's page, as seen from a browser
	Runbooks *url.URL // the folder of the runbooks
}

// FromDecision turns a decision's concerns into alerts, in their order. What
// changes from tick to tick is in the annotations, so that an alert keeps its
// identity for as long as its cause lasts.
func FromDecision(d decision.Decision, links Links) []Alert {
	var alerts []Alert
	for _, c := range decision.Concerns(d) {
		a := Alert{
			Labels: nonEmpty(map[string]string{
				"alertname": string(c.Kind), "severity": string(c.Severity), "service": "tidetable",
				"policy": d.Policy, "kafka_cluster": d.ClusterID, "subject": c.Subject, "gate": c.Gate,
			}),
			Annotations: nonEmpty(map[string]string{
				"summary": summary(c, d), "description": c.Detail, "constraint": c.Constraint, "decision": d.ID,
			}),
		}
		if !c.By.IsZero() {
			a.Annotations["by"] = c.By.UTC().Format(time.RFC3339)
		}
		if links.Page != nil {
			u := *links.Page
			u.Fragment = "decision=" + d.ID
			a.Link = u.String()
		}
		if links.Runbooks != nil {
			a.Annotations["runbook_url"] = links.Runbooks.JoinPath(string(c.Kind) + ".md").String()
		}
		alerts = append(alerts, a)
	}
	return alerts
}

func summary(c decision.Concern, d decision.Decision) string {
	by := ""
	if !c.By.IsZero() {
		by = " by " + c.By.UTC().Format("2006-01-02 15:04 MST")
	}
	switch c.Kind {
	case decision.CapacityExhaustedIn:
		return d.Policy + ": capacity is exhausted" + by + ", " + c.Constraint + " binds"
	case decision.PeakExpected:
		return d.Policy + ": a peak is expected" + by
	case decision.ScaleHeld:
		return d.Policy + ": a change of " + c.Subject + " is held by gate " + c.Gate
	case decision.RebalanceStalled:
		return d.Policy + ": the rebalance does not get on"
	case decision.ForecastUntrusted:
		return d.Policy + ": the forecast of " + c.Subject + " is not trusted"
	case decision.HotSpot:
		return d.Policy + ": " + c.Subject + " is a hot spot on " + c.Constraint
	case decision.DrainCannotFinish:
		return d.Policy + ": " + c.Subject + " cannot be drained"
	case decision.ZoneLossNotCovered:
		return d.Policy + ": the loss that the policy plans for would not be survived"
	}
	return d.Policy + ": " + string(c.Kind)
}

// nonEmpty drops empty values, which Alertmanager takes for absent labels, and
// mends what is not UTF-8, which it refuses.
func nonEmpty(m map[string]string) map[string]string {
	maps.DeleteFunc(m, func(_, v string) bool { return v == "" })
	for k, v := range m {
		m[k] = strings.ToValidUTF8(v, "\uFFFD")
	}
	return m
}

// postable is the alert as Alertmanager's API v2 takes it. An alert that fires
// ends by itself at until, should nobody keep it alive.
func (a Alert) postable(until time.Time) *models.PostableAlert {
	ends := a.EndsAt
	if ends.IsZero() {
		ends = until
	}
	return &models.PostableAlert{
		Alert:       models.Alert{Labels: a.Labels, GeneratorURL: strfmt.URI(a.Link)},
		Annotations: a.Annotations,
		StartsAt:    strfmt.DateTime(a.StartsAt),
		EndsAt:      strfmt.DateTime(ends),
	}
}
