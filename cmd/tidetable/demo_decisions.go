package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/simulations"
	"github.com/tidetable/tidetable/simulations/policies"
)

// printDecisions tells what the loop changed, when, and why. Changes of
// consumers are many and small: they are counted unless all is asked for.
func printDecisions(w io.Writer, r simulations.Result, all bool) {
	consumers := 0
	for _, run := range r.Runs {
		if run.Policy != policies.TidetableName {
			continue
		}
		for _, d := range run.Decisions {
			for _, a := range d.Actions {
				p := d.Proposals[a.Proposal]
				if p.Kind == decision.ScaleConsumers && !all {
					consumers++
					continue
				}
				what := a.Done
				if a.Error != "" {
					what = "failed: " + a.Error
				}
				fmt.Fprintf(w, "%s  %s\n%18s%s\n", d.Time.UTC().Format("Mon 02 Jan 15:04"), what, "", shortened(p.Why, 140))
				if d.Schedule != nil && p.Kind == decision.ScaleBrokers {
					for _, line := range d.Schedule.Words() {
						fmt.Fprintf(w, "%18s· %s\n", "", line)
					}
				}
			}
		}
	}
	if consumers > 0 {
		fmt.Fprintf(w, "and %d changes of consumers; --all tells them too\n", consumers)
	}
	fmt.Fprintln(w)
}

// shortened cuts a line at a word.
func shortened(s string, most int) string {
	runes := []rune(s)
	if len(runes) <= most {
		return s
	}
	cut := string(runes[:most])
	if i := strings.LastIndexByte(cut, ' '); i > 0 {
		cut = cut[:i]
	}
	return cut + " …"
}
