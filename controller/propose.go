package controller

import (
	"fmt"
	"time"

	"github.com/tidetable/tidetable/cluster"
	"github.com/tidetable/tidetable/controller/gates"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/policy"
)

// Proposed is what should change. It is bounded and stepped; whether it may
// happen is the gates' business.
type Proposed struct {
	Proposals []decision.Proposal
	// Recommended is the number of brokers to have now.
	Recommended int
	// Kept says why more brokers are kept than would do; "" when they are not.
	Kept string
	// Needs is the need's recent history, by target.
	Needs map[string]gates.NeedWindow
	Notes []string
}

func (p *Proposed) note(format string, args ...any) {
	p.Notes = append(p.Notes, fmt.Sprintf(format, args...))
}

// proposer is what the stage remembers between rounds.
type proposer struct {
	spec    policy.Spec
	planned bool // there is a planner
	policy  string
	needs   map[string]*needs // by target
	since   map[decision.Proposal]time.Time
	balance balance
}

// readings is what a round's proposals are made from.
type readings struct {
	*Facts
	*Expectations
	*Requirement
	Schedule *decision.Schedule // nil where none could be made
	inFlight bool               // an operation is
	neededAt func(brokers int) (time.Time, bool)
	longFill func(from, to int) bool // filling the brokers that join takes long
}

func (s *proposer) propose(r readings) Proposed {
	p := Proposed{Proposals: []decision.Proposal{}, Needs: map[string]gates.NeedWindow{}}
	if s.spec.Mode == policy.Observe {
		p.Recommended = r.Asked
		return p
	}
	s.brokers(r, &p)
	for i := range r.Requirement.Groups {
		if g := &r.Requirement.Groups[i]; !g.Missing {
			s.group(r, g, &p)
		}
	}
	s.rebalance(r, &p)
	s.name(r.Now, p.Proposals)
	return p
}

// remembered takes up the proposals that stood when the last process ended.
func (s *proposer) remembered(standing []decision.Proposal) {
	if s.since != nil {
		return
	}
	s.since = make(map[decision.Proposal]time.Time, len(standing))
	for _, p := range standing {
		s.since[p.Change()] = p.Since
	}
}

// proposalAge is how long a proposal keeps its name: an approval that was given
// for it is worth nothing after that.
const proposalAge = 4 * time.Hour

// name gives every proposal its ID. One that stands keeps it from round to
// round; one that went away and comes back is another.
func (s *proposer) name(now time.Time, proposals []decision.Proposal) {
	stand := make(map[decision.Proposal]time.Time, len(proposals))
	for i, p := range proposals {
		since, stands := s.since[p.Change()]
		if !stands || now.Sub(since) >= proposalAge {
			since = now
		}
		stand[p.Change()] = since
		proposals[i] = p.Named(s.policy, since)
	}
	s.since = stand
}

// window notes a need and gives the highest of the stabilisation window.
func (s *proposer) window(p *Proposed, target string, at time.Time, need int, span time.Duration) gates.NeedWindow {
	n := s.needs[target]
	if n == nil {
		n = &needs{}
		s.needs[target] = n
	}
	w := n.add(at, need, span)
	p.Needs[target] = w
	return w
}

func (s *proposer) brokers(r readings, p *Proposed) {
	b, current := s.spec.Brokers, r.Asked
	need := max(r.Requirement.Brokers-r.Others, b.Min)
	if b.Max > 0 && need > b.Max {
		p.note("%d brokers are needed (%s), but brokers.max is %d", need, r.Bottleneck, b.Max)
		need = b.Max
	}
	asIs := min(r.AsIs-r.Others, need)
	// A schedule knows what will be wanted back; without one nothing is let go that
	// is needed anywhere within the horizon.
	lately := need
	if r.Schedule != nil {
		lately = max(asIs, r.Schedule.Needed)
	}
	w := s.window(p, b.Key(), r.Now, lately, b.Stabilisation.D())
	p.Recommended = need
	if r.Unmapped != "" && need != current {
		p.Recommended, p.Kept = current, r.Unmapped
		p.note("%d brokers are kept: %s", current, r.Unmapped)
		return
	}
	switch {
	case r.Schedule != nil:
		p.Recommended = s.scheduled(r, p, asIs, w.Highest)
	case need < current:
		if why := noScaleIn(r); why != "" {
			p.Recommended, p.Kept = current, why
			p.note("%d brokers would do for what is known, %d are kept: %s", need, current, why)
			return
		}
		p.Recommended = s.kept(r, p, max(need, w.Highest))
	}
	if r.inFlight || p.Recommended == current {
		return
	}
	p.Proposals = append(p.Proposals, s.change(r, p, asIs, w.Highest))
}

