package main

import (
	"fmt"
	"strings"
)

const ours = `tidetable
Copyright 2026 The tidetable authors

This product embeds Apache ECharts (internal/report/assets/echarts.min.js),
Copyright 2017-2026 The Apache Software Foundation, under the Apache License 2.0;
see internal/report/assets/echarts.LICENSE and echarts.NOTICE.

The program links the modules below; the texts of their licences are in
THIRD-PARTY-LICENCES.txt of a release, and in /licences of the image. This file
is made by make notice.
`

// noticeOf is our NOTICE: what is linked, under what, and what their own notices
// ask to be said.
func noticeOf(modules []module) string {
	var b strings.Builder
	b.WriteString(ours)
	for _, m := range modules {
		fmt.Fprintf(&b, "\n%s (%s)\n", m.Path, strings.Join(m.ids(), ", "))
		for _, h := range m.holders() {
			fmt.Fprintf(&b, "  %s\n", h)
		}
		for line := range strings.Lines(m.notice) {
			b.WriteString(strings.TrimRight("  | "+strings.TrimSpace(line), " ") + "\n")
		}
	}
	return b.String()
}

// tableOf is what is linked, with versions.
func tableOf(modules []module) string {
	var b strings.Builder
	b.WriteString("# What is linked\n\n" +
		"The modules that the program links for Linux, made by `make notice` and by `make release` beside each program. Where\n" +
		"govulncheck cannot reach its database (`make vuln` says so), look these versions up at https://pkg.go.dev/vuln/.\n\n" +
		"| module | version | licence |\n|---|---|---|\n")
	for _, m := range modules {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", m.Path, m.Version, strings.Join(m.ids(), ", "))
	}
	return b.String()
}

// textsOf is the text of every licence and notice, which many ask to be passed on.
func textsOf(modules []module) string {
	var b strings.Builder
	for _, m := range modules {
		fmt.Fprintf(&b, "%s\n%s %s\n\n", strings.Repeat("=", 80), m.Path, m.Version)
		for _, l := range m.licences {
			b.WriteString(l.text + "\n")
		}
		if m.notice != "" {
			b.WriteString("NOTICE\n\n" + m.notice + "\n")
		}
	}
	return b.String()
}
