package decision

import "github.com/tidetable/tidetable/internal/plain"

// Plain makes every text of a decision that may quote somebody outside fit to
// be shown: short, on one line, and without anything that steers a terminal.
func (d *Decision) Plain() {
	d.Outcome = plain.Text(d.Outcome)
	for i := range d.Notes {
		d.Notes[i] = plain.Text(d.Notes[i])
	}
	for i := range d.Verdicts {
		d.Verdicts[i].Why = plain.Text(d.Verdicts[i].Why)
	}
	for i := range d.Actions {
		a := &d.Actions[i]
		a.Done, a.Error = plain.Text(a.Done), plain.Text(a.Error)
	}
	for i := range d.Proposals {
		d.Proposals[i].Why = plain.Text(d.Proposals[i].Why)
	}
	for i := range d.Concerns {
		d.Concerns[i].Detail = plain.Text(d.Concerns[i].Detail)
	}
	for i := range d.Forecasts {
		d.Forecasts[i].Why = plain.Text(d.Forecasts[i].Why)
	}
	if o := d.Operation; o != nil {
		o.Note, o.Blocked, o.Why = plain.Text(o.Note), plain.Text(o.Blocked), plain.Text(o.Why)
	}
}
