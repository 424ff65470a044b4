package journal

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
)

// LoadSigningKey reads an Ed25519 private key in PKCS #8 PEM, as written by
// "openssl genpkey -algorithm ed25519". The key itself is in no error.
func LoadSigningKey(path string) (ed25519.PrivateKey, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the signing key: %w", err)
	}
	key, err := ParseSigningKey(b)
	if err != nil {
		return nil, fmt.Errorf("%w (%s)", err, path)
	}
	return key, nil
}

// ParseSigningKey is LoadSigningKey for a key that comes from a Secret.
func ParseSigningKey(b []byte) (ed25519.PrivateKey, error) {
	der, err := decodePEM(b, "PRIVATE KEY")
	if err != nil {
		return nil, fmt.Errorf("reading the signing key: %w", err)
	}
	k, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errors.New("reading the signing key: it is not PKCS #8")
	}
	key, ok := k.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("reading the signing key: it is a %T, not an Ed25519 key", k)
	}
	return key, nil
}

// LoadPublicKey reads an Ed25519 public key in PEM, as written by
// "openssl pkey -pubout".
func LoadPublicKey(path string) (ed25519.PublicKey, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the public key: %w", err)
	}
	der, err := decodePEM(b, "PUBLIC KEY")
	if err != nil {
		return nil, fmt.Errorf("reading the public key %s: %w", path, err)
	}
	k, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("reading the public key %s: %w", path, err)
	}
	key, ok := k.(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("reading the public key %s: it is a %T, not an Ed25519 key", path, k)
	}
	return key, nil
}

func decodePEM(b []byte, block string) ([]byte, error) {
	p, _ := pem.Decode(b)
	if p == nil || p.Type != block {
		return nil, fmt.Errorf("it has no PEM block %q", block)
	}
	return p.Bytes, nil
}

func signer(key ed25519.PrivateKey) func([]byte) (string, error) {
	if key == nil {
		return nil
	}
	return func(digest []byte) (string, error) {
		return base64.StdEncoding.EncodeToString(ed25519.Sign(key, digest)), nil
	}
}

func signatureHolds(key ed25519.PublicKey, digest []byte, sig string) bool {
	b, err := base64.StdEncoding.Strict().DecodeString(sig)
	return err == nil && len(b) == ed25519.SignatureSize && ed25519.Verify(key, digest, b)
}
