package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newReleaseCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "release",
		Short: "take back what a controller that is gone has left in a cluster",
		Long: "release is for when no controller runs any more: after helm uninstall, kubectl\n" +
			"delete -k, or a crash that nobody will restart. It takes the run under way back,\n" +
			"so that every partition is where it was, removes tidetable's throttles, and lets\n" +
			"cordoned brokers take new replicas again. Stop the controller first: two movers\n" +
			"take the run from one another.\n\n" +
			"A controller that is told to act no longer (mode, --max-mode) does this by itself.\n\n" +
			"Exit codes: 0 nothing is left, 1 something could not be taken back, 2 bad usage.",
		Example: "  tidetable release --bootstrap kafka-0:9092",
		Args:    cobra.NoArgs,
	}
	f := addMoverFlags(cmd, true)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		conn, err := f.open()
		if err != nil {
			return err
		}
		defer conn.Close()
		cfg, err := f.config(conn, nil)
		if err != nil {
			return err
		}
		said := false
		say := func(line string) {
			said = true
			fmt.Fprintln(cmd.OutOrStdout(), line)
		}
		if err := conn.Release(cmd.Context(), cfg, say); err != nil {
			return foundError{err}
		}
		if !said {
			say("nothing was left")
		}
		return nil
	}
	return cmd
}
