package daemon

import (
	"strings"
	"testing"

	"github.com/tidetable/tidetable/policy"
)

// The prize is the service account's token, and the journal's key: a policy
// that names them as a bearer token for a Prometheus of its author's is refused.
func TestAPolicysAuthorIsNotThePod(t *testing.T) {
	b := &Builder{Confined: true, Secrets: "/var/run/secrets/tidetable", Files: "/etc/tidetable"}
	for path, ok := range map[string]bool{
		"/var/run/secrets/kubernetes.io/serviceaccount/token":              false,
		"/var/run/secrets/tidetable/../kubernetes.io/serviceaccount/token": false,
		"/etc/tidetable/../tidetable-keys/journal.pem":                     false,
		"/etc/tidetable":               false,
		"/etc/tidetable2/ca.pem":       false,
		"etc/tidetable/ca.pem":         false,
		"/proc/self/environ":           false,
		"/var/run/secrets/tidetable/x": true,
		"/etc/tidetable/ca.pem":        true,
	} {
		var s policy.Spec
		s.Prometheus.BearerTokenFile = path
		err := b.allowed(s.Files())
		if (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "spec.prometheus.bearerTokenFile: "+path+" may not be read") {
			t.Errorf("%s: %v", path, err)
		}
	}
	b.Confined = false
	if err := b.allowed([]policy.NamedFile{{Field: "spec.kafka.tls.caFile", Path: "ca.pem"}}); err != nil {
		t.Errorf("a file of one's own machine: %v", err)
	}
}
