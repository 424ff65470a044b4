package daemon

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
)

// TLS says how the page, the metrics and the webhook are served: by PEM files.
type TLS struct {
	Cert, Key string // read anew at each connection
	// ClientCA has signed the certificates of those who may send alerts.
	ClientCA string
}

// Check says which of the flags does not go with which.
func (t *TLS) Check() error {
	switch {
	case (t.Cert == "") != (t.Key == ""):
		return errors.New("--tls-cert-file and --tls-key-file belong together; give both")
	case t.ClientCA != "" && t.Cert == "":
		return errors.New("--client-ca-file needs --tls-cert-file: a client shows its certificate over TLS only")
	}
	return nil
}

// wrap secures the listener, where a certificate is given. A client's
// certificate is verified if it shows one: probes and readers have none.
func (t *TLS) wrap(l net.Listener) (net.Listener, error) {
	if t.Cert == "" {
		return l, nil
	}
	load := func() (*tls.Certificate, error) {
		c, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("reading --tls-cert-file: %w", err)
		}
		return &c, nil
	}
	if _, err := load(); err != nil {
		return nil, err
	}
	cfg := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return load() },
	}
	if t.ClientCA != "" {
		pem, err := os.ReadFile(t.ClientCA)
		if err != nil {
			return nil, fmt.Errorf("reading --client-ca-file: %w", err)
		}
		cfg.ClientCAs, cfg.ClientAuth = x509.NewCertPool(), tls.VerifyClientCertIfGiven
		if !cfg.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("reading --client-ca-file: %s has no certificate in PEM", t.ClientCA)
		}
	}
	return tls.NewListener(l, cfg), nil
}
