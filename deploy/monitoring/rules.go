package main

import (
	"fmt"

	"sigs.k8s.io/yaml"
)

// runbooks is where the pages of docs/runbooks are read.
const runbooks = "https://github.com/tidetable/tidetable/blob/main/docs/runbooks/"

type rule struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	For         string            `json:"for,omitempty"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

type group struct {
	Name  string `json:"name"`
	Rules []rule `json:"rules"`
}

func alert(name, severity, wait, expr, summary, description string) rule {
	return rule{
		Alert: name, Expr: expr, For: wait, Labels: map[string]string{"severity": severity, "service": "tidetable"},
		Annotations: map[string]string{"summary": summary, "description": description, "runbook_url": runbooks + name + ".md"},
	}
}

// groups are the alerts on tidetable itself. What it says about Kafka goes to
// Alertmanager directly; the last group is for those who do not use that.
func groups() []group {
	return []group{
		{"tidetable-loop", []rule{
			alert("TidetableDown", "critical", "5m", `absent(tidetable_build_info)`,
				"tidetable is not there", "No tidetable has been scraped for five minutes. Nothing is scaled; what is set stays set."),
			alert(
				"TidetableLoopStalled",
				"critical",
				"5m",
				`time() - tidetable_decision_timestamp_seconds > 600`,
				"tidetable decides nothing about {{ $labels.policy }}",
				"The latest decision about {{ $labels.policy }} is {{ $value | humanizeDuration }} old.",
			),
			alert(
				"TidetableLoopMissing",
				"critical",
				"10m",
				`tidetable_loops_wanted - tidetable_loops_running > 0`,
				"{{ $value }} policies have no loop",
				"Valid policies whose loop could not be started, or has ended: it is tried again; their status says what it lacks.",
			),
			alert(
				"TidetableTicksFailing",
				"warning",
				"10m",
				`sum by (policy) (rate(tidetable_decisions_total{reason=~"Failed|ObservationFailed"}[10m])) / sum by (policy) (rate(tidetable_decisions_total[10m])) > 0.5`,
				"most ticks of {{ $labels.policy }} fail",
				"{{ $value | humanizePercentage }} of the decisions about {{ $labels.policy }} are failures.",
			),
			alert(
				"TidetableSignalsStale",
				"warning",
				"30m",
				`tidetable_stale_signals > 0`,
				"readings of {{ $labels.policy }} are missing",
				"{{ $value }} readings have been missing or old for half an hour: scale-in is held.",
			),
			alert(
				"TidetableActionsFailing",
				"warning",
				"0m",
				`sum by (policy) (increase(tidetable_actions_total{result="failed"}[30m])) > 2`,
				"what tidetable tries for {{ $labels.policy }} fails",
				"{{ $value | humanize }} actions failed within half an hour.",
			),
			alert("TidetableOperationStuck", "warning", "0m", `time() - tidetable_operation_phase_start_timestamp_seconds > 6 * 3600`,
				"an operation of {{ $labels.policy }} does not get on", "It has been in one phase for {{ $value | humanizeDuration }}."),
		}},
		{"tidetable-forecast", []rule{
			alert(
				"TidetableForecastUntrusted",
				"warning",
				"6h",
				`tidetable_forecast_trusted == 0`,
				"a forecast of {{ $labels.policy }} is not trusted",
				"The forecast of {{ $labels.signal }} {{ $labels.subject }} has not been used for six hours: the load itself decides.",
			),
			alert(
				"TidetableForecastMiscovers",
				"warning",
				"2h",
				`tidetable_forecast_nominal_ratio - tidetable_forecast_coverage_ratio > 0.1`,
				"forecasts of {{ $labels.policy }} are too low",
				"{{ $labels.signal }} {{ $labels.subject }} exceeded its sizing quantile {{ $value | humanizePercentage }} more often than it should.",
			),
		}},
		{"tidetable-journal", []rule{
			alert("TidetableJournalFailing", "critical", "0m", `increase(tidetable_journal_records_total{result="failed"}[5m]) > 0`,
				"decisions are not recorded", "{{ $value | humanize }} decisions could not be written to the journal within five minutes."),
			alert(
				"TidetableJournalRewound",
				"critical",
				"0m",
				`resets(max without (instance, pod) (tidetable_journal_last_sequence)[1h:30s]) > 0`,
				"the journal has become shorter",
				"The journal's last sequence number went down: entries were cut off, or another journal was put in its place.",
			),
		}},
		{"tidetable-alerts", []rule{
			alert(
				"TidetableAlertmanagerUnreachable",
				"warning",
				"5m",
				`increase(tidetable_alertmanager_send_failures_total[10m]) > 5`,
				"alerts do not reach {{ $labels.endpoint }}",
				"{{ $value | humanize }} requests to {{ $labels.endpoint }} failed within ten minutes. What fires is sent when it is back.",
			),
			alert(
				"TidetableWebhookRefusing",
				"warning",
				"0m",
				`sum(increase(tidetable_webhook_notifications_total{result!="ok"}[10m])) > 10`,
				"notifications to tidetable are refused",
				"{{ $value | humanize }} notifications were refused within ten minutes: a wrong token, a wrong payload, or somebody who should not send.",
			),
		}},
		{"tidetable-concerns", []rule{
			alert(
				"TidetableConcern",
				"warning",
				"15m",
				`tidetable_concerns{kind!~"PeakExpected|ScaleHeld"} > 0`,
				"{{ $labels.policy }}: {{ $labels.kind }}",
				"tidetable has said so for a quarter of an hour; its page and the runbook of {{ $labels.kind }} say more.",
			),
		}},
	}
}

const generated = "# Made by go run ./deploy/monitoring; edit deploy/monitoring/rules.go instead.\n"

func ruleFiles() (plain, object []byte, err error) {
	plain, err = yaml.Marshal(map[string]any{"groups": groups()})
	if err != nil {
		return nil, nil, fmt.Errorf("encoding the rules: %w", err)
	}
	object, err = yaml.Marshal(map[string]any{
		"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule",
		"metadata": map[string]any{"name": "tidetable"},
		"spec":     map[string]any{"groups": groups()},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("encoding the rules: %w", err)
	}
	return append([]byte(generated), plain...), append([]byte(generated), object...), nil
}
