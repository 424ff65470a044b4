package daemon

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"k8s.io/klog/v2"

	"github.com/tidetable/tidetable/actuators"
	"github.com/tidetable/tidetable/actuators/deployment"
	"github.com/tidetable/tidetable/actuators/hpa"
	"github.com/tidetable/tidetable/actuators/keda"
	"github.com/tidetable/tidetable/actuators/statefulset"
	"github.com/tidetable/tidetable/actuators/strimzi"
	"github.com/tidetable/tidetable/actuators/workload"
	"github.com/tidetable/tidetable/adapters/journal"
	"github.com/tidetable/tidetable/adapters/kube"
	"github.com/tidetable/tidetable/adapters/web"
	"github.com/tidetable/tidetable/controller"
	"github.com/tidetable/tidetable/controller/operation"
	"github.com/tidetable/tidetable/decision"
	"github.com/tidetable/tidetable/policy"
	"github.com/tidetable/tidetable/rebalance/execute"
)

// floorHold is how long a floor outlives the last tick that refreshed it, at
// least: a controller that died must not hold replicas for ever.
const floorHold = 15 * time.Minute

// statusLimit bounds the writing of one status: it never holds up the loop.
const statusLimit = 10 * time.Second

// Kubernetes says where the process runs, and what it may do there.
type Kubernetes struct {
	Kubeconfig string // outside a cluster
	Namespace  string // whose policies are served; "": ours
	Lease      string // makes one process the leader
	MaxMode    policy.Mode
}

// knownEntry is the newest entry of the policy's journal that its status knows;
// the zero Anchor where it knows none, or that of another file.
func knownEntry(o kube.Object) journal.Anchor {
	a := o.Status.Journal
	if a == nil || a.Path != o.Policy.Spec.Journal.Path || a.Sequence <= 0 {
		return journal.Anchor{}
	}
	return journal.Anchor{Seq: uint64(a.Sequence), Hash: a.Hash}
}

// buildLoop makes a policy's loop ready but for what Kubernetes gives it; the
// returned function closes what was opened.
type buildLoop func(ctx context.Context, p policy.Policy, known journal.Anchor) (controller.Config, func(), error)

// kubernetesRun serves every policy of a namespace while it leads.
type kubernetesRun struct {
	clients  *kube.Clients
	policies *kube.Policies
	maxMode  policy.Mode
	build    buildLoop
	want     func(loops int) // told how many loops should run
	release  func(context.Context, policy.Policy, operation.Store, func(string)) error
	takeBack func(context.Context, policy.Policy, func(string)) error
	serving  func(*controller.Controller) (stop func()) // told of each loop, for liveness and the page
	logger   *slog.Logger
	leaving  sync.WaitGroup // of what policies have left that were deleted
}

// Connect reaches the cluster, and settles the namespace.
func (k Kubernetes) Connect(logger *slog.Logger) (*kube.Clients, error) {
	klog.SetSlogLogger(logger)
	clients, err := kube.Connect(k.Kubeconfig)
	if err != nil {
		return nil, err
	}
	if k.Namespace != "" {
		clients.Namespace = k.Namespace
	}
	return clients, nil
}

// Run waits for the lease and serves the namespace's policies until ctx ends.
// The builder's front shows them.
func (k Kubernetes) Run(ctx context.Context, clients *kube.Clients, b *Builder) error {
	r := &kubernetesRun{
		clients: clients, maxMode: k.MaxMode, build: b.Build, want: b.Front.Want,
		release: b.leaveActing, takeBack: b.takeBack, serving: b.Front.Serving, logger: b.Logger,
		policies: &kube.Policies{Clients: clients, Namespace: clients.Namespace, Logger: b.Logger, Now: time.Now},
	}
	b.topicOperator = r.topicOperator
	election := kube.Election{
		Client: clients.Lease, Namespace: clients.Namespace, Name: k.Lease,
		Identity: identity(), Logger: b.Logger, Now: time.Now,
	}
	return election.Run(ctx, r.lead)
}

// Reviewer asks the API server for the rights of the page's readers; own takes
// only tokens that were made for the page.
func Reviewer(clients *kube.Clients, own bool) web.Reviewer {
	return clusterReviewer{kube.Reviewer{Client: clients.Reviews, Own: own}, clients.Namespace}
}

// identity is this process's name in the Lease. The random part tells two
// containers of one pod, one after the other, apart.
func identity() string {
	name := os.Getenv("POD_NAME")
	if name == "" {
		name, _ = os.Hostname() // an empty name is unique still
	}
	return name + "_" + rand.Text()[:8]
}

