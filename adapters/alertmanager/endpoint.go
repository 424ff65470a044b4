package alertmanager

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/prometheus/alertmanager/api/v2/models"
	"github.com/prometheus/common/config"

	"github.com/tidetable/tidetable/policy"
)

const (
	requestTimeout = 10 * time.Second
	batchSize      = 256     // alerts in one request
	maxAnswer      = 8 << 20 // bytes of an answer that are read; an alert is about 1 kB
	maxFiring      = 10_000  // alerts of an answer that are taken
	retryFirst     = time.Second
	retryMost      = 30 * time.Second
)

// Endpoint is one Alertmanager.
type Endpoint struct {
	Name   string // without credentials, for logs and metrics
	URL    *url.URL
	Client *http.Client
}

// Endpoints prepares the Alertmanagers that a policy names. Certificates and
// tokens are read again when their files change.
func Endpoints(ams []policy.Alertmanager) ([]Endpoint, error) {
	var all []Endpoint
	for i, am := range ams {
		at := fmt.Sprintf("alerts.alertmanagers[%d]", i)
		u, err := url.Parse(am.URL)
		if err != nil || u.Host == "" {
			return nil, fmt.Errorf("preparing %s.url: want a URL such as http://alertmanager:9093", at)
		}
		if u.User != nil {
			return nil, fmt.Errorf("preparing %s.url: credentials belong into basicAuth or bearerTokenFile, not into the URL", at)
		}
		c := config.DefaultHTTPClientConfig
		c.TLSConfig = config.TLSConfig{
			CAFile:     am.TLS.CAFile,
			CertFile:   am.TLS.CertFile,
			KeyFile:    am.TLS.KeyFile,
			ServerName: am.TLS.ServerName,
		}
		if am.BearerTokenFile != "" {
			c.Authorization = &config.Authorization{Type: "Bearer", CredentialsFile: am.BearerTokenFile}
		}
		if b := am.BasicAuth; b != nil {
			c.BasicAuth = &config.BasicAuth{Username: b.Username, PasswordFile: b.Password.File}
		}
		if err := c.Validate(); err != nil {
			return nil, fmt.Errorf("preparing %s: %w", at, err)
		}
		client, err := config.NewClientFromConfig(c, "alertmanager")
		if err != nil {
			return nil, fmt.Errorf("preparing %s: %w", at, err)
		}
		all = append(all, Endpoint{Name: u.Redacted(), URL: u, Client: client})
	}
	return all, nil
}

// errRefused says that an Alertmanager will not take these alerts, however
// often they are sent.
var errRefused = errors.New("it refused the alerts")

// serve tells one Alertmanager, when something changes and at every interval.
func (s *Sender) serve(ctx context.Context, p *peer) {
	tick := time.NewTicker(s.opt.Interval)
	defer tick.Stop()
	retry := backoff.NewExponentialBackOff()
	retry.InitialInterval, retry.MaxInterval = retryFirst, retryMost
	for {
		var again <-chan time.Time
		err := s.tell(ctx, p)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			retry.Reset()
		default:
			wait := retry.NextBackOff()
			s.metrics.failed.WithLabelValues(p.endpoint.Name).Inc()
			s.opt.Log.Warn("sending alerts", "endpoint", p.endpoint.Name, "error", err, "retryIn", wait)
			again = time.After(wait)
		}
		if again != nil { // while it is down, only the pause counts
			select {
			case <-ctx.Done():
				return
			case <-again:
			}
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-p.kick:
		case <-tick.C:
		}
	}
}

// tell sends all that is pending, in batches.
func (s *Sender) tell(ctx context.Context, p *peer) error {
	now := time.Now()
	alerts, ended := s.pending(p, now)
	var refused error
	for start := 0; start < len(alerts); start += batchSize {
		batch := alerts[start:min(start+batchSize, len(alerts))]
		body := make(models.PostableAlerts, 0, len(batch))
		for _, a := range batch {
			body = append(body, a.postable(now.Add(keepAlive*s.opt.Interval)))
		}
		if err := p.endpoint.post(ctx, body); errors.Is(err, errRefused) {
			refused = err // the other batches may still pass
			continue
		} else if err != nil {
			return err
		}
		s.metrics.sent.WithLabelValues(p.endpoint.Name).Add(float64(len(batch)))
	}
	s.told(p, ended)
	if refused != nil {
		s.metrics.failed.WithLabelValues(p.endpoint.Name).Inc()
		s.opt.Log.Error("sending alerts", "endpoint", p.endpoint.Name, "error", refused)
	}
	return nil
}

func (e Endpoint) post(ctx context.Context, body models.PostableAlerts) error {
	b, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("%w: encoding them: %w", errRefused, err)
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.URL.JoinPath("api/v2/alerts").String(), bytes.NewReader(b))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := e.Client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, 512))
	switch {
	case resp.StatusCode/100 == 2:
		return nil
	case resp.StatusCode == http.StatusBadRequest || resp.StatusCode == http.StatusRequestEntityTooLarge ||
		resp.StatusCode == http.StatusUnprocessableEntity:
		return fmt.Errorf("%w: %s: %q", errRefused, resp.Status, answer)
	default:
		return fmt.Errorf("posting alerts: %s: %q", resp.Status, answer)
	}
}

// Firing reads what an Alertmanager has that is neither silenced nor
// inhibited, so that a controller which starts knows what it was told before.
func (e Endpoint) Firing(ctx context.Context) ([]Incoming, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	u := e.URL.JoinPath("api/v2/alerts")
	u.RawQuery = "active=true&silenced=false&inhibited=false&unprocessed=false"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := e.Client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("reading alerts: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("reading alerts from %s: %s", e.Name, resp.Status)
	}
	all, err := readFiring(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("reading alerts from %s: %w", e.Name, err)
	}
	return all, nil
}

// readFiring reads a list of alerts one by one, so that no more of it is in
// memory than is taken.
func readFiring(body io.Reader) ([]Incoming, error) {
	dec := json.NewDecoder(body)
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		return nil, errors.Join(errors.New("the answer is not a list"), err)
	}
	var all []Incoming
	for n := 1; dec.More(); n++ {
		if n > maxFiring {
			return nil, fmt.Errorf("the answer has more than %d alerts", maxFiring)
		}
		var a models.GettableAlert
		if err := dec.Decode(&a); err != nil {
			return nil, err
		}
		if a.Fingerprint == nil || a.StartsAt == nil {
			continue
		}
		all = append(all, Incoming{Status: statusFiring, Labels: a.Labels, StartsAt: time.Time(*a.StartsAt), Fingerprint: *a.Fingerprint})
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	return all, nil
}
