package daemon

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writePair writes a self-signed certificate, its own CA, and its key.
func writePair(t *testing.T, name string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: raw}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func TestASendersCertificateCountsOnlyWhenTheClientCASignedIt(t *testing.T) {
	cert, key := writePair(t, "tidetable")
	known, knownKey := writePair(t, "alertmanager")
	stranger, strangerKey := writePair(t, "stranger")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	secured, err := (&TLS{Cert: cert, Key: key, ClientCA: known}).wrap(l)
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{
		Listener: secured,
		Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if len(r.TLS.VerifiedChains) > 0 {
				io.WriteString(w, r.TLS.PeerCertificates[0].Subject.CommonName)
			}
		})},
	}
	server.Start()
	defer server.Close()
	roots := x509.NewCertPool()
	raw, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	roots.AppendCertsFromPEM(raw)
	ask := func(pair ...string) (string, error) {
		cfg := &tls.Config{RootCAs: roots}
		if len(pair) == 2 {
			c, err := tls.LoadX509KeyPair(pair[0], pair[1])
			if err != nil {
				t.Fatal(err)
			}
			// Shown whatever CAs the server names.
			cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c, nil }
		}
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: cfg}}
		resp, err := client.Get("https://" + l.Addr().String())
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		return string(b), err
	}
	if who, err := ask(known, knownKey); err != nil || who != "alertmanager" {
		t.Errorf("a known sender is %q, %v", who, err)
	}
	if who, err := ask(); err != nil || who != "" {
		t.Errorf("a reader without a certificate is %q, %v", who, err)
	}
	if who, err := ask(stranger, strangerKey); err == nil {
		t.Errorf("a stranger's certificate was taken, as %q", who)
	}
}

func TestHalfATLSConfigurationIsRefused(t *testing.T) {
	for _, tt := range []struct {
		tls  TLS
		says string
	}{
		{TLS{Cert: "a"}, "belong together"},
		{TLS{Key: "a"}, "belong together"},
		{TLS{ClientCA: "a"}, "needs --tls-cert-file"},
	} {
		if err := tt.tls.Check(); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%+v: %v", tt.tls, err)
		}
	}
	if err := new(TLS).Check(); err != nil {
		t.Error(err)
	}
}
