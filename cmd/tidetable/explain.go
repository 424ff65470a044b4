package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tidetable/tidetable/adapters/journal"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/internal/files"
)

// maxDecisionBytes bounds a decision and, generously, a journal to look in.
const maxDecisionBytes = 1 << 30

func newExplainCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain DECISION",
		Short: "tell one decision in words",
		Long: "explain tells what was seen, what was expected, what that needs, what was\n" +
			"proposed, what every gate said and what was done.\n\n" +
			"DECISION is a file or - for stdin: a decision as JSON, one line of a journal, or\n" +
			"a whole journal, of which the last decision is told unless --id names one.",
		Example: "  tidetable controller --once --policy policy.yaml --output json | tidetable explain -\n" +
			"  tidetable explain --id 20260301T120000.000Z-claims journal.jsonl",
		Args: cobra.ExactArgs(1),
	}
	id := cmd.Flags().String("id", "", "the decision to tell, where there are several")
	out := outputFlag(cmd, "table", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		d, err := readDecision(args[0], cmd.InOrStdin(), *id)
		if err != nil {
			return err
		}
		if *out == "json" {
			return writeJSON(cmd.OutOrStdout(), d)
		}
		return decision.Explain(cmd.OutOrStdout(), d)
	}
	return cmd
}

// readDecision finds a decision in a file: the one named id, or the last.
func readDecision(path string, stdin io.Reader, id string) (decision.Decision, error) {
	in, err := files.Open(path, stdin, maxDecisionBytes)
	if err != nil {
		return decision.Decision{}, err
	}
	defer in.Close()
	dec := json.NewDecoder(in)
	var found *decision.Decision
	for n := 1; ; n++ {
		var raw json.RawMessage
		err := dec.Decode(&raw)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return decision.Decision{}, fmt.Errorf("reading %s: entry %d is not JSON: %w", path, n, err)
		}
		d, err := decisionOf(raw)
		if err != nil {
			return decision.Decision{}, fmt.Errorf("reading %s: entry %d: %w", path, n, err)
		}
		if d != nil && (id == "" || d.ID == id) {
			found = d
		}
	}
	switch {
	case found != nil:
		return *found, nil
	case id != "":
		return decision.Decision{}, fmt.Errorf("reading %s: there is no decision %s", path, id)
	default:
		return decision.Decision{}, fmt.Errorf("reading %s: there is no decision in it", path)
	}
}

// decisionOf reads a decision, bare or in a journal's entry; nil for an entry
// of another kind.
func decisionOf(raw json.RawMessage) (*decision.Decision, error) {
	var probe struct {
		Kind journal.Kind    `json:"kind"`
		Data json.RawMessage `json:"data"`
		ID   string          `json:"id"`
	}
	if err := json.Unmarshal(raw, &probe); err != nil {
		return nil, errors.New("is not a decision: want a JSON object")
	}
	if probe.Kind != "" && probe.Kind != journal.KindDecision {
		return nil, nil
	}
	if probe.Kind == journal.KindDecision {
		raw = probe.Data
	} else if probe.ID == "" {
		return nil, errors.New("is not a decision: it has no id")
	}
	var d decision.Decision
	if err := json.NewDecoder(bytes.NewReader(raw)).Decode(&d); err != nil {
		return nil, fmt.Errorf("is not a decision: %w", err)
	}
	if d.Version > decision.Version {
		return nil, fmt.Errorf("is of version %d, and this tidetable knows %d", d.Version, decision.Version)
	}
	return &d, nil
}
