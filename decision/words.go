package decision

import (
	"cmp"
	"fmt"
	"time"
)

// Words is what a proposal would do.
func (p Proposal) Words() string {
	switch p.Kind {
	case Rebalance:
		return "rebalance " + p.Target
	case ScaleConsumers:
		return fmt.Sprintf("scale group %s from %d to %d replicas", p.Group, p.From, p.To)
	default:
		return fmt.Sprintf("scale %s from %d to %d brokers", p.Target, p.From, p.To)
	}
}

// Words is an operation, where it stands and what it waits for.
func (o Operation) Words() string {
	var s string
	switch {
	case o.Kind == Rebalance:
		s = "rebalancing " + o.Target
	case o.To > o.From:
		s = fmt.Sprintf("scaling %s out from %d to %d brokers", o.Target, o.From, o.To)
	default:
		s = fmt.Sprintf("scaling %s in from %d to %d brokers", o.Target, o.From, o.To)
	}
	s += ": " + string(o.Phase)
	if why := cmp.Or(o.Blocked, o.Note); why != "" {
		s += ": " + why
	}
	return s
}

// Rounded drops what nobody reads of a duration.
func Rounded(d time.Duration) time.Duration {
	switch {
	case d > time.Hour:
		return d.Round(time.Minute)
	case d > time.Minute:
		return d.Round(time.Second)
	default:
		return d.Round(time.Millisecond)
	}
}
