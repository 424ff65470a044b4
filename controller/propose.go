package controller

import (
	"fmt"
	"slices"
	"time"

	"github.com/tidetable/tidetable/controller/gates"

	"github.com/tidetable/tidetable/capacity"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/policy"
)

// propose says what should change. It bounds and steps; whether it may happen
// is the gates' business.
func (t *tick) propose() {
	t.need = map[string]gates.NeedWindow{}
	if t.c.spec.Mode == policy.Observe {
		t.d.Recommended = t.currentBrokers()
		return
	}
	t.proposeBrokers()
	for i := range t.groupsNow {
		t.proposeConsumers(&t.groupsNow[i])
	}
	t.proposeRebalance()
}

// window notes a need and gives the highest of the stabilisation window.
func (t *tick) window(target string, need int, span time.Duration) gates.NeedWindow {
	n := t.c.needs[target]
	if n == nil {
		n = &needs{}
		t.c.needs[target] = n
	}
	w := n.add(t.now, need, span)
	t.need[target] = w
	return w
}

func (t *tick) proposeBrokers() {
	b, r := t.c.spec.Brokers, &t.d.Requirement
	target, current := t.c.spec.Brokers.Key(), t.currentBrokers()
	need := max(r.Brokers, b.Min)
	if allowed := t.allowed(need); need > allowed {
		t.note("%d brokers are needed (%s), but brokers.max is %d", need, r.Bottleneck, b.Max)
		need = allowed
	}
	w := t.window(target, need, b.Stabilisation.D())
	t.d.Recommended = need
	if need < current {
		if why := t.noScaleIn(r); why != "" {
			t.d.Recommended = current
			t.kept = why
			t.note("%d brokers would do for what is known, %d are kept: %s", need, current, why)
			return
		}
		t.d.Recommended = min(current, max(need, w.Highest))
	}
	if t.c.state.Operation != nil || t.d.Recommended == current {
		return
	}
	to := min(max(t.d.Recommended, current-b.MaxStep), current+b.MaxStep)
	p := decision.Proposal{Kind: decision.ScaleBrokers, Target: target, From: current, To: to, Why: r.Explain()}
	if to > current && min(t.needNow, need) > current {
		p.Reactive = true
		p.Why = fmt.Sprintf("the load as it is needs %d brokers; %s", t.needNow, p.Why)
	}
	if to < current {
		p.Why = fmt.Sprintf("the highest need of the last %s is %d; %s", b.Stabilisation, w.Highest, p.Why)
	}
	t.lateFor(&p, r)
	t.d.Proposals = append(t.d.Proposals, p)
}

// noScaleIn says why nothing may get smaller; "" when everything is known.
func (t *tick) noScaleIn(r *capacity.Requirement) string {
	switch {
	case t.notFresh != "":
		return t.notFresh
	case !r.Complete:
		return "not every constraint could be computed"
	case !t.predicted.trusted:
		return "there is no forecast to trust: " + t.predicted.why
	default:
		return ""
	}
}

// lateFor says when a scale-out comes too late for the load it is for.
func (t *tick) lateFor(p *decision.Proposal, r *capacity.Requirement) {
	if p.To <= p.From {
		return
	}
	at, ok := t.neededAt(p.From)
	if p.Late = p.Reactive || ok && at.Sub(t.now) < r.LeadTime; p.Late {
		first := "they are filled within minutes"
		if t.longFill(p.From, p.To) {
			first = "leaders and hot partitions move first"
		}
		t.note("the lead time of %s is longer than what is left until the load needs it: prediction cannot help this event; %s", decision.Rounded(r.LeadTime), first)
	}
}

// neededAt is when the forecast load first needs more than so many brokers;
// false when it does not within the horizon.
func (t *tick) neededAt(brokers int) (time.Time, bool) {
	if t.needNow > brokers {
		return t.now, true
	}
	p := t.predicted
	high, _, ok := p.in.peak(t.now, t.d.Horizon)
	if !ok || !(high > 0) || !(p.inFactor > 0) || !(t.demand.Produced > 0) {
		return time.Time{}, false
	}
	// What raised the peak, a surge or an alert, raises every point; what is
	// read follows what is written as it does at the peak.
	scale, reads := p.peakIn/high/float64(t.demand.Produced), p.outFactor/p.inFactor
	k := len(p.in.p.Quantiles) - 1
	for _, pt := range p.in.p.Points {
		if pt.Time.After(t.now.Add(t.d.Horizon)) {
			break
		}
		f := pt.Values[k] * scale
		if pt.Time.After(t.now) && t.c.model.Size(t.demand.Scale(f, f*reads), t.facts).Brokers > brokers {
			return pt.Time, true
		}
	}
	return time.Time{}, false
}

