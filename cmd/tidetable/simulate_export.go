package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/tidetable/tidetable/adapters/journal"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/internal/files"
	"github.com/tidetable/tidetable/metrics/archive"
	"github.com/tidetable/tidetable/policy"
	"github.com/tidetable/tidetable/simulations"
)

func newSimulateExportCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export JOURNAL",
		Short: "make a scenario from a journal's decisions, to run them again",
		Long: "export writes DIR/scenario.yaml and DIR/load.csv with the load, the brokers and\n" +
			"the groups that the journal's decisions saw. Change the policies in it and ask\n" +
			"what they would have done.\n\n" +
			"With a snapshot of the cluster as it was at the first decision the scenario has its\n" +
			"topics, placement and sizes; with the traces of a snapshot taken at the end, what was\n" +
			"written to each topic and the past that forecasts were made from; with the policy, the\n" +
			"very one that decided. The three are copied into DIR.",
		Example: "  tidetable simulate export journal.jsonl --dir lastweek && tidetable simulate lastweek/scenario.yaml\n" +
			"  tidetable simulate export journal.jsonl --snapshot before.json --traces after.traces.csv --policy policy.yaml --dir lastweek",
		Args: cobra.ExactArgs(1),
	}
	var x export
	cmd.Flags().StringVar(&x.dir, "dir", "exported", "the folder to write to")
	cmd.Flags().StringVar(&x.snapshot, "snapshot", "", "the cluster as it was at the first decision")
	cmd.Flags().
		StringVar(&x.traces, "traces", "", "the traces of a snapshot taken after the last decision, reaching back to before the first")
	cmd.Flags().StringVar(&x.policy, "policy", "", "the policy that decided")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return x.run(cmd, args[0]) }
	return cmd
}

// export is the flags of simulate export.
type export struct{ dir, snapshot, traces, policy string }

func (x export) run(cmd *cobra.Command, path string) error {
	decisions, err := recordedDecisions(cmd.Context(), path)
	if err != nil {
		return fmt.Errorf("reading journal %s: %w", path, err)
	}
	r := simulations.Recorded{Decisions: decisions, SnapshotFile: "cluster.json", PolicyFile: "policy.yaml"}
	var trace, doc, snapshot, policyText bytes.Buffer
	outputs := map[string]*bytes.Buffer{"load.csv": &trace, "scenario.yaml": &doc}
	in := scenarioSources("")
	if x.snapshot != "" {
		s, err := in.Snapshot(x.snapshot)
		if err != nil {
			return fmt.Errorf("reading snapshot %s: %w", x.snapshot, err)
		}
		if err := archive.WriteSnapshot(&snapshot, s); err != nil {
			return err
		}
		r.Snapshot, outputs[r.SnapshotFile] = &s, &snapshot
	}
	if x.traces != "" {
		if r.Traces, err = in.Trace(x.traces); err != nil {
			return fmt.Errorf("reading traces %s: %w", x.traces, err)
		}
		for i, s := range r.Traces {
			if signal, labels, ok := archive.ParseColumn(s.Labels["column"]); ok {
				r.Traces[i].Signal, r.Traces[i].Labels = signal, labels
			}
		}
	}
	if x.policy != "" {
		if r.Policy, err = copyPolicy(x.policy, &policyText); err != nil {
			return err
		}
		outputs[r.PolicyFile] = &policyText
	}
	if err := simulations.Export(r, &trace, &doc); err != nil {
		return err
	}
	if err := x.write(cmd, outputs); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s: %d decisions\n", filepath.Join(x.dir, "scenario.yaml"), len(decisions))
	return nil
}

func (x export) write(cmd *cobra.Command, outputs map[string]*bytes.Buffer) error {
	if err := os.MkdirAll(x.dir, 0o755); err != nil {
		return fmt.Errorf("making %s: %w", x.dir, err)
	}
	for name, b := range outputs {
		if err := files.WriteAtomic(filepath.Join(x.dir, name), cmd.OutOrStdout(), func(w io.Writer) error {
			_, err := b.WriteTo(w)
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// copyPolicy copies a policy that can be read.
func copyPolicy(path string, w io.Writer) (*policy.Policy, error) {
	p, err := policy.Load(path, nil)
	if err != nil {
		return nil, err
	}
	f, err := files.Open(path, nil, 0)
	if err != nil {
		return nil, fmt.Errorf("reading policy: %w", err)
	}
	defer f.Close()
	if _, err := io.Copy(w, f); err != nil {
		return nil, fmt.Errorf("reading policy %s: %w", path, err)
	}
	return &p, nil
}

// recordedDecisions are a journal's, without their forecasts, which are large
// and are made anew.
func recordedDecisions(ctx context.Context, path string) ([]decision.Decision, error) {
	var out []decision.Decision
	err := journal.Read(ctx, path, 0, func(e journal.Entry) error {
		if e.Kind != journal.KindDecision {
			return nil
		}
		var d decision.Decision
		if err := json.Unmarshal(e.Data, &d); err != nil {
			return fmt.Errorf("reading entry %d: %w", e.Seq, err)
		}
		d.Forecasts = nil
		out = append(out, d)
		return nil
	})
	return out, err
}
