package controller

import (
	"slices"
	"time"

	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/decision"
)

// growing are the constraints whose demand grows in step with the load; what
// is stored follows later, and partitions do not follow at all.
var growing = []string{string(cluster.CPU), string(cluster.DiskBandwidth), string(cluster.NetworkIn), string(cluster.NetworkOut)}

// carries is how many times the demand of a requirement the brokers that are
// alive carry, until the first constraint reaches the utilisation the policy
// allows. What is kept free for a loss is not taken off. Zero is unknown.
func carries(constraints []capacity.Constraint, alive int) float64 {
	least := 0.0
	for _, c := range constraints {
		if c.Unknown != "" || c.Advisory || !(c.Demand > 0) || !slices.Contains(growing, c.Name) {
			continue
		}
		if times := c.PerBroker * float64(alive) / c.Demand; least == 0 || times < least {
			least = times
		}
	}
	return least
}

// carry says beside the cluster's forecasts what the present brokers carry of
// them, and when they exceed what the policy's largest size would. It is for
// people: nothing is decided by it.
func (t *tick) carry() {
	alive := t.d.Seen.AliveBrokers
	times := carries(t.d.Requirement.Constraints, alive)
	if times <= 0 || alive <= 0 {
		return
	}
	for i := range t.d.Forecasts {
		f := &t.d.Forecasts[i]
		var p *predictor
		var peak float64
		switch {
		case f.Subject != decision.ClusterSubject:
			continue
		case t.predicted.in != nil && f.Signal == string(t.predicted.in.signal):
			p, peak = t.predicted.in, t.predicted.peakIn
		case t.predicted.out != nil && f.Signal == string(t.predicted.out.signal):
			p, peak = t.predicted.out, t.predicted.peakOut
		default:
			continue
		}
		f.Capacity = peak * times
		if most := t.d.Limits.MaxBrokers; most > 0 && p.err == nil {
			f.ExhaustedAt = exceeds(p, t.now, f.Capacity/float64(alive)*float64(most))
		}
	}
}

// exceeds is when the sized-for quantile first exceeds a load; zero when it
// does not as far as the forecast reaches.
func exceeds(p *predictor, now time.Time, load float64) time.Time {
	for _, pt := range p.p.Points {
		if n := len(pt.Values); pt.Time.After(now) && n > 0 && pt.Values[n-1] > load {
			return pt.Time
		}
	}
	return time.Time{}
}
