package web

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"
)

// What the page asks the API server is bounded for each address, each user and
// each right: whoever polls without rights, however often, costs it next to nothing.
const (
	rightAge     = 10 * time.Second // how long an answer about a right is kept
	reviewLimit  = 10 * time.Second // how long one question may take
	maxRights    = 4096
	addressRate  = 5 // unknown tokens a second from one address
	addressBurst = 20
	userRate     = 5 // questions a second about one user's rights
	userBurst    = 20
	maxLimiters  = 4096
)

type right struct{ user, uid, groups, verb, policy string }

type answer struct {
	may bool
	at  time.Time
}

// rights remembers what the API server said of rights, and how much each
// address and each user has asked lately.
type rights struct {
	asking    singleflight.Group
	addresses limiters
	users     limiters

	mu      sync.Mutex
	answers map[right]answer
}

func newRights() *rights {
	return &rights{
		answers:   map[right]answer{},
		addresses: limiters{each: addressRate, burst: addressBurst},
		users:     limiters{each: userRate, burst: userBurst},
	}
}

// may asks for a right once in a while, and once for all who ask at the same
// time. A Reviewer that fails gives none, and is asked again.
func (k *rights) may(ctx context.Context, ask Reviewer, u User, verb, policy string, now time.Time) (bool, error) {
	key := right{u.Name, u.UID, strings.Join(u.Groups, "\x00"), verb, policy}
	if may, known := k.answered(key, now); known {
		return may, nil
	}
	got, err, _ := k.asking.Do(fmt.Sprintf("%q", key), func() (any, error) {
		if may, known := k.answered(key, now); known { // while we came here
			return may, nil
		}
		if !k.users.allow(u.Name) {
			return false, errTooMany
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reviewLimit)
		defer cancel()
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
	})
	may, _ := got.(bool)
	return may && err == nil, err
}

func (k *rights) answered(key right, now time.Time) (may, known bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	a, known := k.answers[key]
	return a.may, known && now.Sub(a.at) < rightAge
}

// admits tells whether an address may still ask about a token that is not known.
func (k *rights) admits(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	return k.addresses.allow(host)
}

// limiters are one limiter a name.
type limiters struct {
	each  rate.Limit
	burst int

	mu  sync.Mutex
	all map[string]*rate.Limiter
}

func (l *limiters) allow(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	one := l.all[name]
	if one == nil {
		if l.all == nil || len(l.all) >= maxLimiters {
			l.all = map[string]*rate.Limiter{}
		}
		one = rate.NewLimiter(l.each, l.burst)
		l.all[name] = one
	}
	return one.Allow()
}

// may asks for a right; a Reviewer that fails gives none.
func (s *server) may(ctx context.Context, u User, verb, policy string) bool {
	ok, err := s.rights.may(ctx, s.opt.Reviewer, u, verb, policy, time.Now())
	if err != nil && !errors.Is(err, errTooMany) {
		s.opt.Log.Warn("asking for the rights of a reader of the page", "user", u.Name, "verb", verb, "error", err)
	}
	return ok && err == nil
}
