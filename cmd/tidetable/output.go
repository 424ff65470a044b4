package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// outputFlag adds --output with the formats a command has, the first being its
// default, and returns where the choice is kept.
func outputFlag(cmd *cobra.Command, formats ...string) *string {
	v := &choice{allowed: formats, value: formats[0]}
	cmd.Flags().Var(v, "output", fmt.Sprintf("output format: %s", v.list()))
	return &v.value
}

// choice is a flag with a fixed set of values, refused at parsing.
type choice struct {
	allowed []string
	value   string
}

func (c *choice) String() string { return c.value }
func (c *choice) Type() string   { return "string" }
func (c *choice) Set(s string) error {
	for _, a := range c.allowed {
		if s == a {
			c.value = s
			return nil
		}
	}
	return fmt.Errorf("%q is not one of %s", s, c.list())
}

func (c *choice) list() string {
	s := ""
	for i, a := range c.allowed {
		if i > 0 {
			s += "|"
		}
		s += a
	}
	return s
}

// writeJSON prints v as indented JSON. Maps come sorted by key.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// isTerminal tells whether w is a terminal: progress is shown there only.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
