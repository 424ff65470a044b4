package gates

import (
	"context"

	"github.com/tidetable/tidetable/decision"
)

// ForecastTrust keeps a forecast that has not earned trust from making
// anything smaller. What makes something larger then is no forecast, but the load
// seen and the margin that its own errors ask for.
type ForecastTrust struct{}

// Name is the gate's name.
func (ForecastTrust) Name() string { return "forecast-trust" }

// Check looks at the forecasts that the proposal rests on.
func (ForecastTrust) Check(_ context.Context, p decision.Proposal, s Situation) decision.Verdict {
	if !p.ScaleIn() {
		return allow()
	}
	subject := decision.ClusterSubject
	if p.Kind == decision.ScaleConsumers {
		subject = p.Group
	}
	seen := false
	for _, f := range s.Forecasts {
		if f.Subject != subject {
			continue
		}
		seen = true
		// A group without a forecast may still shrink slowly, by what it is
		// seen to need over the whole stabilisation; brokers may not.
		if !f.Trusted && p.Kind == decision.ScaleBrokers {
			return hold("the forecast of %s is not trusted: %s", f.Signal, f.Why)
		}
	}
	if !seen {
		return hold("there is no forecast of %s", subject)
	}
	return allow()
}