func (r *kubernetesRun) lead(ctx context.Context, fence *kube.Fence) error {
	stopEvents := r.policies.StartEvents()
	defer stopEvents()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	objects := make(chan []kube.Object)
	watched := make(chan error, 1)
	go func() {
		watched <- r.policies.Watch(ctx, objects)
		cancel()
	}()
	defer r.want(0)
	kube.Supervise(ctx, r.counted(ctx, objects), r.logger, func(served context.Context, o kube.Object) error {
		inFlight, err := r.serve(served, fence, o)
		if inFlight && errors.Is(context.Cause(served), kube.ErrGone) {
			r.leaving.Go(func() { r.gone(ctx, fence, o) })
		}
		return err
	})
	cancel()
	r.leaving.Wait()
	return <-watched
}

// counted passes policies on, and says how many of them should have a loop.
func (r *kubernetesRun) counted(ctx context.Context, in <-chan []kube.Object) <-chan []kube.Object {
	out := make(chan []kube.Object)
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case objects := <-in:
				valid := 0
				for _, o := range objects {
					if o.Err == nil {
						valid++
					}
				}
				r.want(valid)
				select {
				case <-ctx.Done():
					return
				case out <- objects:
				}
			}
		}
	}()
	return out
}

// gone takes back what a policy has left that was deleted in the middle of an
// operation: nobody else would, since its state went with it.
func (r *kubernetesRun) gone(ctx context.Context, fence *kube.Fence, o kube.Object) {
	say := func(line string) { r.logger.InfoContext(ctx, "a policy was deleted", "policy", o.Key(), "text", line) }
	err := fence.Check()
	if err == nil && len(o.Policy.Spec.Kafka.Bootstrap) > 0 {
		err = r.takeBack(ctx, o.Policy, say)
	}
	if err != nil {
		r.logger.ErrorContext(ctx, "taking back what a deleted policy has left failed; tidetable release does it",
			"policy", o.Key(), "error", err)
	}
}

// serve runs one policy's loop until ctx ends, and tells whether an operation was
// in flight then.
func (r *kubernetesRun) serve(ctx context.Context, fence *kube.Fence, o kube.Object) (inFlight bool, err error) {
	if o.Err != nil {
		r.policies.Event(o, true, "Invalid", o.Err.Error())
		return false, r.policies.WriteStatus(ctx, o, kube.InvalidStatus(o.Err, o.Generation))
	}
	p := o.Policy
	// Annotations change without a new generation: kube.Holds reads them live.
	p.Metadata.Annotations = nil
	if limited := policy.LeastMode(p.Spec.Mode, r.maxMode); limited != p.Spec.Mode {
		r.policies.Event(
			o,
			true,
			"ModeLimited",
			fmt.Sprintf("the policy asks for mode %s; this installation goes no further than %s", p.Spec.Mode, limited),
		)
		p.Spec.Mode = limited
	}
	cfg, closeAll, err := r.build(ctx, p, knownEntry(o))
	if err != nil {
		r.policies.Event(o, true, "NotStarted", err.Error())
		return false, errors.Join(err, r.policies.WriteStatus(ctx, o, kube.NotStartedStatus(err, o.Generation)))
	}
	defer closeAll()
	floors := r.equip(&cfg, p, o, fence)
	r.expire(ctx, floors)
	cfg.Publish = append(cfg.Publish, r.publisher(ctx, o, floors, p.Spec.Mode.Acts(), cfg.Journal))
	loop, err := controller.New(cfg)
	if err != nil {
		return false, err
	}
	defer r.serving(loop)()
	left := r.leave(ctx, p, o)
	defer left()
	err = loop.Run(ctx)
	return loop.InFlight(), err
}

// leave releases what an acting mode has left, beside the loop; the returned
// function waits until that has ended.
func (r *kubernetesRun) leave(ctx context.Context, p policy.Policy, o kube.Object) (wait func()) {
	done := make(chan struct{})
	say := func(line string) {
		r.logger.InfoContext(ctx, "leaving the acting mode", "policy", o.Key(), "text", line)
		r.policies.Event(o, false, "Released", line)
	}
	go func() {
		defer close(done)
		if err := r.release(ctx, p, &kube.Store{Policies: r.policies, Object: o}, say); err != nil && ctx.Err() == nil {
			r.policies.Event(o, true, "NotReleased", err.Error())
			r.logger.ErrorContext(
				ctx,
				"leaving the acting mode failed; tidetable release takes back what is left",
				"policy",
				o.Key(),
				"error",
				err,
			)
		}
	}()
	return func() { <-done }
}

