package kube

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// Timings of the Lease: a leader that cannot renew for RenewDeadline stops; a
// follower takes over after LeaseDuration. The difference is what a paused
// leader's clock may be wrong by.
const (
	LeaseDuration = 30 * time.Second
	RenewDeadline = 20 * time.Second
	RetryPeriod   = 4 * time.Second
)

// ErrLeaseLost ends the process: whoever takes over adopts what runs.
var ErrLeaseLost = errors.New("losing the lease")

// Election runs a function in the one process that holds a Lease.
type Election struct {
	Client    kubernetes.Interface
	Namespace string
	Name      string
	Identity  string // unique to this process, such as the pod's name and a random suffix
	Logger    *slog.Logger
	Now       func() time.Time

	// Shorter timings for tests; zero stands for the constants above.
	LeaseDuration, RenewDeadline, RetryPeriod time.Duration
}

// Run waits for the lease, then runs lead with a fence. It returns when ctx
// ends, after lead has returned and only then giving the lease back, so that no
// two processes ever write; or with ErrLeaseLost, or with lead's error.
func (e Election) Run(ctx context.Context, lead func(ctx context.Context, fence *Fence) error) error {
	lease, renew, retry := e.timings()
	fence := NewFence(renew, e.Now)
	lock := &renewalLock{
		Interface: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Namespace: e.Namespace, Name: e.Name},
			Client:     e.Client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: e.Identity},
		},
		fence: fence, identity: e.Identity, now: e.Now,
	}
	// The elector outlives ctx: it gives the lease back when its own context
	// ends, which is after every writer has stopped.
	electing, stopElecting := context.WithCancel(context.WithoutCancel(ctx))
	defer stopElecting()
	leading, stopLeading := context.WithCancel(ctx)
	defer stopLeading()
	led := make(chan error, 1)
	started := make(chan struct{})
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: lock, LeaseDuration: lease, RenewDeadline: renew, RetryPeriod: retry,
		ReleaseOnCancel: true, Name: e.Name,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) {
				close(started)
				e.Logger.Info("leading", "lease", e.Namespace+"/"+e.Name, "identity", e.Identity)
				led <- lead(leading, fence)
			},
			OnStoppedLeading: func() { fence.Lost(); stopLeading() },
			OnNewLeader: func(id string) {
				e.Logger.Info("leader seen", "lease", e.Namespace+"/"+e.Name, "leader", id)
			},
		},
	})
	if err != nil {
		return fmt.Errorf("setting up the election: %w", err)
	}
	elected := make(chan struct{})
	go func() { defer close(elected); elector.Run(electing) }()
	return e.wait(ctx, started, led, elected, stopLeading, stopElecting)
}

// wait sees which of the three ends first, and brings the others down in the
// order that never leaves a writer without the lease.
func (e Election) wait(
	ctx context.Context,
	started chan struct{},
	led chan error,
	elected chan struct{},
	stopLeading, stopElecting context.CancelFunc,
) error {
	select {
	case err := <-led:
		stopElecting()
		<-elected
		return err
	case <-elected: // the lease is lost; the fence is shut already
		stopLeading()
		select {
		case <-started:
			if err := <-led; err != nil && !errors.Is(err, context.Canceled) {
				return errors.Join(ErrLeaseLost, err)
			}
		default:
		}
		return ErrLeaseLost
	case <-ctx.Done():
		stopLeading()
		var err error
		select {
		case <-started:
			err = <-led
		default:
		}
		stopElecting()
		<-elected
		if errors.Is(err, context.Canceled) {
			err = nil
		}
		return err
	}
}

func (e Election) timings() (lease, renew, retry time.Duration) {
	lease, renew, retry = e.LeaseDuration, e.RenewDeadline, e.RetryPeriod
	if lease == 0 {
		lease, renew, retry = LeaseDuration, RenewDeadline, RetryPeriod
	}
	return lease, renew, retry
}

// renewalLock tells the fence of each renewal, dated by when it was sent: the
// server may have counted from then.
type renewalLock struct {
	resourcelock.Interface
	fence    *Fence
	identity string
	now      func() time.Time
}

func (l *renewalLock) Create(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	return l.renew(r, func() error { return l.Interface.Create(ctx, r) })
}

func (l *renewalLock) Update(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	return l.renew(r, func() error { return l.Interface.Update(ctx, r) })
}

func (l *renewalLock) renew(r resourcelock.LeaderElectionRecord, write func() error) error {
	sent := l.now()
	if err := write(); err != nil {
		return err
	}
	if r.HolderIdentity == l.identity {
		l.fence.Renewed(sent)
	} else {
		l.fence.Lost() // a release
	}
	return nil
}
