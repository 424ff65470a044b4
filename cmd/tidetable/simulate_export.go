package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/tidetable/tidetable/controller"
	"github.com/tidetable/tidetable/internal/files"
	"github.com/tidetable/tidetable/internal/journal"
	"github.com/tidetable/tidetable/simulations"
)

func newSimulateExportCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export JOURNAL",
		Short: "make a scenario from a journal's decisions, to run them again",
		Long: "export writes DIR/scenario.yaml and DIR/load.csv with the load, the brokers and\n" +
			"the groups that the journal's decisions saw. Change the policies in it and ask\n" +
			"what they would have done.",
		Example: "  tidetable simulate export journal.jsonl --dir lastweek && tidetable simulate lastweek/scenario.yaml",
		Args:    cobra.ExactArgs(1),
	}
	var dir string
	cmd.Flags().StringVar(&dir, "dir", "exported", "the folder to write to")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var decisions []controller.Decision
		err := journal.Read(cmd.Context(), args[0], 0, func(e journal.Entry) error {
			if e.Kind != journal.KindDecision {
				return nil
			}
			var d controller.Decision
			if err := json.Unmarshal(e.Data, &d); err != nil {
				return fmt.Errorf("reading entry %d: %w", e.Seq, err)
			}
			d.Forecasts = nil // not needed, and large
			decisions = append(decisions, d)
			return nil
		})
		if err != nil {
			return fmt.Errorf("reading journal %s: %w", args[0], err)
		}
		var trace, doc bytes.Buffer
		if err := simulations.Export(decisions, &trace, &doc); err != nil {
			return err
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("making %s: %w", dir, err)
		}
		for name, b := range map[string]*bytes.Buffer{"load.csv": &trace, "scenario.yaml": &doc} {
			if err := files.WriteAtomic(filepath.Join(dir, name), cmd.OutOrStdout(), func(w io.Writer) error { _, err := b.WriteTo(w); return err }); err != nil {
				return err
			}
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s: %d decisions\n", filepath.Join(dir, "scenario.yaml"), len(decisions))
		return nil
	}
	return cmd
}
