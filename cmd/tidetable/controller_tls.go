package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/spf13/cobra"
)

// serverTLS says how the page, the metrics and the webhook are served.
type serverTLS struct{ cert, key, clientCA string }

func (t *serverTLS) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&t.cert, "tls-cert-file", "", "serve with this certificate (PEM `file`, read anew at each connection)")
	fl.StringVar(&t.key, "tls-key-file", "", "the certificate's private key (PEM `file`)")
	fl.StringVar(&t.clientCA, "client-ca-file", "", "take alerts from senders whose certificate this CA has signed (PEM `file`), besides those with the token")
}

func (t *serverTLS) check() error {
	switch {
	case (t.cert == "") != (t.key == ""):
		return errors.New("--tls-cert-file and --tls-key-file belong together; give both")
	case t.clientCA != "" && t.cert == "":
		return errors.New("--client-ca-file needs --tls-cert-file: a client shows its certificate over TLS only")
	}
	return nil
}

// wrap secures the listener, where a certificate is given. A client's
// certificate is verified if it shows one: probes and readers have none.
func (t *serverTLS) wrap(l net.Listener) (net.Listener, error) {
	if t.cert == "" {
		return l, nil
	}
	load := func() (*tls.Certificate, error) {
		c, err := tls.LoadX509KeyPair(t.cert, t.key)
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
	if t.clientCA != "" {
		pem, err := os.ReadFile(t.clientCA)
		if err != nil {
			return nil, fmt.Errorf("reading --client-ca-file: %w", err)
		}
		cfg.ClientCAs, cfg.ClientAuth = x509.NewCertPool(), tls.VerifyClientCertIfGiven
		if !cfg.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("reading --client-ca-file: %s has no certificate in PEM", t.clientCA)
		}
	}
	return tls.NewListener(l, cfg), nil
}
