package web

import (
	"context"
	"crypto/sha256"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"
)

const (
	userAge       = 30 * time.Second // how long a token is not asked about again
	userMemory    = 10 * time.Minute // how long its owner passes before strangers when it is
	maxKnown      = 1000             // tokens that are remembered; as many that are nobody's
	invalidTokens = 10 * time.Second // how long a token that is nobody's is not asked about again
)

type knownUser struct {
	user User
	at   time.Time
}

type tokenHash [sha256.Size]byte

// identities remembers who tokens are, under their hashes, for a short while: a
// page that polls does not burden the API server. Those that are nobody's are
// kept apart, so that a flood of them washes nobody out.
type identities struct {
	limiter *rate.Limiter // of unknown tokens, from all addresses
	asking  singleflight.Group

	mu     sync.Mutex
	users  map[tokenHash]knownUser
	nobody map[tokenHash]time.Time
}

func newIdentities() *identities {
	return &identities{limiter: rate.NewLimiter(20, 100), users: map[tokenHash]knownUser{}, nobody: map[tokenHash]time.Time{}}
}

// look is what is known of a token: its owner, whether that must be asked again,
// and whether it is nobody's.
func (k *identities) look(key tokenHash, now time.Time) (u User, fresh, known, invalid bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	at, no := k.nobody[key]
	if no && now.Sub(at) < invalidTokens {
		return User{}, false, false, true
	}
	owner, ok := k.users[key]
	age := now.Sub(owner.at)
	return owner.user, ok && age < userAge, ok && age < userMemory, false
}

func (k *identities) remember(key tokenHash, u User, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if u.Name == "" {
		delete(k.users, key)
		if len(k.nobody) >= maxKnown {
			clear(k.nobody)
		}
		k.nobody[key] = now
		return
	}
	if len(k.users) >= maxKnown {
		clear(k.users)
	}
	delete(k.nobody, key)
	k.users[key] = knownUser{u, now}
}

var (
	errInvalidToken = errors.New("the token is not valid")
	errNoToken      = errors.New("want a Kubernetes token in the Authorization header")
	errTooMany      = errors.New("too many requests")
	errPlainHTTP    = errors.New("a token is not taken over plain HTTP from another machine: " +
		"use kubectl port-forward, or serve with --tls-cert-file")
)

// whoIs authenticates the request.
func (s *server) whoIs(r *http.Request) (User, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || token == "" || len(token) > 16<<10 {
		return User{}, errNoToken
	}
	if r.TLS == nil && !fromHere(r) {
		return User{}, errPlainHTTP
	}
	key := tokenHash(sha256.Sum256([]byte(token)))
	now := time.Now()
	u, fresh, known, invalid := s.ids.look(key, now)
	switch {
	case invalid:
		return User{}, errInvalidToken
	case fresh:
		return u, nil
	case known: // whoever was let in lately does not queue behind strangers
	case !s.rights.admits(r) || !s.ids.limiter.Allow():
		return User{}, errTooMany
	}
	// However many requests come with a token at once, one asks who it is. It goes
	// on when the first of them is given up.
	got, err, _ := s.ids.asking.Do(string(key[:]), func() (any, error) {
		if u, fresh, _, _ := s.ids.look(key, now); fresh { // while we came here
			return u, nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), reviewLimit)
		defer cancel()
		u, err := s.opt.Reviewer.WhoIs(ctx, token)
		if err != nil || u.Name == "" {
			s.opt.Log.Warn("authenticating a reader of the page", "error", err)
			u = User{}
		}
		s.ids.remember(key, u, now)
		return u, nil
	})
	u, _ = got.(User)
	if err != nil || u.Name == "" {
		return User{}, errInvalidToken
	}
	return u, nil
}

// fromHere tells whether a request comes from this machine, as those of kubectl
// port-forward and of a proxy beside us do.
func fromHere(r *http.Request) bool {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && at.Addr().Unmap().IsLoopback()
}

// named tells whether a request names the page as only those can who know it. A
// name that somebody else has led to our address would let his page read ours in
// a browser that may reach us.
func named(host string, names []string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	for _, n := range names {
		if strings.EqualFold(n, host) {
			return true
		}
	}
	// Names without a dot and names of Services are the cluster's or the machine's.
	return host != "" && !strings.Contains(host, ".") || strings.HasSuffix(host, ".svc") ||
		strings.HasSuffix(host, ".svc.cluster.local") || strings.HasSuffix(host, ".localhost")
}

// guarded lets only requests with a name of ours through, where no token keeps
// others out.
func (s *server) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.opt.OpenReading && !named(r.Host, s.opt.Hosts) {
			fail(w, http.StatusMisdirectedRequest, "this page is not served under that name; give it with --page-host")
			return
		}
		next.ServeHTTP(w, r)
	})
}
