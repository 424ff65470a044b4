package testbed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Alertmanager is Debian's prometheus-alertmanager, which tells one webhook of
// everything it groups.
type Alertmanager struct {
	// URL is its root, such as http://127.0.0.1:9093.
	URL string

	tb      *Testbed
	process *Process
	args    []string
}

// alertmanagerConfig waits a second where people would wait half a minute.
const alertmanagerConfig = `route:
  receiver: tidetable
  group_by: [alertname]
  group_wait: 1s
  group_interval: 1s
  repeat_interval: 1h
receivers:
  - name: tidetable
    webhook_configs:
      - url: %q
        send_resolved: true
        http_config:
          authorization:
            type: Bearer
            credentials_file: %q
`

// StartAlertmanager starts Alertmanager with a webhook that it shows a token.
func (tb *Testbed) StartAlertmanager(ctx context.Context, webhook, token string) (*Alertmanager, error) {
	if tb.artifacts.Alertmanager == "" {
		return nil, errors.New("starting alertmanager: it is not installed (Debian: prometheus-alertmanager)")
	}
	dir := filepath.Join(tb.Dir, "alertmanager")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("creating alertmanager's folder: %w", err)
	}
	config, secret := filepath.Join(dir, "alertmanager.yml"), filepath.Join(dir, "token")
	if err := os.WriteFile(secret, []byte(token), 0o600); err != nil {
		return nil, fmt.Errorf("writing alertmanager's token: %w", err)
	}
	if err := os.WriteFile(config, fmt.Appendf(nil, alertmanagerConfig, webhook, secret), 0o644); err != nil {
		return nil, fmt.Errorf("writing alertmanager's configuration: %w", err)
	}
	port, err := tb.ports.take()
	if err != nil {
		return nil, err
	}
	listen := fmt.Sprintf("127.0.0.1:%d", port)
	a := &Alertmanager{URL: "http://" + listen, tb: tb, args: []string{
		"--config.file=" + config, "--storage.path=" + filepath.Join(dir, "data"), "--web.listen-address=" + listen, "--cluster.listen-address=",
	}}
	return a, a.Start(ctx)
}

// Start starts Alertmanager, again after Stop, and waits until it is ready.
func (a *Alertmanager) Start(ctx context.Context) error {
	var err error
	a.process, err = a.tb.processes.start("alertmanager", a.tb.Dir, nil, a.tb.artifacts.Alertmanager, a.args...)
	if err != nil {
		return err
	}
	return Poll(ctx, "alertmanager to be ready", 100*time.Millisecond, func(ctx context.Context) error {
		if !a.process.Running() {
			return &Fatal{a.process.died()}
		}
		_, err := httpGet(ctx, a.URL+"/-/ready")
		return err
	})
}

// Process is the latest process.
func (a *Alertmanager) Process() *Process { return a.process }

// RequireAlertmanager is Require for Alertmanager too.
func RequireAlertmanager(t testing.TB) Artifacts {
	t.Helper()
	a := Require(t)
	if a.Alertmanager == "" {
		skipOrFail(t, errors.New("the testbed is missing prometheus-alertmanager; run `make testbed-deps`"))
	}
	return a
}