// scaleInDeadband is the least part of a group that is worth a rebalance of
// all its members.
const scaleInDeadband = 0.1

// batchedOut is the most that is asked for ahead of the need, as a part of it:
// as much as is left idle on the way in.
const batchedOut = 1 + scaleInDeadband

func (t *tick) proposeConsumers(g *groupSize) {
	i := slices.IndexFunc(t.d.Requirement.Consumers, func(r capacity.ConsumerRequirement) bool { return r.Group == g.policy.Group })
	r := &t.d.Requirement.Consumers[i]
	target := g.policy.Key()
	need := max(r.Replicas, g.needNow)
	w := t.window(target, need, g.policy.Stabilisation.D())
	if r.Unknown != "" {
		t.note("group %s is kept at %d: %s", g.policy.Group, g.current, r.Unknown)
		return
	}
	if g.now.parts > 0 && need >= g.now.parts && lagSeconds(g.now.lag, g.now.arriving) > g.policy.Lag.MaxSeconds {
		t.note("group %s is at its %d partitions: more replicas would idle; more partitions, or faster consumers, would help", g.policy.Group, g.now.parts)
	}
	to := g.current
	switch {
	case need > g.current:
		to = g.out(need)
	case need < g.current && t.notFresh != "":
		t.note("group %s is kept at %d: %s", g.policy.Group, g.current, t.notFresh)
	case need < g.current:
		to = g.in(max(need, w.Highest, g.keep))
	}
	if to == g.current {
		return
	}
	t.d.Proposals = append(t.d.Proposals, decision.Proposal{Kind: decision.ScaleConsumers, Target: target, Group: g.policy.Group, From: g.current, To: to, Why: r.Why, Reactive: g.reactive && to > g.current})
}

// out is the size a group that needs more is scaled out to. What the forecast
// wants a little later is asked for with it, up to batchedOut: a rising load
// then costs the group one rebalance in the place of several.
func (g *groupSize) out(need int) int {
	to := max(need, min(g.keep, int(batchedOut*float64(need))))
	if most := g.policy.MaxStep; most > 0 {
		to = min(to, g.current+most)
	}
	return to
}

// in is the size a group is scaled in to when that many are to stay.
func (g *groupSize) in(stay int) int {
	if float64(g.current-stay) < scaleInDeadband*float64(g.current) {
		return g.current
	}
	if most := g.policy.MaxStep; most > 0 {
		stay = max(stay, g.current-most)
	}
	return stay
}

// rebalanceEvery is how often the balance is looked at: a plan is worth more
// than a minute's noise.
const rebalanceEvery = 10 * time.Minute

// rebalanceIdle is the most that looking again is put off after plans that
// were not worth carrying out: what could not be improved seldom can be soon.
const rebalanceIdle = 6 * time.Hour

// rebalanceAgain is when it is looked at again after nothing was worth moving.
const rebalanceAgain = time.Hour

// proposeRebalance looks for hot spots: a broker whose load at the predicted
// peak exceeds its fair share by more than the tolerance.
func (t *tick) proposeRebalance() {
	r := t.c.spec.Rebalance
	if r.Disabled || t.c.cfg.Planner == nil || t.c.state.Operation != nil || t.now.Sub(t.c.balanceSeen) < rebalanceEvery+t.c.balanceIdle {
		return
	}
	for _, p := range t.d.Proposals {
		if p.Kind == decision.ScaleBrokers {
			return // the scale-out or scale-in rebalances anyway
		}
	}
	t.c.balanceSeen = t.now
	hot := hottest(brokerLoads(&t.snap))
	if hot.Over <= float64(r.Tolerance) {
		return
	}
	t.d.Proposals = append(t.d.Proposals, decision.Proposal{
		Kind: decision.Rebalance, Target: t.c.spec.Brokers.Key(), From: t.currentBrokers(), To: t.currentBrokers(),
		Why: fmt.Sprintf("broker %d carries %.0f %% more %s than its fair share, and the tolerance is %.0f %%", hot.ID, 100*hot.Over, hot.Resource, 100*float64(r.Tolerance)),
	})
}
