// Judges certificates as Go's own TLS and KubeEdge's programs take them, and makes odd ones.
//
//	certs stream CA CERT KEY NAME…   serves the pair read whole, and connects by each name
//	certs hub CA CERT KEY NAME…      the same with the first PEM block of each file only
//	certs client CA CERT KEY         shows the pair to a server that wants a client of that CA
//	certs authority CERT KEY         reads the key as SEC1, and signs a node's request with it
//	certs odd DIR                    writes CAs that nobody should sign with, and odd certificates
package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) < 3 {
		log.Fatal("usage: certs stream|hub|client|authority|odd FILE…")
	}
	args := os.Args[2:]
	switch os.Args[1] {
	case "stream":
		serve(pool(args[0]), args[1], args[2], args[3:])
	case "hub":
		dir := must(os.MkdirTemp("", "certs-"))
		rewrap := func(file, label string) string {
			wrapped := filepath.Join(dir, filepath.Base(file))
			check(os.WriteFile(wrapped, pem.EncodeToMemory(&pem.Block{Type: label, Bytes: firstBlock(file)}), 0o600))
			return wrapped
		}
		serve(pool(rewrap(args[0], "CERTIFICATE")), rewrap(args[1], "CERTIFICATE"), rewrap(args[2], "PRIVATE KEY"), args[3:])
	case "client":
		client(args[0], args[1], args[2])
	case "authority":
		authority(args[0], args[1])
	case "odd":
		odd(args[0])
	default:
		log.Fatal("no such verb: ", os.Args[1])
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func firstBlock(file string) []byte {
	block, _ := pem.Decode(must(os.ReadFile(file)))
	if block == nil {
		log.Fatal(file, ": no PEM block")
	}
	return block.Bytes
}

func pool(file string) *x509.CertPool {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(must(os.ReadFile(file))) {
		log.Fatal(file, ": no certificate that Go takes")
	}
	return roots
}

// serve starts the server as cloudcore's stream does, and asks it once by each name and version.
func serve(roots *x509.CertPool, cert, key string, names []string) {
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	server := &http.Server{
		Handler:   http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "served") }),
		TLSConfig: &tls.Config{ClientAuth: tls.RequestClientCert},
		ErrorLog:  log.New(io.Discard, "", 0),
	}
	failed := make(chan error, 1)
	go func() {
		failed <- server.ServeTLS(listener, cert, key)
		// A client that waits to be served is told that nobody will.
		listener.Close()
	}()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, name := range names {
			transport := &http.Transport{TLSClientConfig: &tls.Config{
				RootCAs: roots, ServerName: name, MinVersion: version, MaxVersion: version,
			}}
			client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
			response, err := client.Get("https://" + listener.Addr().String() + "/")
			if err != nil {
				select {
				case why := <-failed:
					log.Fatal(why)
				default:
					log.Fatal(name, ": ", err)
				}
			}
			response.Body.Close()
			fmt.Println(tls.VersionName(version), name)
		}
	}
}

// client shows a pair to a server as cloudcore's hub is: only clients of its CA are let in.
func client(ca, cert, key string) {
	serverKey := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := certificate("server")
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	der := must(x509.CreateCertificate(rand.Reader, template, template, serverKey.Public(), serverKey))
	own := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: serverKey}
	listener := must(tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{own}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool(ca),
	}))
	go func() {
		connection := must(tls.Dial("tcp", listener.Addr().String(), &tls.Config{
			InsecureSkipVerify: true, Certificates: []tls.Certificate{must(tls.LoadX509KeyPair(cert, key))},
		}))
		connection.Write([]byte("x"))
	}()
	accepted := must(listener.Accept()).(*tls.Conn)
	check(accepted.Handshake())
	fmt.Println(accepted.ConnectionState().PeerCertificates[0].Subject)
}

// authority signs a node's request as cloudcore does.
func authority(certFile, keyFile string) {
	ca := must(x509.ParseCertificate(firstBlock(certFile)))
	key := must(x509.ParseECPrivateKey(firstBlock(keyFile)))
	nodeKey := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := certificate("system:node:edge-1")
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	der := must(x509.CreateCertificate(rand.Reader, template, ca, nodeKey.Public(), key))
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	node := must(x509.ParseCertificate(der))
	must(node.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: template.ExtKeyUsage}))
	check(ca.CheckSignatureFrom(ca))
	fmt.Println(node.Issuer)
}

func certificate(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(1024),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().AddDate(10, 0, 0),
	}
}

func odd(dir string) {
	ca := func(name string, change func(*x509.Certificate)) (*x509.Certificate, *ecdsa.PrivateKey) {
		template := certificate(name)
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
		change(template)
		key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
		der := must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))
		write(dir, name, der, key)
		return must(x509.ParseCertificate(der)), key
	}
	ca("expired", func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC)
	})
	ca("future", func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Date(2090, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
	})
	ca("short", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(100*24*time.Hour + time.Hour) })
	ca("no-ca", func(c *x509.Certificate) { c.IsCA, c.KeyUsage = false, x509.KeyUsageDigitalSignature })
	ca("no-sign", func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign })
	// A subject that holds attributes twice, several in one part, and none of the usual order.
	ca("corporate", func(c *x509.Certificate) {
		c.RawSubject = corporate
	})
	// What cloudcore makes for its hub where dnsNames is left at its default: an empty name.
	authority, authorityKey := ca("hub-ca", func(*x509.Certificate) {})
	pair := func(name string, change func(*x509.Certificate)) {
		template := certificate(name)
		change(template)
		key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
		write(dir, name, must(x509.CreateCertificate(rand.Reader, template, authority, key.Public(), authorityKey)), key)
	}
	pair("empty-name", func(c *x509.Certificate) {
		c.DNSNames, c.IPAddresses = []string{""}, []net.IP{net.IPv4(192, 0, 2, 1)}
	})
	pair("ended", func(c *x509.Certificate) {
		c.NotAfter = time.Now().Add(-time.Minute)
		c.DNSNames = []string{"a.example"}
	})
	pair("nearly", func(c *x509.Certificate) {
		c.NotBefore = time.Now().Add(-800 * 24 * time.Hour)
		c.NotAfter = time.Now().Add(10*24*time.Hour + time.Hour)
		c.DNSNames = []string{"a.example"}
	})
	pair("not-yet", func(c *x509.Certificate) {
		c.NotBefore = time.Now().Add(10 * 24 * time.Hour)
		c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	})
	pair("for-clients", func(c *x509.Certificate) {
		c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	})
}

// DC=example, DC=com, OU=a + O=b, CN=corporate, in DER.
var corporate = []byte("\x30\x5f" +
	"\x31\x13\x30\x11\x06\x0a\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19\x16\x03com" +
	"\x31\x17\x30\x15\x06\x0a\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19\x16\x07example" +
	"\x31\x1a\x30\x0b\x06\x03\x55\x04\x0a\x14\x04b\xe4rg\x30\x0b\x06\x03\x55\x04\x0b\x13\x04unit" +
	"\x31\x13\x30\x11\x06\x03\x55\x04\x03\x1e\x0a\x00c\x00o\x00r\x00p\x00.")

func write(dir, name string, der []byte, key crypto.PrivateKey) {
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	check(os.WriteFile(filepath.Join(dir, name+".crt"), cert, 0o644))
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(key))})
	check(os.WriteFile(filepath.Join(dir, name+".key"), private, 0o600))
}
