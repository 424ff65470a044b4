package kube

import (
	"context"
	"log/slog"
	"sync"
)

// Supervise runs one loop for each valid policy: started when the policy
// appears, stopped when it goes, and stopped and started anew when its
// generation changes. A loop has always returned before the next one of the
// same policy starts. It returns when ctx ends and every loop has stopped.
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

type loop struct {
	generation int64
	uid        string
	cancel     context.CancelFunc
	done       sync.WaitGroup
}

func (s *supervisor) apply(ctx context.Context, objects []Object) {
	seen := map[string]bool{}
	for _, o := range objects {
		seen[o.Key()] = true
		old := s.loops[o.Key()]
		if old != nil && old.generation == o.Generation && old.uid == string(o.UID) {
			continue
		}
		if old != nil {
			old.stop()
		}
		s.loops[o.Key()] = s.start(ctx, o)
	}
	for key, l := range s.loops {
		if !seen[key] {
			l.stop()
			delete(s.loops, key)
		}
	}
}

func (s *supervisor) start(ctx context.Context, o Object) *loop {
	ctx, cancel := context.WithCancel(ctx)
	l := &loop{generation: o.Generation, uid: string(o.UID), cancel: cancel}
	l.done.Go(func() {
		if err := s.run(ctx, o); err != nil && ctx.Err() == nil {
			s.logger.Error("the loop of a policy ended", "policy", o.Key(), "error", err)
		}
	})
	return l
}

func (l *loop) stop() {
	l.cancel()
	l.done.Wait()
}

func (s *supervisor) stopAll() {
	for _, l := range s.loops {
		l.cancel()
	}
	for _, l := range s.loops {
		l.done.Wait()
	}
}