// kept is the size that is left when fewer brokers would do: not fewer than were
// needed lately, nor than what is stored will need.
func (s *proposer) kept(r readings, p *Proposed, lately int) int {
	keep := min(r.Asked, max(lately, r.Requirement.Keep-r.Others))
	if keep > lately {
		p.note("%d brokers would do now, %d are kept: what is stored will need %d within %s", lately, keep, r.Requirement.Keep,
			decision.Rounded(longestHorizon))
	}
	return keep
}

// scheduled is the size that the schedule wants now. What the load needs as it is
// stands above it, and a scale-in waits until it may be made whole: each of its
// parts would cost a change.
func (s *proposer) scheduled(r readings, p *Proposed, asIs, lately int) int {
	current := r.Asked
	to := current
	if due := r.Schedule.Due(r.Now); due != nil {
		if to = due.To; to > current {
			to = max(to, r.Schedule.Needed) // a change is one step; this is what it leads to
		}
	}
	b := s.spec.Brokers
	switch {
	case asIs > current, current < b.Min:
		return max(asIs, to, b.Min)
	case b.Max > 0 && current > b.Max && to >= current: // whatever it costs
		return max(b.Max, min(current, lately))
	case to < current && to < lately:
		p.note("%d brokers would do from now on by the schedule, %d are kept: %d were needed within the last %s", to, current, lately,
			b.Stabilisation)
		return current
	}
	return to
}

// change is one step towards the size that is recommended.
func (s *proposer) change(r readings, p *Proposed, asIs, lately int) decision.Proposal {
	b, current := s.spec.Brokers, r.Asked
	to := p.Recommended
	if step := b.Step(current, to); to > current {
		to = min(to, current+step)
	} else {
		to = max(to, current-step)
	}
	c := decision.Proposal{Kind: decision.ScaleBrokers, Target: b.Key(), From: current, To: to, Why: r.Explain()}
	if due := r.Schedule.Due(r.Now); due != nil {
		c.Why = "scheduled: " + due.Words() + "; " + c.Why
	}
	if to > current && asIs > current {
		c.Reactive = true
		c.Why = fmt.Sprintf("the load as it is needs %d brokers; %s", r.AsIs, c.Why)
	}
	if to < current {
		c.Why = fmt.Sprintf("the highest need of the last %s is %d; %s", b.Stabilisation, lately, c.Why)
	}
	late(r, &c, p)
	return c
}

// noScaleIn says why nothing may get smaller; "" when everything is known.
func noScaleIn(r readings) string {
	switch {
	case r.NotFresh != "":
		return r.NotFresh
	case r.Doubted:
		return "a reading is not believed"
	case !r.Complete:
		return "not every constraint could be computed"
	case !r.Trusted:
		return "there is no forecast to trust: " + r.Why
	default:
		return ""
	}
}

// late says when a scale-out comes too late for the load it is for.
func late(r readings, change *decision.Proposal, p *Proposed) {
	if change.To <= change.From {
		return
	}
	at, ok := r.neededAt(change.From)
	if change.Late = change.Reactive || ok && at.Sub(r.Now) < r.Expectations.LeadTime; change.Late {
		first := "they are filled within minutes"
		if r.longFill(change.From, change.To) {
			first = "leaders and hot partitions move first"
		}
		p.note("the lead time of %s is longer than what is left until the load needs it: prediction cannot help this event; %s",
			decision.Rounded(r.Expectations.LeadTime), first)
	}
}

// scaleInDeadband is the least part of a group that is worth a rebalance of
// all its members.
const scaleInDeadband = 0.1

// batchedOut is the most that is asked for ahead of the need, as a part of it:
// as much as is left idle on the way in.
const batchedOut = 1 + scaleInDeadband

func (s *proposer) group(r readings, g *GroupRequirement, p *Proposed) {
	name, target := g.Policy.Group, g.Policy.Key()
	need := max(g.Required.Replicas, g.AsIs)
	w := s.window(p, target, r.Now, need, g.Policy.Stabilisation.D())
	if g.Required.Unknown != "" {
		p.note("group %s is kept at %d: %s", name, g.Replicas, g.Required.Unknown)
		return
	}
	if g.parts > 0 && need >= g.parts && lagSeconds(g.lag, g.Arriving) > g.Policy.Lag.MaxSeconds {
		p.note(
			"group %s is at its %d partitions: more replicas would idle; more partitions, or faster consumers, would help",
			name,
			g.parts,
		)
	}
	if share := g.hot.share(g.arriving, g.parts); share > 0 {
		p.note(
			"group %s: partition %s/%d gets %.0f %% of its records, which one replica has to read alone",
			name,
			g.hot.topic,
			g.hot.partition,
			100*share,
		)
	}
	to := g.Replicas
	switch {
	case need > g.Replicas:
		to = g.out(need)
	case need < g.Replicas && r.NotFresh != "":
		p.note("group %s is kept at %d: %s", name, g.Replicas, r.NotFresh)
	case need < g.Replicas:
		to = g.in(max(need, w.Highest, g.Keep))
	}
	if to == g.Replicas {
		return
	}
	p.Proposals = append(p.Proposals, decision.Proposal{
		Kind: decision.ScaleConsumers, Target: target, Group: name, From: g.Replicas,
		To: to, Why: g.Required.Why, Reactive: g.Reactive && to > g.Replicas,
	})
}

