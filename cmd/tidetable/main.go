// Command tidetable keeps Apache Kafka on Kubernetes the right size, ahead of
// demand. This package wires flags to packages; it decides nothing itself.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // windows and schedules must work in an image without zone files

	"github.com/spf13/cobra"
	"github.com/tidetable/tidetable/internal/plain"
)

// Exit codes that scripts rely on.
const (
	exitDone     = 0
	exitFound    = 1 // found something wrong
	exitBadInput = 2 // bad usage or bad input
	exitUnproven = 3 // nothing wrong was found, and nothing proves that all is there
)

// foundError makes the command exit 1: it did its work and found something wrong.
type foundError struct{ err error }

func (e foundError) Error() string { return e.err.Error() }
func (e foundError) Unwrap() error { return e.err }

// unprovenError makes the command exit 3: what it looked at is in order, and
// nothing vouches for what it cannot see.
type unprovenError struct{ err error }

func (e unprovenError) Error() string { return e.err.Error() }
func (e unprovenError) Unwrap() error { return e.err }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is main without the process: tests call it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRootCmd()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(plain.Writer(stdout))
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var found foundError
	var unproven unprovenError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &found):
		fmt.Fprintf(plain.Writer(stderr), "tidetable: %v\n", err)
		return exitFound
	case errors.As(err, &unproven):
		fmt.Fprintf(plain.Writer(stderr), "tidetable: %v\n", err)
		return exitUnproven
	default:
		fmt.Fprintf(plain.Writer(stderr), "tidetable: %v\n", err)
		return exitBadInput
	}
}

func newRootCmd() *cobra.Command {
	root := &cobra.Command{
		Use:   "tidetable",
		Short: "keep Apache Kafka on Kubernetes the right size, ahead of demand",
		Long: "tidetable forecasts the load of an Apache Kafka cluster, scales its brokers and\n" +
			"consumers before the peak, and moves partitions off hot spots. The same\n" +
			"decisions run offline, as what-if simulations.",
		Example: "  tidetable demo\n  tidetable forecast --input trace.csv --horizon 24h\n" +
			"  tidetable rebalance plan --snapshot cluster.json.gz",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	// One line a subcommand, sorted.
	root.AddCommand(
		newBacktestCmd(),
		newControllerCmd(),
		newDemoCmd(),
		newExplainCmd(),
		newForecastCmd(),
		newJournalCmd(),
		newPlanCmd(),
		newRebalanceCmd(),
		newReleaseCmd(),
		newSimulateCmd(),
		newSnapshotCmd(),
		newVersionCmd(),
	)
	return root
}
