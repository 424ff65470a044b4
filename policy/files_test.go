package policy

import (
	"fmt"
	"testing"
)

func TestEveryFileThatAPolicyNamesIsListed(t *testing.T) {
	var s Spec
	s.Kafka.TLS = TLS{CAFile: "/a", CertFile: "/b", KeyFile: "/c", ServerName: "not a file"}
	s.Kafka.SASL.Password.File = "/d"
	s.Prometheus.BearerTokenFile, s.Prometheus.Catalogue = "/e", "/f.yaml"
	s.Prometheus.BasicAuth = &BasicAuth{Password: Secret{File: "/g"}}
	s.Alerts.Alertmanagers = []Alertmanager{{URL: "x"}, {BearerTokenFile: "/h"}}
	s.Alerts.Webhook.Token = Secret{SecretKeyRef: &SecretKeyRef{Name: "x", Key: "y"}}
	s.Journal.Sign.File, s.Journal.Path = "/i", "/written"
	want := "[{spec.kafka.tls.caFile /a} {spec.kafka.tls.certFile /b} {spec.kafka.tls.keyFile /c} {spec.kafka.sasl.password.file /d} " +
		"{spec.prometheus.bearerTokenFile /e} {spec.prometheus.basicAuth.password.file /g} {spec.alerts.alertmanagers[1].bearerTokenFile /h} " +
		"{spec.journal.sign.file /i} {spec.prometheus.catalogue /f.yaml}]"
	if got := fmt.Sprint(s.Files()); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	s = Spec{Prometheus: Prometheus{Catalogue: "strimzi,kafka-exporter"}}
	if got := s.Files(); len(got) > 0 {
		t.Errorf("built-in catalogues are files: %v", got)
	}
}

func TestASecretsNameLeadsNowhereElse(t *testing.T) {
	for _, ref := range []SecretKeyRef{
		{Name: "../../serviceaccount", Key: "token"}, {Name: "claims", Key: "../token"}, {Name: "claims", Key: ".."}, {Name: "a/b", Key: "c"}, {Name: "..", Key: "c"},
	} {
		p := Policy{Metadata: Metadata{Name: "claims"}}
		p.SetDefaults()
		p.Spec.Kafka.Bootstrap = []string{"kafka:9092"}
		p.Spec.Kafka.SASL = SASL{Mechanism: "PLAIN", Username: "x", Password: Secret{SecretKeyRef: &ref}}
		if err := p.Validate(); err == nil {
			t.Errorf("%+v is accepted", ref)
		}
	}
}
