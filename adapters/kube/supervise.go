package kube

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// Supervise runs one loop for each valid policy: started when the policy
// appears, stopped when it goes, and stopped and started anew when its
// generation changes. A loop has always returned before the next one of the
// same policy starts. One that ends with an error is started anew, after a while
// that doubles each time: what it lacked, a folder or a broker, may be there
// then. It returns when ctx ends and every loop has stopped.
func Supervise(ctx context.Context, in <-chan []Object, logger *slog.Logger, run func(context.Context, Object) error) {
	s := supervisor{run: run, logger: logger, loops: map[string]*loop{}}
	defer s.stopAll()
	for {
		select {
		case <-ctx.Done():
			return
		case objects, ok := <-in:
			if !ok {
				return
			}
			s.apply(ctx, objects)
		}
	}
}

type supervisor struct {
	run    func(context.Context, Object) error
	logger *slog.Logger
	loops  map[string]*loop
}

// ErrGone is why a loop's context ends whose policy was deleted.
var ErrGone = errors.New("the policy was deleted")

type loop struct {
	generation int64
	uid        string
	problem    string // why the policy cannot be used; it may depend on others
	cancel     context.CancelCauseFunc
	done       sync.WaitGroup
}

func (s *supervisor) apply(ctx context.Context, objects []Object) {
	seen := map[string]bool{}
	for _, o := range objects {
		seen[o.Key()] = true
		old := s.loops[o.Key()]
		if old != nil && old.generation == o.Generation && old.uid == string(o.UID) && old.problem == problem(o) {
			continue
		}
		if old != nil {
			old.stop(nil)
		}
		s.loops[o.Key()] = s.start(ctx, o)
	}
	for key, l := range s.loops {
		if !seen[key] {
			l.stop(ErrGone)
			delete(s.loops, key)
		}
	}
}

func (s *supervisor) start(ctx context.Context, o Object) *loop {
	ctx, cancel := context.WithCancelCause(ctx)
	l := &loop{generation: o.Generation, uid: string(o.UID), problem: problem(o), cancel: cancel}
	l.done.Go(func() {
		for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
			began := time.Now()
			err := s.run(ctx, o)
			if err == nil || ctx.Err() != nil {
				return
			}
			if time.Since(began) > lastRetry {
				wait = firstRetry // it has run well for a while
			}
			s.logger.Error("the loop of a policy ended; it is started anew", "policy", o.Key(), "after", wait, "error", err)
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
		}
	})
	return l
}

// firstRetry and lastRetry bound the while after which a loop that ended with an
// error is started anew.
const (
	firstRetry = 5 * time.Second
	lastRetry  = 5 * time.Minute
)

func problem(o Object) string {
	if o.Err == nil {
		return ""
	}
	return o.Err.Error()
}

func (l *loop) stop(why error) {
	l.cancel(why)
	l.done.Wait()
}

func (s *supervisor) stopAll() {
	for _, l := range s.loops {
		l.cancel(nil)
	}
	for _, l := range s.loops {
		l.done.Wait()
	}
}
