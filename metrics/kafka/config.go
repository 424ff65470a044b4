// Package kafka reads what a Kafka cluster knows of itself: brokers and racks,
// topics and placement, sizes and volumes, consumer groups and their lag. It
// changes nothing.
package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// Mechanisms are the SASL mechanisms that Config.Mechanism can name.
var Mechanisms = []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"}

// Config says how the cluster is reached.
type Config struct {
	Bootstrap []string // host:port

	// TLS turns TLS on; so does any of the files. CAFile replaces the system's
	// roots. The client's certificate is read again for each connection.
	TLS                                   bool
	CAFile, CertFile, KeyFile, ServerName string

	// Mechanism is empty or one of Mechanisms. The secret files are read again
	// for each connection.
	Mechanism, Username     string
	PasswordFile, TokenFile string

	// Timeout bounds one whole reading; zero is 30 s.
	Timeout time.Duration
	// RateOver makes the first reading watch the offsets for so long before it
	// reads the rest, so that it knows the records written and consumed a second.
	// Zero leaves rates to the second reading, as a loop does.
	RateOver time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// How long Kafka is waited for. A broker that is down must cost seconds, not the
// whole reading.
const (
	defaultTimeout = 30 * time.Second // of a reading
	dialTimeout    = 5 * time.Second
	retries        = 2 // of one request
	retryPause     = 250 * time.Millisecond
	metadataAge    = time.Second // the least, so that a leader that moved is noticed
)

// Reader reads one cluster. Rates it derives from offsets between two readings.
type Reader struct {
	cfg    Config
	client *kgo.Client
	admin  *kadm.Client

	mu   sync.Mutex
	last *offsets // of the reading before
}

// New checks the configuration; it does not connect.
func New(cfg Config) (*Reader, error) {
	opts, err := cfg.options()
	if err != nil {
		return nil, fmt.Errorf("configuring Kafka: %w", err)
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("configuring Kafka: %w", err)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	r := &Reader{cfg: cfg, client: client, admin: kadm.NewClient(client)}
	r.admin.SetTimeoutMillis(int32(cfg.Timeout.Milliseconds()))
	return r, nil
}

// Close closes the connections.
func (r *Reader) Close() { r.client.Close() }

func (c Config) options() ([]kgo.Opt, error) {
	opts, err := c.Connection()
	return append(opts,
		kgo.DialTimeout(dialTimeout),
		kgo.RequestRetries(retries),
		kgo.RetryBackoffFn(func(int) time.Duration { return retryPause }),
		kgo.MetadataMinAge(metadataAge),
	), err
}

// Connection is the options by which a client of one's own connects as the
// configuration says: addresses, TLS and SASL.
func (c Config) Connection() ([]kgo.Opt, error) {
	if len(c.Bootstrap) == 0 || slices.Contains(c.Bootstrap, "") {
		return nil, errors.New("no bootstrap address is given; want host:port")
	}
	opts := []kgo.Opt{
		kgo.SeedBrokers(c.Bootstrap...),
		kgo.ClientID("tidetable"),
	}
	if c.TLS || c.CAFile != "" || c.CertFile != "" || c.KeyFile != "" || c.ServerName != "" {
		t, err := c.tls()
		if err != nil {
			return nil, err
		}
		opts = append(opts, kgo.DialTLSConfig(t))
	}
	return c.sasl(opts)
}

func (c Config) tls() (*tls.Config, error) {
	t := &tls.Config{ServerName: c.ServerName, MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("reading the CA: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("reading the CA: %s holds no PEM certificate", c.CAFile)
		}
	}
	if (c.CertFile == "") != (c.KeyFile == "") {
		return nil, errors.New("a client certificate needs both its file and its key's")
	}
	if c.CertFile == "" {
		return t, nil
	}
	load := func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("reading the client certificate: %w", err)
		}
		return &pair, nil
	}
	if _, err := load(); err != nil {
		return nil, err
	}
	t.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return load() }
	return t, nil
}

func (c Config) sasl(opts []kgo.Opt) ([]kgo.Opt, error) {
	switch c.Mechanism {
	case "":
		if c.Username != "" || c.PasswordFile != "" || c.TokenFile != "" {
			return nil, fmt.Errorf("credentials are given, but no SASL mechanism; want one of %s", strings.Join(Mechanisms, ", "))
		}
		return opts, nil
	case "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512":
		if c.Username == "" || c.PasswordFile == "" {
			return nil, fmt.Errorf("SASL %s needs a user name and a password file", c.Mechanism)
		}
		if _, err := secret(c.PasswordFile); err != nil {
			return nil, err
		}
	case "OAUTHBEARER":
		if c.TokenFile == "" {
			return nil, errors.New("SASL OAUTHBEARER needs a token file")
		}
		if _, err := secret(c.TokenFile); err != nil {
			return nil, err
		}
		return append(opts, kgo.SASL(oauth.Oauth(func(context.Context) (oauth.Auth, error) {
			token, err := secret(c.TokenFile)
			return oauth.Auth{Token: token}, err
		}))), nil
	default:
		return nil, fmt.Errorf("SASL mechanism %q is not one of %s", c.Mechanism, strings.Join(Mechanisms, ", "))
	}
	auth := func(context.Context) (scram.Auth, error) {
		password, err := secret(c.PasswordFile)
		return scram.Auth{User: c.Username, Pass: password}, err
	}
	switch c.Mechanism {
	case "SCRAM-SHA-256":
		return append(opts, kgo.SASL(scram.Sha256(auth))), nil
	case "SCRAM-SHA-512":
		return append(opts, kgo.SASL(scram.Sha512(auth))), nil
	}
	return append(opts, kgo.SASL(plain.Plain(func(ctx context.Context) (plain.Auth, error) {
		a, err := auth(ctx)
		return plain.Auth{User: a.User, Pass: a.Pass}, err
	}))), nil
}

// secret reads a secret's file, without the line end editors add.
func secret(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("reading a secret: %w", err)
	}
	s := strings.TrimRight(string(text), "\r\n")
	if s == "" {
		return "", fmt.Errorf("reading a secret: %s is empty", path)
	}
	return s, nil
}
