package testbed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// Process is a child process with its output in a log file.
type Process struct {
	Name string
	Log  string
	cmd  *exec.Cmd
	done chan struct{} // closed once the process has been waited for
	err  error         // what Wait said; read after done
}

// processTable knows every child, so that all can be killed by their ids.
type processTable struct {
	logDir string
	mu     sync.Mutex
	all    []*Process
	closed bool
}

func newProcessTable(logDir string) *processTable { return &processTable{logDir: logDir} }

// spawner starts children on one thread that never ends. Linux sends the
// parent-death signal when the starting *thread* dies, so a child started
// from an ordinary goroutine could be killed while the test still runs.
var spawner = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range work {
			f()
		}
	}()
	return work
})

// start runs a program whose output is appended to <logDir>/<name>.log. The
// child is killed by the kernel when this process dies, however it dies.
func (pt *processTable) start(name, dir string, env []string, program string, args ...string) (*Process, error) {
	p := &Process{Name: name, Log: filepath.Join(pt.logDir, name+".log"), done: make(chan struct{})}
	out, err := os.OpenFile(p.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening the log of %s: %w", name, err)
	}
	p.cmd = exec.Command(program, args...)
	p.cmd.Dir = dir
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}

	pt.mu.Lock()
	defer pt.mu.Unlock()
	if pt.closed {
		return nil, errors.Join(fmt.Errorf("starting %s: the testbed is closed", name), out.Close())
	}
	started := make(chan error)
	spawner() <- func() { started <- p.cmd.Start() }
	if err := <-started; err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", name, err), out.Close())
	}
	pt.all = append(pt.all, p)
	go func() {
		p.err = p.cmd.Wait()
		_ = out.Close()
		close(p.done)
	}()
	return p, nil
}

// killAll kills every child and waits until each is gone.
func (pt *processTable) killAll() error {
	pt.mu.Lock()
	defer pt.mu.Unlock()
	pt.closed = true
	var errs []error
	for _, p := range pt.all {
		errs = append(errs, p.signal(syscall.SIGKILL))
	}
	for _, p := range pt.all {
		<-p.done
	}
	pt.all = nil
	return errors.Join(errs...)
}

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Running tells whether the process has not ended yet.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

func (p *Process) signal(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signalling %s: %w", p.Name, err)
	}
	return nil
}

// Kill ends the process with SIGKILL and waits until it is gone.
func (p *Process) Kill() error {
	err := p.signal(syscall.SIGKILL)
	<-p.done
	return err
}

// Pause stops the process where it stands (SIGSTOP); Resume lets it go on.
func (p *Process) Pause() error { return p.signal(syscall.SIGSTOP) }

// Resume lets a paused process go on (SIGCONT).
func (p *Process) Resume() error { return p.signal(syscall.SIGCONT) }

// Stop asks the process to end (SIGTERM) and waits; when the context ends
// first, it is killed and the context's error returned.
func (p *Process) Stop(ctx context.Context) error {
	if err := p.signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("stopping %s: %w", p.Name, context.Cause(ctx)), p.Kill())
	}
}

// died describes an end that nobody asked for, with the end of the log.
func (p *Process) died() error {
	return fmt.Errorf("%s ended by itself: %v; the end of its log %s:\n%s", p.Name, p.err, p.Log, tail(p.Log, 2000))
}

func tail(path string, n int64) []byte {
	f, err := os.Open(path)
	if err != nil {
		return []byte(err.Error())
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err == nil && info.Size() > n {
		_, _ = f.Seek(-n, io.SeekEnd)
	}
	out, _ := io.ReadAll(f)
	return bytes.TrimSpace(out)
}

// Poll calls check every interval until it returns nil. When the context ends
// first, the error says what was waited for and what check said last.
func Poll(ctx context.Context, what string, interval time.Duration, check func(context.Context) error) error {
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		var stop *Fatal
		if errors.As(err, &stop) {
			return fmt.Errorf("waiting for %s: %w", what, stop.Err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w; last: %w", what, context.Cause(ctx), err)
		case <-time.After(interval):
		}
	}
}

// Fatal wraps an error that more waiting cannot mend.
type Fatal struct{ Err error }

func (f *Fatal) Error() string { return f.Err.Error() }
func (f *Fatal) Unwrap() error { return f.Err }