// equip gives the loop what only Kubernetes has: where its state lives, who may
// write, what can be scaled, and who has approved.
func (r *kubernetesRun) equip(cfg *controller.Config, p policy.Policy, o kube.Object, fence *kube.Fence) []floor {
	cfg.Fence = func(context.Context) error { return fence.Check() }
	cfg.Watchers = append(cfg.Watchers, kube.Holds{Policies: r.policies, Object: o})
	if cfg.Mover != nil {
		cfg.Mover = kube.FencedMover{Mover: cfg.Mover, Fence: fence}
	}
	if cfg.Admin != nil {
		cfg.Admin = kube.FencedAdmin{BrokerAdmin: cfg.Admin, Fence: fence}
	}
	if p.Spec.Mode == policy.Observe {
		return nil // an observer's rights do not reach the workloads
	}
	cfg.Store = &kube.Store{Policies: r.policies, Object: o}
	annotated := kube.Approvals{Policies: r.policies, Object: o}
	if cfg.Approvals != nil {
		cfg.Approvals = anyApproval{cfg.Approvals, annotated}
	} else {
		cfg.Approvals = annotated
	}
	scalers, floors := r.scalers(p)
	cfg.Scalers = map[string]actuators.Scaler{}
	for key, s := range scalers {
		cfg.Scalers[key] = kube.FencedScaler{Scaler: s, Fence: fence}
	}
	return floors
}

// floor is a scaler whose wish stands for a while only.
type floor interface {
	Refresh(ctx context.Context) error
	Expire(ctx context.Context) (bool, error)
}

// scalers makes the scaler of each of the policy's targets, by the loop's keys.
func (r *kubernetesRun) scalers(p policy.Policy) (map[string]actuators.Scaler, []floor) {
	client := r.client()
	out := map[string]actuators.Scaler{}
	var floors []floor
	if t := p.Spec.Brokers.Target; t.Name != "" {
		out[p.Spec.Brokers.Key()] = brokerScaler(client, r.target(p, t))
	}
	for _, c := range p.Spec.Consumers {
		if c.Target.Name == "" || c.Via == "metric" {
			continue
		}
		s := &consumerScaler{client: client, target: r.target(p, c.Target), via: c.Via, hold: max(floorHold, 3*p.Spec.Interval.D())}
		out[c.Key()] = s
		floors = append(floors, s)
	}
	return out, floors
}

func (r *kubernetesRun) target(p policy.Policy, t policy.Target) workload.Target {
	ns := t.Namespace
	if ns == "" {
		ns = p.Metadata.Namespace
	}
	return workload.Target{Group: t.Group(), Kind: t.Kind, Namespace: ns, Name: t.Name}
}

// topicOperator asks Strimzi's Kafka resource, where the brokers are Strimzi's.
func (r *kubernetesRun) topicOperator(p policy.Policy) func(context.Context) (execute.TopicOperator, error) {
	pool, ok := brokerScaler(r.client(), r.target(p, p.Spec.Brokers.Target)).(strimzi.Scaler)
	if !ok {
		return nil
	}
	return func(ctx context.Context) (execute.TopicOperator, error) {
		reverts, err := pool.RevertsThrottles(ctx)
		switch {
		case err != nil:
			return execute.TopicOperatorUnknown, err
		case reverts:
			return execute.TopicOperatorReverts, nil
		default:
			return execute.TopicOperatorAllows, nil
		}
	}
}

func (r *kubernetesRun) client() workload.Client {
	return workload.Client{Dynamic: r.clients.Dynamic, Mapper: r.clients.Mapper}
}

// brokerScalers are the actuators of brokers, by the kind of their workload.
var brokerScalers = map[string]func(workload.Client, workload.Target) actuators.Scaler{
	"KafkaNodePool": func(c workload.Client, t workload.Target) actuators.Scaler {
		return strimzi.Scaler{Client: c, Target: t}
	},
	"StatefulSet": func(c workload.Client, t workload.Target) actuators.Scaler {
		return statefulset.Scaler{Client: c, Target: t}
	},
}

// brokerScaler is the actuator of a workload; whatever else has a scale
// subresource is scaled by that.
func brokerScaler(c workload.Client, t workload.Target) actuators.Scaler {
	if of, known := brokerScalers[t.Kind]; known {
		return of(c, t)
	}
	return deployment.Scaler{Client: c, Target: t}
}