// out is the size a group that needs more is scaled out to. What the forecast
// wants a little later is asked for with it, up to batchedOut: a rising load
// then costs the group one rebalance in the place of several.
func (g *GroupRequirement) out(need int) int {
	to := max(need, min(g.Keep, int(batchedOut*float64(need))))
	if most := g.Policy.MaxStep; most > 0 {
		to = min(to, g.Replicas+most)
	}
	return to
}

// in is the size a group is scaled in to when that many are to stay.
func (g *GroupRequirement) in(stay int) int {
	if float64(g.Replicas-stay) < scaleInDeadband*float64(g.Replicas) {
		return g.Replicas
	}
	if most := g.Policy.MaxStep; most > 0 {
		stay = max(stay, g.Replicas-most)
	}
	return stay
}

// balance is when the balance is looked at.
type balance struct {
	seen time.Time     // when it was looked at last
	idle time.Duration // how much longer than balanceEvery it is left alone
}

// balanceEvery is how often the balance is looked at: a plan is worth more than
// a minute's noise. balanceAgain is when it is looked at again after nothing was
// worth moving, and balanceIdle the most that this is put off when it happens
// again and again: what could not be improved seldom can be soon.
const (
	balanceEvery = 10 * time.Minute
	balanceAgain = time.Hour
	balanceIdle  = 6 * time.Hour
)

func (b *balance) due(now time.Time) bool { return now.Sub(b.seen) >= balanceEvery+b.idle }

// planned learns whether a plan was worth carrying out. Planning a large
// cluster is work; what is not worth moving now is hardly worth it in ten minutes.
func (b *balance) planned(now time.Time, worth bool) {
	if worth {
		b.idle = 0
		return
	}
	b.seen = now.Add(balanceAgain - balanceEvery)
	b.idle = min(max(2*b.idle, balanceEvery), balanceIdle)
}

// overtaken learns that a rebalance was given up for the load: begun again at
// once it would be given up again.
func (b *balance) overtaken(now time.Time) { b.seen = now.Add(balanceAgain - balanceEvery) }

// rebalance looks for hot spots: a broker whose load exceeds its fair share by
// more than the tolerance.
func (s *proposer) rebalance(r readings, p *Proposed) {
	if s.spec.Rebalance.Disabled || !s.planned || r.inFlight || !s.balance.due(r.Now) {
		return
	}
	for _, x := range p.Proposals {
		if x.Kind == decision.ScaleBrokers {
			return // the scale-out or scale-in rebalances anyway
		}
	}
	s.balance.seen = r.Now
	hot, tolerance := cluster.Hottest(r.Snapshot.BrokerLoads()), float64(s.spec.Rebalance.Tolerance)
	if hot.Over <= tolerance {
		return
	}
	p.Proposals = append(p.Proposals, decision.Proposal{
		Kind: decision.Rebalance, Target: s.spec.Brokers.Key(), From: r.Asked, To: r.Asked,
		Why: fmt.Sprintf(
			"broker %d carries %.0f %% more %s than its fair share, and the tolerance is %.0f %%",
			hot.ID,
			100*hot.Over,
			hot.Resource,
			100*tolerance,
		),
	})
}

// needs keeps the highest need within a sliding window: a queue of values that
// fall, each the highest since its time. Adding is amortised constant.
type needs struct {
	since time.Time
	queue []timedNeed
}

type timedNeed struct {
	at    time.Time
	value int
}

// add notes a need, forgets what is older than span, and gives the window.
func (n *needs) add(at time.Time, value int, span time.Duration) gates.NeedWindow {
	if n.since.IsZero() {
		n.since = at
	}
	for len(n.queue) > 0 && n.queue[len(n.queue)-1].value <= value {
		n.queue = n.queue[:len(n.queue)-1]
	}
	n.queue = append(n.queue, timedNeed{at, value})
	for len(n.queue) > 1 && at.Sub(n.queue[0].at) > span {
		n.queue = n.queue[1:]
	}
	return gates.NeedWindow{Highest: n.queue[0].value, Since: n.since}
}
