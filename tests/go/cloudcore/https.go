package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// maxRequest is how much of a request's body is read.
const maxRequest = 1 << 20

type server struct {
	*options
	authority *authority
	other     *authority
	recorder  recorder
	lock      sync.Mutex
	connected map[string]int
	sessions  map[string]*session
}

func newServer(o *options) *server {
	s := &server{options: o, authority: newAuthority(o.dir), recorder: recorder{path: o.record}, connected: map[string]int{}, sessions: map[string]*session{}}
	if o.other != "" {
		s.other = newAuthority(o.other)
	}
	return s
}

// settings are those of every port; cloudcore has no version below TLS 1.2.
func (s *server) settings() *tls.Config {
	dir := s.dir
	if s.mode["other-server"] {
		dir = s.options.other
	}
	return &tls.Config{Certificates: []tls.Certificate{pair(dir)}, MinVersion: tls.VersionTLS12}
}

// https serves port 10002, which asks for no certificate (measured).
func (s *server) https(listener net.Listener) {
	switch {
	case s.mode["stall"]:
		stall(listener)
	case s.mode["closed"]:
		for {
			if connection, err := listener.Accept(); err == nil {
				connection.Close()
			}
		}
	case s.mode["hub-on-https"]:
		s.hub(listener)
	case s.mode["plain"]:
		s.run("https", listener, http.HandlerFunc(s.route))
	default:
		settings := s.settings()
		// For the renewal of certificates; without a CA, as any is accepted.
		settings.ClientAuth = tls.RequestClientCert
		s.run("https", tls.NewListener(listener, settings), http.HandlerFunc(s.route))
	}
}

// stall keeps connections open and is silent.
func stall(listener net.Listener) {
	var kept []net.Conn
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		kept = append(kept, connection)
	}
}

// run serves a port; each request is recorded as it came.
func (s *server) run(port string, listener net.Listener, handler http.Handler) {
	server := &http.Server{ErrorLog: quiet, ConnContext: withTap, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(io.LimitReader(r.Body, maxRequest))
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		s.recorder.add(port, r, body)
		w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
		isOf := !s.mode["only-edge"] || r.URL.Path == "/edge.crt"
		if port == "https" && isOf && s.goesWrong(w) {
			return
		}
		handler.ServeHTTP(w, r)
	})}
	_ = server.Serve(tapped{listener})
}

func (s *server) now() time.Time {
	return time.Now().Add(s.skew)
}

// goesWrong answers as something that is not cloudcore.
func (s *server) goesWrong(w http.ResponseWriter) bool {
	switch {
	case s.mode["stall-answer"]:
		time.Sleep(time.Hour)
	case s.mode["drip"], s.mode["endless"]:
		piece, pause := strings.Repeat("x", 1<<16), time.Duration(0)
		if s.mode["drip"] {
			piece, pause = "x", 100*time.Millisecond
		}
		for {
			if _, err := io.WriteString(w, piece); err != nil {
				return true
			}
			w.(http.Flusher).Flush()
			time.Sleep(pause)
		}
	case s.mode["html"]:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, "<!DOCTYPE html>\n<html><head><title>Log in</title></head><body>Log in to use this network.</body></html>\n")
	case s.mode["redirect"]:
		w.Header().Set("Location", "https://"+s.address+":1/")
		w.WriteHeader(http.StatusFound)
	default:
		return false
	}
	return true
}

func (s *server) route(w http.ResponseWriter, r *http.Request) {
	node, isNode := strings.CutPrefix(r.URL.Path, "/node/")
	switch {
	case r.Method != http.MethodGet:
		s.notFound(w)
	case r.URL.Path == "/ca.crt":
		authority := s.authority
		if s.mode["other-ca"] {
			authority = s.other
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Write(authority.certificate.Raw)
	case r.URL.Path == "/edge.crt":
		s.edgeCertificate(w, r)
	case isNode && s.minor >= 20:
		if s.exists(node) {
			s.text(w, http.StatusOK, "Node founded")
		} else {
			s.text(w, http.StatusNotFound, "Node not found")
		}
	default:
		s.notFound(w)
	}
}

// notFound is that of net/http up to 1.8, and that of go-restful later.
func (s *server) notFound(w http.ResponseWriter) {
	if s.minor <= 8 {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		s.text(w, http.StatusNotFound, "404 page not found\n")
		return
	}
	s.text(w, http.StatusNotFound, "404: Page Not Found")
}

func (s *server) text(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	io.WriteString(w, text)
}

// edgeCertificate answers as measured: the token, then the signing request.
func (s *server) edgeCertificate(w http.ResponseWriter, r *http.Request) {
	jwt, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if status, text := s.refusal(jwt, found); status != 0 {
		s.text(w, status, text)
		return
	}
	der, err := s.sign(r)
	switch {
	case s.mode["empty"] || (err != nil && s.minor <= 8):
		// The handler of old versions returns without a status.
	case err != nil:
		s.text(w, http.StatusInternalServerError, fmt.Sprintf("failed to sign certs for edgenode %s, err: %v", r.Header.Get("NodeName"), err))
	default:
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Write(der)
	}
}

// refusal is the status and text for a token that is not accepted.
func (s *server) refusal(jwt string, found bool) (int, string) {
	fault := s.authority.judge(jwt, s.now())
	if found && fault == valid {
		return 0, ""
	}
	if s.minor <= 8 {
		if !found {
			return http.StatusUnauthorized, "Invalid authorization token"
		}
		return http.StatusBadRequest, "Invalid authorization token"
	}
	if !found {
		return http.StatusUnauthorized, "token validation failure, token is empty"
	}
	old := map[tokenFault]string{
		malformed:    "token contains an invalid number of segments",
		badHeader:    "illegal base64 data at input byte 0",
		badSignature: "signature is invalid",
		expired:      "Token is expired",
	}
	if s.minor >= 23 {
		old = map[tokenFault]string{
			malformed:    "token is malformed: token contains an invalid number of segments",
			badHeader:    "token is malformed: could not base64 decode header: illegal base64 data at input byte 0",
			badSignature: "token signature is invalid: signature is invalid",
			expired:      "token has invalid claims: token is expired",
		}
	}
	return http.StatusUnauthorized, "token validation failure, err: " + old[fault]
}

func (s *server) sign(r *http.Request) ([]byte, error) {
	body, _ := io.ReadAll(r.Body)
	csr, err := x509.ParseCertificateRequest(body)
	if err != nil {
		return nil, fmt.Errorf("failed to parse CSR: %w", err)
	}
	authority, key := s.authority, csr.PublicKey
	switch {
	case s.mode["sign-fails"]:
		return nil, fmt.Errorf("unable to parse CA key: x509: failed to parse EC private key")
	case s.mode["garbage"]:
		return []byte("not a certificate"), nil
	case s.mode["other-key"]:
		key = newKey().Public()
	case s.mode["other-issuer"]:
		authority = s.other
	}
	return authority.sign(csr, key)
}

// exists is whether the API server has the node.
func (s *server) exists(node string) bool {
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.connected[node] > 0 && !s.mode["not-found"] {
		return true
	}
	text, err := os.ReadFile(filepath.Clean(s.nodes))
	if s.nodes == "" || err != nil {
		return false
	}
	for _, line := range strings.Fields(string(text)) {
		if line == node {
			return true
		}
	}
	return false
}
