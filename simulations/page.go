package simulations

import "github.com/tidetable/tidetable/internal/report"

// Page is the comparison as a self-contained page.
func (r Result) Page() report.Page {
	return report.Page{Title: r.Scenario}
}
