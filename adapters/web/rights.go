package web

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// What the page asks the API server is bounded for each address and for each
// right: whoever polls without rights, however often, costs it next to nothing.
const (
	rightAge      = 10 * time.Second // how long an answer about a right is kept
	maxRights     = 4096
	addressRate   = 5 // unknown tokens a second from one address
	addressBurst  = 20
	maxAddresses  = 4096
	invalidTokens = 10 * time.Second // how long a token that is nobody's is not asked about again
)

type right struct{ user, uid, verb, policy string }

type answer struct {
	may bool
	at  time.Time
}

// rights remembers what the API server said of rights, and how much each
// address has asked lately.
type rights struct {
	mu        sync.Mutex
	answers   map[right]answer
	addresses map[string]*rate.Limiter
}

func newRights() *rights {
	return &rights{answers: map[right]answer{}, addresses: map[string]*rate.Limiter{}}
}

// may asks for a right once in a while. A Reviewer that fails gives none, and is
// asked again.
func (k *rights) may(ctx context.Context, ask Reviewer, u User, verb, policy string, now time.Time) (bool, error) {
	key := right{u.Name, u.UID, verb, policy}
	k.mu.Lock()
	a, known := k.answers[key]
	k.mu.Unlock()
	if known && now.Sub(a.at) < rightAge {
		return a.may, nil
	}
	may, err := ask.May(ctx, u, verb, policy)
	if err != nil {
		return false, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.answers) >= maxRights {
		clear(k.answers)
	}
	k.answers[key] = answer{may, now}
	return may, nil
}

// admits tells whether an address may still ask about a token that is not known.
func (k *rights) admits(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	l := k.addresses[host]
	if l == nil {
		if len(k.addresses) >= maxAddresses {
			clear(k.addresses)
		}
		l = rate.NewLimiter(addressRate, addressBurst)
		k.addresses[host] = l
	}
	return l.Allow()
}
