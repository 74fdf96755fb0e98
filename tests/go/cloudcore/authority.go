package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// authority is the CA of a directory: it signs certificates and tokens.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	// secret is what tokens are signed with: the key in its SEC1 form.
	secret []byte
}

func newAuthority(dir string) *authority {
	certificate := must(x509.ParseCertificate(block(filepath.Join(dir, "ca.crt"))))
	der := block(filepath.Join(dir, "ca.key"))
	key, err := x509.ParseECPrivateKey(der)
	if err != nil {
		// As openssl writes it.
		key = must(x509.ParsePKCS8PrivateKey(der)).(*ecdsa.PrivateKey)
	}
	return &authority{certificate, key, must(x509.MarshalECPrivateKey(key))}
}

func block(file string) []byte {
	for rest := must(os.ReadFile(file)); ; {
		var found *pem.Block
		found, rest = pem.Decode(rest)
		if found == nil {
			check(errors.New("no PEM block in " + file))
		}
		if found.Type != "EC PARAMETERS" {
			return found.Bytes
		}
	}
}

func writePem(file, label string, der []byte, mode os.FileMode) {
	check(os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der}), mode))
}

// makePki writes a CA and the pair of a server, as certgen.sh and cloudcore make them.
func makePki(dir string, sans []string, days int) {
	check(os.MkdirAll(dir, 0o755))
	now := time.Now()
	caKey, key := newKey(), newKey()
	ca := &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{CommonName: "KubeEdge"},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.AddDate(100, 0, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageCertSign,
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	caDer := must(x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey))
	writePem(filepath.Join(dir, "ca.crt"), "CERTIFICATE", caDer, 0o644)
	writePem(filepath.Join(dir, "ca.key"), "EC PRIVATE KEY", must(x509.MarshalECPrivateKey(caKey)), 0o600)
	server := &x509.Certificate{
		SerialNumber: serial(),
		Subject:      pkix.Name{CommonName: "KubeEdge", Organization: []string{"KubeEdge"}},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.AddDate(0, 0, days),
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if days <= 0 {
		server.NotBefore = server.NotAfter.Add(-time.Hour)
	}
	for _, san := range sans {
		if ip := net.ParseIP(san); ip != nil {
			server.IPAddresses = append(server.IPAddresses, ip)
		} else if san != "" {
			server.DNSNames = append(server.DNSNames, san)
		}
	}
	// As the real ones do without modules.cloudHub.dnsNames.
	if len(server.DNSNames) == 0 && len(server.IPAddresses) > 0 {
		server.DNSNames = []string{""}
	}
	parent := must(x509.ParseCertificate(caDer))
	der := must(x509.CreateCertificate(rand.Reader, server, parent, key.Public(), caKey))
	writePem(filepath.Join(dir, "server.crt"), "CERTIFICATE", der, 0o644)
	writePem(filepath.Join(dir, "server.key"), "EC PRIVATE KEY", must(x509.MarshalECPrivateKey(key)), 0o600)
}

func newKey() *ecdsa.PrivateKey {
	return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
}

func serial() *big.Int {
	return must(rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)))
}

// pair is the certificate of the server in a directory.
func pair(dir string) tls.Certificate {
	return must(tls.LoadX509KeyPair(filepath.Join(dir, "server.crt"), filepath.Join(dir, "server.key")))
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

// sign issues a certificate for a signing request: its organization and common name, 365 days from now, for clients, as
// the real ones do (pkg/security/certs/x509_certs.go).
func (a *authority) sign(csr *x509.CertificateRequest, key crypto.PublicKey) ([]byte, error) {
	now := time.Now()
	return x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial(),
		Subject:      pkix.Name{Organization: csr.Subject.Organization, CommonName: csr.Subject.CommonName},
		NotBefore:    now,
		NotAfter:     now.AddDate(0, 0, 365),
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, a.certificate, key, a.key)
}

var encoding = base64.RawURLEncoding

// token is hex(sha256(CA)).JWT, as cloudcore makes it.
func (a *authority) token(seconds int) string {
	sum := sha256.Sum256(a.certificate.Raw)
	claims := fmt.Sprintf(`{"exp":%d}`, time.Now().Unix()+int64(seconds))
	text := encoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encoding.EncodeToString([]byte(claims))
	return hex.EncodeToString(sum[:]) + "." + text + "." + encoding.EncodeToString(a.mac(text))
}

func (a *authority) mac(text string) []byte {
	mac := hmac.New(sha256.New, a.secret)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// tokenFault is why a JWT is refused.
type tokenFault int

const (
	valid tokenFault = iota
	malformed
	badHeader
	badSignature
	expired
)

func (a *authority) judge(jwt string, now time.Time) tokenFault {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return malformed
	}
	if _, err := encoding.DecodeString(parts[0]); err != nil {
		return badHeader
	}
	signature, err := encoding.DecodeString(parts[2])
	if err != nil || !hmac.Equal(signature, a.mac(parts[0]+"."+parts[1])) {
		return badSignature
	}
	var claims struct{ Exp int64 }
	text, err := encoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(text, &claims) != nil {
		return malformed
	}
	if now.Unix() >= claims.Exp {
		return expired
	}
	return valid
}
