package main

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"
)

// example is a document of docs/formats, to start a fuzzer from.
func example(f *testing.F, name string) string {
	f.Helper()
	text, err := os.ReadFile(formats + name)
	if err != nil {
		f.Fatal(err)
	}
	return string(text)
}

// A calendar that was read can be asked about any day; one that was not says
// why in a line.
func FuzzReadEvents(f *testing.F) {
	f.Add(example(f, "events.example.yaml"))
	f.Add("events: [{name: a, dates: [2026-02-30], duration: 5000w}]")
	f.Add("holidays: [XX]\nevents: [{schedule: '* * * * *', duration: -1h, uplift: .nan}]")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := readEvents("-", strings.NewReader(text))
		if err != nil {
			if strings.TrimSpace(err.Error()) == "" {
				t.Fatal("refused without a reason")
			}
			return
		}
		if err := c.Check(); err != nil {
			t.Fatalf("was read and does not hold: %v", err)
		}
	})
}

// A decision that is read can be told in words, however odd it is.
func FuzzExplain(f *testing.F) {
	f.Add(example(f, "decision.example.json"))
	f.Add(example(f, "journal.example.jsonl"))
	f.Add(`{"id":"a","proposals":[{}],"verdicts":[{"proposal":7}],"actions":[{"proposal":-1}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		var out, errs strings.Builder
		code := run(ctx, []string{"explain", "-"}, strings.NewReader(text), &out, &errs)
		if code != exitDone && (code != exitBadInput || strings.Count(strings.TrimSpace(errs.String()), "\n") > 0) {
			t.Fatalf("exit %d: %s", code, errs.String())
		}
	})
}
