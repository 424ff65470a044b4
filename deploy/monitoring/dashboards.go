package main

import (
	"encoding/json"
	"fmt"
)

// dashboard is a Grafana dashboard in the few words that ours need.
type dashboard struct {
	file, uid, title, about string
	rows                    []row
}

// row is a line of panels, drawn from left to right over 24 columns.
type row struct {
	title  string
	height int
	panels []panel
}

type panel struct {
	kind, title, about, unit string // kind: timeseries, stat, table, bargauge, state-timeline
	width                    int
	queries                  []query
	links                    bool // to the controller's page
}

type query struct{ expr, legend string }

func q(expr, legend string) query { return query{expr, legend} }

const (
	series   = "timeseries"
	stat     = "stat"
	timeline = "state-timeline"
	bars     = "bargauge"
	listing  = "table"
)

func dashboards() []dashboard {
	return []dashboard{operator(), planner(), auditor()}
}

// operator answers: is it well, what does it do now, what must I know.
func operator() dashboard {
	return dashboard{
		"operator.json",
		"tidetable-operator",
		"tidetable: operator",
		"For whoever is on call: what the loop sees, does and warns of now.",
		[]row{
			{"Now", 5, []panel{
				{
					stat,
					"Brokers alive",
					"Brokers that are registered and not fenced.",
					"short",
					4,
					[]query{q(`tidetable_brokers_alive{policy=~"$policy"}`, "{{policy}}")},
					false,
				},
				{
					stat,
					"Brokers recommended",
					"What there should be now.",
					"short",
					4,
					[]query{q(`tidetable_brokers_recommended{policy=~"$policy"}`, "{{policy}}")},
					false,
				},
				{
					stat,
					"What binds",
					"The constraint that needs the most brokers.",
					"short",
					4,
					[]query{q(`tidetable_bottleneck_info{policy=~"$policy"}`, "{{policy}}: {{constraint}}")},
					false,
				},
				{
					stat,
					"Lead time",
					"From the decision to a broker that carries its share.",
					"s",
					4,
					[]query{q(`tidetable_lead_time_seconds{policy=~"$policy"}`, "{{policy}}")},
					false,
				},
				{
					stat,
					"Latest decision",
					"How old it is; more than a few ticks means that the loop is stalled.",
					"s",
					4,
					[]query{q(`time() - tidetable_decision_timestamp_seconds{policy=~"$policy"}`, "{{policy}}")},
					false,
				},
				{
					stat,
					"Readings missing",
					"Missing or old readings hold scale-in.",
					"short",
					4,
					[]query{q(`tidetable_stale_signals{policy=~"$policy"}`, "{{policy}}")},
					false,
				},
			}},
			{"Demand and size", 9, []panel{
				{
					series,
					"Demand, forecast and capacity",
					"What a signal is now, the highest its forecast reaches within the horizon, and what the present brokers carry.",
					"short",
					12,
					[]query{
						q(`tidetable_signal_value{policy=~"$policy",signal=~"$signal"}`, "{{signal}} {{subject}} now"),
						q(
							`tidetable_forecast_value{policy=~"$policy",signal=~"$signal"}`,
							"{{signal}} {{subject}} forecast p{{probability}}",
						),
						q(`tidetable_capacity_value{policy=~"$policy",signal=~"$signal"}`, "{{signal}} {{subject}} capacity")},
					false,
				},
				{series, "Brokers", "Alive, required at the lead time, recommended now, and the policy's bounds.", "short", 12, []query{
					q(
						`tidetable_brokers_alive{policy=~"$policy"}`,
						"{{policy}} alive",
					), q(`tidetable_brokers_required{policy=~"$policy"}`, "{{policy}} required"),
					q(
						`tidetable_brokers_recommended{policy=~"$policy"}`,
						"{{policy}} recommended",
					), q(`tidetable_brokers_limit{policy=~"$policy"}`, "{{policy}} {{bound}}")}, false},
			}},
			{"What to know", 8, []panel{
				{
					timeline,
					"Concerns",
					"Each kind has a runbook in docs/runbooks.",
					"short",
					12,
					[]query{q(`sum by (kind) (tidetable_concerns{policy=~"$policy"})`, "{{kind}}")},
					true,
				},
				{
					timeline,
					"Gates that hold",
					"Gates that ruled anything but Allow within five minutes.",
					"short",
					12,
					[]query{q(`sum by (gate) (increase(tidetable_verdicts_total{policy=~"$policy",ruling!="Allow"}[5m])) > 0`, "{{gate}}")},
					true,
				},
			}},
			{"Brokers and moves", 9, []panel{
				{
					bars,
					"Fullest resource of each broker",
					"The utilisation that is highest, broker by broker.",
					"percentunit",
					8,
					[]query{q(`max by (broker, zone) (tidetable_broker_utilisation_ratio{policy=~"$policy"})`, "{{broker}} ({{zone}})")},
					false,
				},
				{
					series,
					"Moves in flight",
					"Bytes moved of the plan in flight.",
					"bytes",
					8,
					[]query{
						q(`tidetable_rebalance_moved_bytes{policy=~"$policy"}`, "{{policy}} moved"),
						q(`tidetable_rebalance_planned_bytes{policy=~"$policy"}`, "{{policy}} planned"),
					},
					false,
				},
				{
					series,
					"Actions",
					"Actions by what became of them.",
					"short",
					8,
					[]query{
						q(`sum by (policy, result) (increase(tidetable_actions_total{policy=~"$policy"}[15m]))`, "{{policy}} {{result}}"),
					},
					false,
				},
			}},
			{"The loop itself", 7, []panel{
				{series, "Tick duration", "99th percentile and median.", "s", 8, []query{
					q(
						`histogram_quantile(0.99, sum by (le, policy) (rate(tidetable_tick_duration_seconds_bucket{policy=~"$policy"}[15m])))`,
						"{{policy}} p99",
					),
					q(
						`histogram_quantile(0.5, sum by (le, policy) (rate(tidetable_tick_duration_seconds_bucket{policy=~"$policy"}[15m])))`,
						"{{policy}} p50",
					)}, false},
				{
					series,
					"Decisions",
					"Decisions a minute, by reason.",
					"short",
					8,
					[]query{q(`60 * sum by (reason) (rate(tidetable_decisions_total{policy=~"$policy"}[15m]))`, "{{reason}}")},
					false,
				},
				{
					series,
					"Alerts out and in",
					"Requests to Alertmanagers that failed, and notifications by what became of them.",
					"short",
					8,
					[]query{
						q(`sum by (endpoint) (increase(tidetable_alertmanager_send_failures_total[15m]))`, "{{endpoint}} failed"),
						q(`sum by (result) (increase(tidetable_webhook_notifications_total[15m]))`, "webhook {{result}}")},
					false,
				},
			}},
		},
	}
}

