package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// kafkaFlags say how a cluster is reached. Secrets come from files, never from
// the command line, where everybody on the machine could read them.
type kafkaFlags struct {
	bootstrap    []string
	tls          bool
	caFile       string
	certFile     string
	keyFile      string
	mechanism    string
	username     string
	passwordFile string
}

func addKafkaFlags(cmd *cobra.Command) *kafkaFlags {
	f := &kafkaFlags{}
	fs := cmd.Flags()
	fs.StringSliceVar(&f.bootstrap, "bootstrap", nil, "addresses of one or more brokers, host:port")
	fs.BoolVar(&f.tls, "tls", false, "connect with TLS; the brokers' certificates are verified")
	fs.StringVar(&f.caFile, "tls-ca", "", "PEM file of the authorities to trust; implies --tls")
	fs.StringVar(&f.certFile, "tls-cert", "", "PEM file of the client's certificate; implies --tls")
	fs.StringVar(&f.keyFile, "tls-key", "", "PEM file of the client's key; implies --tls")
	fs.StringVar(&f.mechanism, "sasl-mechanism", "", "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
	fs.StringVar(&f.username, "sasl-username", "", "SASL user")
	fs.StringVar(&f.passwordFile, "sasl-password-file", "", "file that holds the SASL password")
	return f
}

// options are the connection options that the flags ask for.
func (f *kafkaFlags) options() ([]kgo.Opt, error) {
	if len(f.bootstrap) == 0 {
		return nil, errors.New("--bootstrap: is missing; name a broker, such as kafka-0:9092")
	}
	opts := []kgo.Opt{kgo.SeedBrokers(f.bootstrap...), kgo.ClientID("tidetable")}
	if f.tls || f.caFile != "" || f.certFile != "" || f.keyFile != "" {
		c, err := f.tlsConfig()
		if err != nil {
			return nil, err
		}
		opts = append(opts, kgo.DialTLSConfig(c))
	}
	if f.mechanism == "" {
		return opts, nil
	}
	password, err := os.ReadFile(f.passwordFile)
	if err != nil {
		return nil, fmt.Errorf("--sasl-password-file: %w", err)
	}
	secret := strings.TrimRight(string(password), "\r\n")
	switch strings.ToUpper(f.mechanism) {
	case "PLAIN":
		return append(opts, kgo.SASL(plain.Auth{User: f.username, Pass: secret}.AsMechanism())), nil
	case "SCRAM-SHA-256":
		return append(opts, kgo.SASL(scram.Auth{User: f.username, Pass: secret}.AsSha256Mechanism())), nil
	case "SCRAM-SHA-512":
		return append(opts, kgo.SASL(scram.Auth{User: f.username, Pass: secret}.AsSha512Mechanism())), nil
	}
	return nil, fmt.Errorf("--sasl-mechanism: %q is not one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512", f.mechanism)
}

func (f *kafkaFlags) tlsConfig() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.caFile != "" {
		pem, err := os.ReadFile(f.caFile)
		if err != nil {
			return nil, fmt.Errorf("--tls-ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--tls-ca: %s holds no PEM certificate", f.caFile)
		}
	}
	if f.certFile != "" || f.keyFile != "" {
		pair, err := tls.LoadX509KeyPair(f.certFile, f.keyFile)
		if err != nil {
			return nil, fmt.Errorf("--tls-cert and --tls-key: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
