package main

import "github.com/spf13/cobra"

// newRebalanceCmd is the parent of everything that plans and moves.
func newRebalanceCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rebalance",
		Short: "plan moves of replicas and leaders, and carry them out",
		Example: "  tidetable rebalance plan --snapshot cluster.json.gz --reassignment moves.json\n" +
			"  tidetable rebalance execute --bootstrap kafka-0:9092 --plan moves.json",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	// One line a subcommand, sorted.
	cmd.AddCommand(
		newRebalanceCancelCmd(),
		newRebalanceExecuteCmd(),
		newRebalancePlanCmd(),
		newRebalanceStatusCmd(),
	)
	return cmd
}