// planner answers: what binds, when is it too little, can the forecast be believed.
func planner() dashboard {
	return dashboard{
		"planner.json",
		"tidetable-planner",
		"tidetable: planner",
		"For capacity planning: what each constraint needs, how full things are, and how good the forecasts were.",
		[]row{
			{"What is needed", 9, []panel{
				{
					series,
					"Brokers by constraint",
					"The highest line binds.",
					"short",
					12,
					[]query{
						q(`tidetable_constraint_brokers{policy=~"$policy"}`, "{{policy}} {{constraint}}"),
						q(`tidetable_brokers_limit{policy=~"$policy",bound="max"}`, "{{policy}} allowed"),
					},
					false,
				},
				{
					series,
					"Utilisation by constraint",
					"At the present number of brokers.",
					"percentunit",
					12,
					[]query{q(`tidetable_constraint_utilisation_ratio{policy=~"$policy"}`, "{{policy}} {{constraint}}")},
					false,
				},
			}},
			{"Headroom", 9, []panel{
				{
					series,
					"Capacity left at the forecast's peak",
					"1 − forecast ÷ capacity: below zero the peak does not fit the present size.",
					"percentunit",
					12,
					[]query{
						q(
							`1 - max by (policy, signal, subject) (tidetable_forecast_value{policy=~"$policy"}) / max by (policy, signal, subject) (tidetable_capacity_value{policy=~"$policy"})`,
							"{{policy}} {{signal}} {{subject}}",
						)},
					false,
				},
				{
					series,
					"Brokers left to the policy's bound",
					"Allowed less required.",
					"short",
					12,
					[]query{
						q(
							`max by (policy) (tidetable_brokers_limit{policy=~"$policy",bound="max"}) - max by (policy) (tidetable_brokers_required{policy=~"$policy"})`,
							"{{policy}}",
						),
					},
					false,
				},
			}},
			{"Consumers", 8, []panel{
				{
					series,
					"Replicas required",
					"By consumer group.",
					"short",
					12,
					[]query{q(`tidetable_consumers_required{policy=~"$policy"}`, "{{group}}")},
					false,
				},
				{
					series,
					"Lag",
					"Records that a group is behind.",
					"short",
					12,
					[]query{q(`tidetable_consumer_lag_records{policy=~"$policy"}`, "{{group}}")},
					false,
				},
			}},
			{"Forecasts", 8, []panel{
				{
					series,
					"Error",
					"Weighted absolute percentage error of the median.",
					"percentunit",
					8,
					[]query{q(`tidetable_forecast_wape_ratio{policy=~"$policy"}`, "{{signal}} {{subject}}")},
					false,
				},
				{
					series,
					"Coverage less what it should be",
					"Below zero, load came higher than the sizing quantile too often.",
					"percentunit",
					8,
					[]query{
						q(
							`tidetable_forecast_coverage_ratio{policy=~"$policy"} - tidetable_forecast_nominal_ratio{policy=~"$policy"}`,
							"{{signal}} {{subject}}",
						),
					},
					false,
				},
				{
					timeline,
					"Trusted",
					"1 when a forecast is used, 0 when the load itself decides.",
					"short",
					8,
					[]query{q(`tidetable_forecast_trusted{policy=~"$policy"}`, "{{signal}} {{subject}}")},
					false,
				},
			}},
		},
	}
}

