package testbed

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
)

// Ports are taken below Linux's ephemeral range (32768 and up), so that no
// outgoing connection can take a broker's port while the broker restarts.
const (
	firstPort = 15000
	lastPort  = 32000
)

// portPool hands out ports that no other testbed on this machine holds: a
// lock file per port keeps test binaries that run side by side apart, from
// reservation to Close, also while the owning process is down.
type portPool struct {
	mu    sync.Mutex
	locks []*os.File
	hosts int
}

func newPortPool() *portPool { return &portPool{} }

func (p *portPool) take() (int, error) {
	dir := filepath.Join(os.TempDir(), "tidetable-ports")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return 0, fmt.Errorf("creating the port locks' folder: %w", err)
	}
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		lock, err := os.OpenFile(filepath.Join(dir, strconv.Itoa(port)), os.O_CREATE|os.O_RDWR, 0o666)
		if err != nil {
			return 0, fmt.Errorf("locking a port: %w", err)
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil || removed(lock) || !free(port) {
			_ = lock.Close()
			continue
		}
		p.mu.Lock()
		p.locks = append(p.locks, lock)
		p.mu.Unlock()
		return port, nil
	}
	return 0, errors.New("finding a free port: 1000 tries failed")
}

// address hands out an address of this machine's own that nobody else of the
// testbed has. Another testbed may have it too: their ports differ.
func (p *portPool) address() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hosts++
	return fmt.Sprintf("127.0.%d.%d", 1+p.hosts/250, 1+p.hosts%250)
}

// removed tells whether the lock file was removed by its last holder between
// our opening and locking it: such a lock keeps nobody out.
func removed(lock *os.File) bool {
	ours, errOurs := lock.Stat()
	there, errThere := os.Stat(lock.Name())
	return errOurs != nil || errThere != nil || !os.SameFile(ours, there)
}

func free(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

func (p *portPool) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, lock := range p.locks {
		_ = os.Remove(lock.Name())
		_ = lock.Close()
	}
	p.locks = nil
}
