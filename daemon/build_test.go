package daemon

import (
	"os"
	"path/filepath"
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
		err := b.allowed(s)
		if (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "spec.prometheus.bearerTokenFile: "+path+" may not be read") {
			t.Errorf("%s: %v", path, err)
		}
	}
	b.Confined = false
	var mine policy.Spec
	mine.Kafka.TLS.CAFile, mine.Journal.Path = "ca.pem", "journal.jsonl"
	if err := b.allowed(mine); err != nil {
		t.Errorf("a file of one's own machine: %v", err)
	}
}

// A catalogue's mistakes are told, with the text that holds them.
func TestNoSecretIsReadAsACatalogue(t *testing.T) {
	b := &Builder{Confined: true, Secrets: "/var/run/secrets/tidetable", Files: "/etc/tidetable"}
	for path, ok := range map[string]bool{"/var/run/secrets/tidetable/kafka/token": false, "/etc/tidetable/catalogue.yaml": true, "strimzi": true} {
		var s policy.Spec
		s.Prometheus.Catalogue = path
		if err := b.allowed(s); (err == nil) != ok {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestAJournalStaysInItsFolder(t *testing.T) {
	b := &Builder{Confined: true, Journals: "/var/lib/tidetable"}
	for path, ok := range map[string]bool{
		"/var/lib/tidetable/claims.jsonl":                   true,
		"/var/lib/tidetable/claims/journal.jsonl":           true,
		"/var/lib/tidetable/../../../etc/passwd":            false,
		"/var/lib/tidetable2/claims.jsonl":                  false,
		"/var/lib/tidetable":                                false,
		"claims.jsonl":                                      false,
		"/tmp/claims.jsonl":                                 false,
		"/proc/self/mem":                                    false,
		"/var/lib/tidetable/claims.000000000042.jsonl":      false, // a rotated file of another's
		"/var/lib/tidetable/claims.jsonl.anchor":            false,
		"/var/lib/tidetable/claims.jsonl.torn.000000000042": false,
	} {
		var s policy.Spec
		s.Journal.Path = path
		if err := b.allowed(s); (err == nil) != ok {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// The prize is the key that signs the journal: it is mounted beside the secrets
// that policies name, and goes to no address that one names.
func TestTheJournalsKeyIsSentToNobody(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("journal/key.pem", "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ\n-----END PRIVATE KEY-----\n")
	write("kafka/password", "hunter2")
	b := &Builder{Confined: true, Secrets: dir}
	key, password := policy.SecretKeyRef{Name: "journal", Key: "key.pem"}, policy.SecretKeyRef{Name: "kafka", Key: "password"}
	tokenFile := filepath.Join(dir, "journal/key.pem")
	for name, build := range map[string]func(ref *policy.SecretKeyRef, file string) error{
		"Prometheus' token": func(ref *policy.SecretKeyRef, _ string) error {
			_, err := b.prometheus(policy.Prometheus{URL: "http://x:9090", BearerToken: policy.Secret{SecretKeyRef: ref}})
			return err
		},
		"Prometheus' token as a file": func(_ *policy.SecretKeyRef, file string) error {
			_, err := b.prometheus(policy.Prometheus{URL: "http://x:9090", BearerTokenFile: file})
			return err
		},
		"Prometheus' password": func(ref *policy.SecretKeyRef, _ string) error {
			auth := &policy.BasicAuth{Username: "x", Password: policy.Secret{SecretKeyRef: ref}}
			_, err := b.prometheus(policy.Prometheus{URL: "http://x:9090", BasicAuth: auth})
			return err
		},
		"Kafka's password": func(ref *policy.SecretKeyRef, _ string) error {
			_, err := b.kafkaConfig(policy.Kafka{SASL: policy.SASL{Mechanism: "PLAIN", Username: "x", Password: policy.Secret{SecretKeyRef: ref}}})
			return err
		},
		"Kafka's token": func(ref *policy.SecretKeyRef, _ string) error {
			_, err := b.kafkaConfig(policy.Kafka{SASL: policy.SASL{Mechanism: "OAUTHBEARER", Token: policy.Secret{SecretKeyRef: ref}}})
			return err
		},
		"Alertmanager's password": func(ref *policy.SecretKeyRef, _ string) error {
			auth := &policy.BasicAuth{Username: "x", Password: policy.Secret{SecretKeyRef: ref}}
			_, err := b.alertmanagers([]policy.Alertmanager{{URL: "http://x:9093", BasicAuth: auth}})
			return err
		},
		"Alertmanager's token": func(_ *policy.SecretKeyRef, file string) error {
			_, err := b.alertmanagers([]policy.Alertmanager{{URL: "http://x:9093", BearerTokenFile: file}})
			return err
		},
	} {
		err := build(&key, tokenFile)
		if err == nil || !strings.Contains(err.Error(), "private key") || strings.Contains(err.Error(), "MC4C") {
			t.Errorf("%s is the journal's key: %v", name, err)
		}
		if err := build(&password, filepath.Join(dir, "kafka/password")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
