package alertmanager

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// bodyTimeout bounds how long a sender may take over a body.
const bodyTimeout = 10 * time.Second

// notification is Alertmanager's webhook payload, version 4. Fields that are
// not here are ignored: newer Alertmanagers add some.
type notification struct {
	Version string     `json:"version"`
	Alerts  []Incoming `json:"alerts"`
}

// ServeHTTP takes one notification, wholly or not at all.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	result, status, err := r.receive(w, req)
	r.metrics.notifications.WithLabelValues(result).Inc()
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if err != nil {
		// The body is a stranger's: it is neither logged nor sent back.
		// Nor does a flood of them flood the log: the metric counts them all.
		if r.logs.Allow() {
			r.opt.Log.Warn("refusing a notification", "result", result, "error", err, "from", req.RemoteAddr)
		}
		http.Error(w, err.Error(), status)
		return
	}
	w.WriteHeader(status)
}

func (r *Receiver) receive(w http.ResponseWriter, req *http.Request) (result string, status int, err error) {
	if req.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return "method", http.StatusMethodNotAllowed, errors.New("want POST")
	}
	if !r.authorised(req) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="tidetable"`)
		return "unauthorised", http.StatusUnauthorized, errors.New("want the bearer token or a client certificate")
	}
	if !r.limiter.Allow() {
		w.Header().Set("Retry-After", "5")
		return "rate", http.StatusTooManyRequests, errors.New("too many notifications")
	}
	if req.ContentLength > r.opt.MaxBody {
		return "size", http.StatusRequestEntityTooLarge, fmt.Errorf("the body is larger than %d bytes", r.opt.MaxBody)
	}
	// Where the server does not support deadlines, its own timeouts count.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
	n, err := decode(http.MaxBytesReader(w, req.Body, r.opt.MaxBody))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return "size", http.StatusRequestEntityTooLarge, fmt.Errorf("the body is larger than %d bytes", r.opt.MaxBody)
	}
	if err != nil {
		return "malformed", http.StatusBadRequest, err
	}
	now := r.opt.Now()
	for i, a := range n.Alerts {
		if err := a.check(now); err != nil {
			return "malformed", http.StatusBadRequest, fmt.Errorf("alerts[%d]: %w", i, err)
		}
	}
	changed := 0
	for _, a := range n.Alerts {
		if r.take(a) {
			changed++
		}
	}
	r.opt.Log.Info("took a notification", "alerts", len(n.Alerts), "changed", changed)
	return "ok", http.StatusOK, nil
}

func decode(body io.Reader) (notification, error) {
	var n notification
	dec := json.NewDecoder(body)
	if err := dec.Decode(&n); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return n, err
		}
		return n, errors.New("the body is not Alertmanager's webhook payload")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return n, errors.New("the body goes on after the payload")
	}
	switch {
	case n.Version != "4":
		return n, fmt.Errorf("the payload's version is %.10q: want 4", n.Version)
	case len(n.Alerts) > maxAlerts:
		return n, fmt.Errorf("the payload has %d alerts: want at most %d", len(n.Alerts), maxAlerts)
	}
	return n, nil
}

// authorised takes a verified client certificate or the bearer token. With
// neither configured it takes nobody.
func (r *Receiver) authorised(req *http.Request) bool {
	if r.opt.ClientCertificate && req.TLS != nil && len(req.TLS.VerifiedChains) > 0 {
		return true
	}
	if r.opt.Token == nil {
		return false
	}
	want, err := r.opt.Token()
	if err != nil {
		r.opt.Log.Error("reading the webhook's token", "error", err)
		return false
	}
	scheme, got, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	want = strings.TrimSpace(want)
	// Hashes are compared, so that not even the length shows in the time.
	a, b := sha256.Sum256([]byte(strings.TrimSpace(got))), sha256.Sum256([]byte(want))
	return want != "" && strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}
