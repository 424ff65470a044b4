package prometheus

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/tidetable/tidetable/internal/plain"
	"github.com/tidetable/tidetable/metrics"
)

type request = func(ctx context.Context) (model.Value, v1.Warnings, error)

// ask sends one request, again while it fails for a reason that may pass, with
// growing and jittered pauses. An answer that the server says is partial is an error: it
// is asked again at the next reading, when what it lacks may be back.
func (r *Reader) ask(ctx context.Context, ranged bool, request request) (model.Value, error) {
	if err := r.slots.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer r.slots.Release(1)
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval = 200 * time.Millisecond
	pause.MaxInterval = 5 * time.Second
	once := func() (model.Value, error) {
		tryCtx, cancel := context.WithTimeout(ctx, r.cfg.Limits.Timeout)
		defer cancel()
		tryCtx, release := r.http.holding(tryCtx)
		defer release()
		got := &received{ranged: ranged}
		v, _, err := request(context.WithValue(tryCtx, receivedKey{}, got))
		switch {
		case err == nil && got.partial != "":
			return nil, backoff.Permanent(fmt.Errorf("%w: %s", metrics.ErrPartial, firstWords(got.partial)))
		case err == nil && got.decoded:
			return got.matrix, nil
		case err == nil:
			return v, nil
		}
		if ctx.Err() != nil {
			return nil, backoff.Permanent(ctx.Err())
		}
		f := r.explain(err)
		if !f.passing {
			return nil, backoff.Permanent(error(f))
		}
		return nil, f
	}
	v, err := backoff.Retry(ctx, once, backoff.WithBackOff(pause), backoff.WithMaxTries(r.cfg.Limits.Tries),
		backoff.WithMaxElapsedTime(2*r.cfg.Limits.Timeout+2*pause.InitialInterval))
	var permanent *backoff.PermanentError
	if errors.As(err, &permanent) {
		err = permanent.Err
	}
	return v, err
}

// failure is one failed request in words a person can act on.
type failure struct {
	why     string
	cause   error
	source  bool // the server's failure, not the query's
	passing bool // worth another try
}

// Error is one short line, whatever a server has answered.
func (f *failure) Error() string { return plain.Text(f.why) }

func (f *failure) Unwrap() []error {
	if f.source {
		return []error{metrics.ErrSource, f.cause}
	}
	return []error{f.cause}
}

func (r *Reader) explain(err error) *failure {
	var limit limitError
	var answered *v1.Error
	switch {
	case errors.As(err, &limit):
		return &failure{why: limit.Error(), cause: err}
	case errors.Is(err, context.DeadlineExceeded):
		return &failure{why: fmt.Sprintf("no answer within %s", r.cfg.Limits.Timeout), cause: err, source: true, passing: true}
	case errors.As(err, &answered):
		return explainAnswer(answered)
	case isCertificateError(err):
		return &failure{why: "its certificate is not accepted: " + inner(err).Error(), cause: err, source: true}
	}
	// Refused, reset, no such host, or a body that ended too early.
	return &failure{why: inner(err).Error(), cause: err, source: true, passing: true}
}

func explainAnswer(e *v1.Error) *failure {
	status := func(code string) bool { return strings.HasSuffix(e.Msg, ": "+code) }
	switch e.Type {
	case v1.ErrClient:
		f := &failure{why: e.Msg, cause: e, source: true}
		switch {
		case status("401"), status("403"):
			f.why = strings.TrimPrefix(e.Msg, "client error: ") + ": the credentials are missing or not accepted"
		case status("404"):
			f.why = "404: there is no query API under this URL"
		case status("429"):
			f.why, f.passing = "429: too many requests", true
		}
		return f
	case v1.ErrServer:
		return &failure{why: e.Msg + firstLine(e.Detail), cause: e, source: true, passing: true}
	case v1.ErrTimeout, v1.ErrCanceled:
		return &failure{why: "the query took too long: " + e.Msg, cause: e, passing: true}
	case v1.ErrBadResponse:
		return &failure{why: "the response cannot be read, or ends in the middle: " + e.Msg, cause: e, source: true, passing: true}
	}
	if overlong.MatchString(e.Msg) {
		return &failure{why: e.Msg, cause: tooLong{e, limitIn(e.Msg)}}
	}
	return &failure{why: e.Msg, cause: e} // bad_data, execution: the query's own fault
}

// tooLong is a refusal that a shorter range may not meet.
type tooLong struct {
	error
	limit time.Duration // of a range, where the server says it
}

func (t tooLong) Unwrap() error { return t.error }

var (
	// overlong is how Prometheus, Thanos, Cortex, Mimir and VictoriaMetrics say that a
	// range has too much in it: time, points, samples or chunks.
	overlong = regexp.MustCompile(`(?i)exceeds the limit|exceeded (the )?maximum|too many (samples|points|chunks)|` +
		`cannot (select|process) more than|max-(total-)?query-length|samples limit`)
	lengthLimit = regexp.MustCompile(`limit: ([0-9][0-9a-z]*)\)`)
)

// limitIn is the longest range that a refusal names; 0 where it names none.
func limitIn(text string) time.Duration {
	m := lengthLimit.FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	d, err := time.ParseDuration(m[1])
	if err != nil {
		days, err := model.ParseDuration(m[1])
		if err != nil {
			return 0
		}
		d = time.Duration(days)
	}
	return d
}

func firstLine(detail string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(detail), "\n")
	if line == "" {
		return ""
	}
	return " (" + firstWords(line) + ")"
}

// mostWords is how much of a server's own words a reason repeats.
const mostWords = 120

func firstWords(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	if len(line) > mostWords {
		line = strings.ToValidUTF8(line[:mostWords], "") + "…"
	}
	return line
}

// inner takes off http.Client's wrapping, which repeats the method and URL.
func inner(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

func isCertificateError(err error) bool {
	var (
		unknown  x509.UnknownAuthorityError
		host     x509.HostnameError
		invalid  x509.CertificateInvalidError
		verify   *tls.CertificateVerificationError
		noTLS    tls.RecordHeaderError
		alertErr tls.AlertError
	)
	return errors.As(err, &unknown) || errors.As(err, &host) || errors.As(err, &invalid) || errors.As(err, &verify) ||
		errors.As(err, &noTLS) || errors.As(err, &alertErr)
}

// wrap says whom was asked for what. Errors of the context stay themselves.
func (r *Reader) wrap(signal metrics.Signal, err error) error {
	return fmt.Errorf("asking Prometheus at %s for %s: %w", r.shown, signal, err)
}