// consumerScaler finds at each call who owns the workload: an autoscaler that
// is installed or removed meanwhile changes the way, not the wish.
type consumerScaler struct {
	client workload.Client
	target workload.Target
	via    string
	hold   time.Duration
}

func (s *consumerScaler) scaler(ctx context.Context) (actuators.Scaler, error) {
	if s.via == "scale" {
		return deployment.Scaler{Client: s.client, Target: s.target}, nil
	}
	owner, err := s.client.OwnerOf(ctx, s.target)
	if err != nil {
		return nil, err
	}
	at := func(kind string) workload.Target {
		return workload.Target{Kind: kind, Namespace: s.target.Namespace, Name: owner.Name}
	}
	switch {
	case owner == nil && s.via == "floor":
		return nil, fmt.Errorf(
			"setting a floor for %s: no HorizontalPodAutoscaler or ScaledObject scales it; install one, or use via: scale",
			s.target,
		)
	case owner == nil:
		return deployment.Scaler{Client: s.client, Target: s.target}, nil
	case owner.Kind == "ScaledObject":
		return keda.Scaler{Client: s.client, ScaledObject: at(owner.Kind), Workload: s.target, Now: time.Now, HoldFloor: s.hold}, nil
	default:
		return hpa.Scaler{Client: s.client, HPA: at(owner.Kind), Workload: s.target, Now: time.Now, HoldFloor: s.hold}, nil
	}
}

// Current reads the workload's size, or its floor.
func (s *consumerScaler) Current(ctx context.Context) (actuators.Scale, error) {
	by, err := s.scaler(ctx)
	if err != nil {
		return actuators.Scale{}, err
	}
	return by.Current(ctx)
}

// Set sets the workload's size, or its floor.
func (s *consumerScaler) Set(ctx context.Context, want actuators.Scale) error {
	by, err := s.scaler(ctx)
	if err != nil {
		return err
	}
	return by.Set(ctx, want)
}

// Refresh keeps our floor standing, where the wish is one.
func (s *consumerScaler) Refresh(ctx context.Context) error {
	by, err := s.scaler(ctx)
	if f, ok := by.(floor); ok && err == nil {
		return f.Refresh(ctx)
	}
	return err
}

// Expire takes a floor away whose time is over, whoever set it.
func (s *consumerScaler) Expire(ctx context.Context) (bool, error) {
	by, err := s.scaler(ctx)
	if f, ok := by.(floor); ok && err == nil {
		return f.Expire(ctx)
	}
	return false, err
}

// expire clears what a controller that died has left standing.
func (r *kubernetesRun) expire(ctx context.Context, floors []floor) {
	for _, f := range floors {
		if _, err := f.Expire(ctx); err != nil {
			r.logger.WarnContext(ctx, "expiring a floor failed", "error", err)
		}
	}
}

// publisher writes each decision to the policy's status and events, and keeps
// floors standing. Events are written when the word changes, not each tick.
func (r *kubernetesRun) publisher(
	ctx context.Context,
	o kube.Object,
	floors []floor,
	acts bool,
	j controller.Journal,
) func(decision.Decision) {
	last, path := "", o.Policy.Spec.Journal.Path
	return func(d decision.Decision) {
		ctx, cancel := context.WithTimeout(ctx, statusLimit)
		defer cancel()
		s := kube.StatusOf(d, o.Generation)
		if anchored, ok := j.(interface{ Head() journal.Anchor }); ok {
			head := anchored.Head()
			s.Journal = &policy.Anchor{Sequence: int(head.Seq), Hash: head.Hash, Path: path}
		}
		if err := r.policies.WriteStatus(ctx, o, s); err != nil {
			r.logger.WarnContext(ctx, "writing the status failed", "policy", o.Key(), "error", err)
		} else {
			o.Status = s
		}
		if d.Reason != last {
			r.policies.Event(o, troubling(d.Reason), d.Reason, d.Outcome)
			last = d.Reason
		}
		if !acts || d.Reason == decision.ReasonFailed || d.Reason == decision.ReasonObservationFailed {
			return
		}
		for _, f := range floors {
			if err := f.Refresh(ctx); err != nil {
				r.logger.WarnContext(ctx, "refreshing a floor failed", "policy", o.Key(), "error", err)
			}
		}
	}
}

func troubling(reason string) bool {
	switch reason {
	case decision.ReasonFailed,
		decision.ReasonObservationFailed,
		decision.ReasonRefused,
		decision.ReasonActionFailed,
		decision.ReasonUnknown:
		return true
	}
	return false
}