// auditor answers: is everything on record, who overruled what, is the record whole.
func auditor() dashboard {
	return dashboard{
		"auditor.json",
		"tidetable-auditor",
		"tidetable: auditor",
		"For audits: what was decided and done, what was overruled, and whether the journal is whole.",
		[]row{
			{"The journal", 6, []panel{
				{
					stat,
					"Last entry",
					"Sequence number of the journal's last entry. It only ever grows.",
					"short",
					6,
					[]query{q(`max by (policy) (tidetable_journal_last_sequence)`, "{{policy}}")},
					false,
				},
				{
					stat,
					"Not recorded",
					"Decisions that could not be written within the shown time.",
					"short",
					6,
					[]query{q(`sum(increase(tidetable_journal_records_total{result="failed"}[$__range]))`, "failed")},
					false,
				},
				{
					stat,
					"Rewound",
					"How often the last sequence number went down: entries cut off, or another journal.",
					"short",
					6,
					[]query{q(`sum(resets(tidetable_journal_last_sequence[$__range]))`, "times")},
					false,
				},
				{
					stat,
					"Mode",
					"Observe, Recommend, Approve or Act.",
					"short",
					6,
					[]query{q(`tidetable_mode_info{policy=~"$policy"}`, "{{policy}}: {{mode}}")},
					false,
				},
			}},
			{"Anchors", 9, []panel{
				{
					listing,
					"Anchors",
					"Sequence and hash of the last entry at each scrape: hand one to tidetable journal verify --anchor SEQ:HASH.",
					"short",
					24,
					[]query{
						q(
							`max by (policy, sequence, hash) (last_over_time(tidetable_journal_anchor_info[$__range]))`,
							"{{policy}} {{sequence}}:{{hash}}",
						),
					},
					false,
				},
			}},
			{"Decided and done", 9, []panel{
				{
					series,
					"Decisions by reason",
					"Within each quarter of an hour.",
					"short",
					12,
					[]query{
						q(`sum by (policy, reason) (increase(tidetable_decisions_total{policy=~"$policy"}[15m]))`, "{{policy}} {{reason}}"),
					},
					false,
				},
				{
					series,
					"Actions",
					"Within each quarter of an hour, by what became of them.",
					"short",
					12,
					[]query{
						q(`sum by (policy, result) (increase(tidetable_actions_total{policy=~"$policy"}[15m]))`, "{{policy}} {{result}}"),
					},
					false,
				},
			}},
			{"Held and overruled", 9, []panel{
				{
					series,
					"Rulings other than Allow",
					"Within each quarter of an hour, by gate.",
					"short",
					12,
					[]query{
						q(
							`sum by (policy, gate, ruling) (increase(tidetable_verdicts_total{policy=~"$policy",ruling!="Allow"}[15m]))`,
							"{{policy}} {{gate}} {{ruling}}",
						),
					},
					false,
				},
				{
					timeline,
					"Said from outside",
					"Alerts and people that hold, freeze or raise.",
					"short",
					12,
					[]query{q(`sum by (effect) (tidetable_observations{policy=~"$policy"})`, "{{effect}}")},
					false,
				},
			}},
		},
	}
}

