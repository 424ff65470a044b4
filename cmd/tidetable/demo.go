package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidetable/tidetable/adapters/journal"
	"github.com/tidetable/tidetable/controller"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/internal/files"
	"github.com/tidetable/tidetable/simulations"
	"github.com/tidetable/tidetable/simulations/scenario"
)

//go:embed demo.yaml
var demoScenario []byte

// demoJournalBytes keeps the demo's journal in one file, which can be copied
// and tried to be forged.
const demoJournalBytes = 1 << 30

func newDemoCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "three seeded days in a simulated cluster; nothing to install",
		Long: "demo runs the production loop, and what teams do without it, through the same\n" +
			"three days of a simulated cluster: a daily rhythm, a campaign nobody announced,\n" +
			"an outage of Prometheus and a broker that fails. It compares what came of it and\n" +
			"writes a page with every decision.",
		Example: "  tidetable demo\n  tidetable demo --journal demo.jsonl && tidetable journal verify demo.jsonl",
		Args:    cobra.NoArgs,
	}
	var journalPath, report string
	var show, all bool
	cmd.Flags().StringVar(&journalPath, "journal", "", "write every decision of the loop to this audit journal")
	cmd.Flags().StringVar(&report, "report", filepath.Join(os.TempDir(), "tidetable-demo.html"), "where to write the page")
	cmd.Flags().BoolVar(&show, "scenario", false, "print the scenario instead of running it, to start your own from")
	cmd.Flags().BoolVar(&all, "all", false, "tell the changes of consumers too, not only those of brokers")
	out := outputFlag(cmd, "table", "json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if show {
			_, err := cmd.OutOrStdout().Write(demoScenario)
			return err
		}
		return runDemo(cmd, journalPath, report, *out, all)
	}
	return cmd
}

func runDemo(cmd *cobra.Command, journalPath, report, output string, all bool) (err error) {
	plan, err := scenario.Decode(demoScenario, "demo", scenario.Sources{})
	if err != nil {
		return err
	}
	o := simulationOptions()
	o.Points = reportPoints
	var j *journal.Journal
	if journalPath != "" {
		o.Journal = func(_ string, clock controller.Clock) (controller.Journal, error) {
			var err error
			j, err = journal.Open(journalPath, journal.Options{Writer: "demo", Now: clock.Now, NoSync: true, RotateBytes: demoJournalBytes})
			return thinned{j, plan.EndTime().Add(-time.Hour)}, err
		}
		defer func() {
			if j != nil {
				err = errors.Join(err, j.Close())
			}
		}()
	}
	s := simulation{cmd: cmd, report: report, output: output}
	stop := s.progress(&o, simulations.Ticks(plan, 1))
	r, err := simulations.Compare(cmd.Context(), plan, o)
	stop()
	if err != nil {
		return err
	}
	page := r.Page()
	if err := files.WriteAtomic(report, cmd.OutOrStdout(), page.Write); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	if output == "table" {
		printDecisions(cmd.OutOrStdout(), r, all)
	}
	return s.show(r)
}

// thinned keeps the forecasts' curves of the decisions that people look at: of
// those that did something, one every half hour, and the last hour's. All of
// them would be half a gigabyte.
type thinned struct {
	controller.Journal
	last time.Time
}

// Record keeps a decision.
func (t thinned) Record(ctx context.Context, d decision.Decision) error {
	if len(d.Actions) == 0 && d.Time.Minute()%30 != 0 && d.Time.Before(t.last) {
		d.Forecasts = slices.Clone(d.Forecasts)
		for i := range d.Forecasts {
			d.Forecasts[i].Curve = nil
		}
	}
	return t.Journal.Record(ctx, d)
}
