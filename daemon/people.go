package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	v1 "k8s.io/api/authorization/v1"

	"github.com/tidetable/tidetable/adapters/journal"
	"github.com/tidetable/tidetable/adapters/kube"
	"github.com/tidetable/tidetable/adapters/web"
	"github.com/tidetable/tidetable/controller"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/internal/plain"
)

// page is what the page may show and do. Without somebody who can check rights
// it is read-only.
func (f *Front) page() web.Options {
	opt := web.Options{Store: f.store, OpenReading: f.cfg.OpenPage, Hosts: f.cfg.Hosts, Log: f.logger}
	if f.cfg.Reviewer != nil {
		opt.Reviewer, opt.Operator = f.cfg.Reviewer, f.desk
	}
	return opt
}

// people lets a loop hear what was asked for on the page.
func (f *Front) people(cfg *controller.Config) {
	desk := f.desk.Policy(cfg.Policy.Metadata.Name)
	cfg.Watchers = append(cfg.Watchers, desk)
	cfg.Approvals = desk
}

// alerts hands a notification to the policy that the address names, or to the
// only one there is.
func (f *Front) alerts(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	h := f.webhooks[r.PathValue("policy")]
	if r.PathValue("policy") == "" && len(f.webhooks) == 1 {
		for _, only := range f.webhooks {
			h = only
		}
	}
	f.mu.Unlock()
	if h == nil {
		http.Error(w, "no policy listens here; where there are several, name one: /api/v1/alerts/POLICY", http.StatusNotFound)
		return
	}
	h.ServeHTTP(w, r)
}

// record puts what a person asked for on record before it takes effect.
func (f *Front) record(ctx context.Context, op web.Operation, _ time.Time) error {
	f.mu.Lock()
	j := f.journals[op.Policy]
	f.mu.Unlock()
	op.Reason = plain.Text(op.Reason)
	f.logger.InfoContext(ctx, "a person asked for something", "operation", op.Name, "policy", op.Policy, "user", op.User.Name)
	switch {
	case j == nil:
		return nil
	case op.Name == web.Approve:
		return j.RecordApproval(ctx, journal.Approval{
			Decision: op.Decision, Proposal: op.Proposal, Proposed: op.Proposed, Granted: true,
			By: op.User.Name, Groups: op.User.Groups, Via: op.Via, Meaning: op.Reason,
		})
	default:
		return j.RecordOperation(
			ctx,
			journal.Operation{
				Name:       op.Name,
				Subject:    op.Policy,
				By:         op.User.Name,
				Via:        op.Via,
				Reason:     op.Reason,
				ForSeconds: op.ForSeconds,
			},
		)
	}
}

// adopt takes a policy's journal in, and puts what people asked for before
// this process began, and what has not expired, into effect again.
func (f *Front) adopt(ctx context.Context, policy string, j *journal.Journal) (forget func(), err error) {
	refused := func(seq uint64, why string) {
		f.logger.WarnContext(ctx, "an entry of the journal has no effect", "policy", policy, "entry", seq, "why", why)
	}
	now := time.Now()
	err = j.Replay(ctx, func(e journal.Entry) error {
		if e.Time.After(now) { // a clock that was wrong, or a hand: it lasts no longer for it
			e.Time = now
		}
		switch e.Kind {
		case journal.KindOperation:
			var o journal.Operation
			if err := json.Unmarshal(e.Data, &o); err != nil {
				return fmt.Errorf("reading entry %d: %w", e.Seq, err)
			}
			if o.Subject == policy {
				f.desk.Restore(web.Operation{Name: o.Name, Policy: policy, ForSeconds: o.ForSeconds, User: web.User{Name: o.By}}, e.Time)
			}
		case journal.KindApproval:
			var a journal.Approval
			if err := json.Unmarshal(e.Data, &a); err != nil {
				return fmt.Errorf("reading entry %d: %w", e.Seq, err)
			}
			if a.Granted {
				f.desk.Restore(web.Operation{Name: web.Approve, Policy: policy, Proposed: a.Proposed, User: web.User{Name: a.By}}, e.Time)
			}
		}
		return nil
	}, refused)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.journals[policy] = j
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.journals, policy)
	}, nil
}

// clusterReviewer asks the API server for the rights of the page's readers, in
// the namespace whose policies are served.
type clusterReviewer struct {
	kube.Reviewer
	namespace string
}

// WhoIs is web.Reviewer.
func (r clusterReviewer) WhoIs(ctx context.Context, token string) (web.User, error) {
	u, err := r.Reviewer.WhoIs(ctx, token)
	if err != nil {
		return web.User{}, err
	}
	out := web.User{Name: u.Name, UID: u.UID, Groups: u.Groups, Extra: map[string][]string{}}
	for k, v := range u.Extra {
		out.Extra[k] = v
	}
	return out, nil
}

// May is web.Reviewer.
func (r clusterReviewer) May(ctx context.Context, u web.User, verb, policy string) (bool, error) {
	ku := kube.User{Name: u.Name, UID: u.UID, Groups: u.Groups, Extra: map[string]v1.ExtraValue{}}
	for k, v := range u.Extra {
		ku.Extra[k] = v
	}
	return r.Reviewer.May(ctx, ku, verb, r.namespace, policy)
}

// anyApproval is approved when one of several ways is: a click, or the
// annotation on the policy.
type anyApproval []controller.Approvals

// Approved is controller.Approvals. A way that cannot be asked does not keep
// the others from saying yes; when none does, its error is told.
func (a anyApproval) Approved(ctx context.Context, p decision.Proposal) (by string, ok bool, err error) {
	for _, way := range a {
		who, yes, failed := way.Approved(ctx, p)
		if yes && failed == nil {
			return who, true, nil
		}
		if failed != nil && err == nil {
			err = failed
		}
	}
	return "", false, err
}