type object = map[string]any

// json renders the dashboard as Grafana imports it.
func (d dashboard) json() ([]byte, error) {
	source := object{"type": "prometheus", "uid": "${datasource}"}
	id, y := 0, 0
	var panels []object
	for _, r := range d.rows {
		id++
		panels = append(
			panels,
			object{
				"id":        id,
				"type":      "row",
				"title":     r.title,
				"collapsed": false,
				"panels":    []object{},
				"gridPos":   object{"h": 1, "w": 24, "x": 0, "y": y},
			},
		)
		y++
		x := 0
		for _, p := range r.panels {
			id++
			panels = append(panels, p.json(id, source, object{"h": r.height, "w": p.width, "x": x, "y": y}))
			x += p.width
		}
		y += r.height
	}
	variable := func(name, label, metric string) object {
		return object{
			"name":       name,
			"label":      label,
			"type":       "query",
			"datasource": source,
			"refresh":    2,
			"includeAll": true,
			"multi":      true,
			"sort":       1,
			"current": object{
				"text":  "All",
				"value": "$__all",
			},
			"query": object{"query": fmt.Sprintf("label_values(%s, %s)", metric, name), "refId": "v"},
		}
	}
	doc := object{
		"uid": d.uid, "title": d.title, "description": d.about, "tags": []string{"tidetable", "kafka"}, "schemaVersion": 39, "version": 1,
		"editable": true, "graphTooltip": 1, "refresh": "1m", "timezone": "browser",
		"time": object{"from": "now-24h", "to": "now"}, "panels": panels,
		"templating": object{"list": []object{
			{"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "current": object{}},
			variable("policy", "Policy", "tidetable_brokers_alive"),
			variable("signal", "Signal", "tidetable_signal_value"),
			{
				"name":    "page",
				"label":   "Page",
				"type":    "textbox",
				"query":   "http://tidetable:8080",
				"current": object{"text": "http://tidetable:8080", "value": "http://tidetable:8080"},
			},
		}},
		"links": []object{
			{
				"title":       "tidetable",
				"type":        "dashboards",
				"tags":        []string{"tidetable"},
				"asDropdown":  true,
				"includeVars": true,
				"keepTime":    true,
			},
			{"title": "The page", "type": "link", "url": "$page", "targetBlank": true},
		},
	}
	b, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding dashboard %s: %w", d.uid, err)
	}
	return append(b, '\n'), nil
}

func (p panel) json(id int, source, at object) object {
	var targets []object
	for i, q := range p.queries {
		targets = append(targets, object{"refId": string(rune('A' + i)), "datasource": source, "expr": q.expr, "legendFormat": q.legend,
			"range": p.kind != stat && p.kind != listing &&
				p.kind != bars, "instant": p.kind == stat || p.kind == listing || p.kind == bars})
	}
	o := object{"id": id, "type": p.kind, "title": p.title, "description": p.about, "datasource": source, "gridPos": at, "targets": targets,
		"fieldConfig": object{"defaults": object{"unit": p.unit, "noValue": "–"}, "overrides": []object{}}, "options": object{}}
	switch p.kind {
	case series:
		o["options"] = object{
			"legend":  object{"displayMode": "list", "placement": "bottom"},
			"tooltip": object{"mode": "multi", "sort": "desc"},
		}
	case stat:
		o["options"] = object{"textMode": "value_and_name", "reduceOptions": object{"calcs": []string{"lastNotNull"}}}
	}
	if p.links {
		o["links"] = []object{{"title": "Decisions", "url": "$page", "targetBlank": true}}
	}
	return o
}
