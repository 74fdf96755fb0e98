package main

import (
	"bufio"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// hub serves port 10000: websockets of edge nodes that show a certificate of the CA.
func (s *server) hub(listener net.Listener) {
	s.run("hub", s.clientsOnly(listener), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// /PROJECT/NODE/events
		parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
		if len(parts) != 3 || parts[2] != "events" {
			s.notFound(w)
			return
		}
		s.websocket(w, r, parts[1])
	}))
}

// tunnel serves port 10004: the websockets of `kubectl logs`.
func (s *server) tunnel(listener net.Listener) {
	s.run("tunnel", s.clientsOnly(listener), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/kubeedge/connect" {
			s.notFound(w)
			return
		}
		if connection, reader := s.upgrade(w, r); connection != nil {
			s.keepSession(r, connection, reader)
		}
	}))
}

// clientsOnly requires a certificate of the client, and names the CA among those it accepts.
func (s *server) clientsOnly(listener net.Listener) net.Listener {
	settings := s.settings()
	settings.ClientAuth = tls.RequireAndVerifyClientCert
	settings.ClientCAs = s.authority.pool()
	if s.mode["other-clients"] {
		settings.ClientCAs = s.other.pool()
	}
	return tls.NewListener(listener, settings)
}

// websocket keeps a connection open; its node exists for so long.
func (s *server) websocket(w http.ResponseWriter, r *http.Request, node string) {
	connection, reader := s.upgrade(w, r)
	if connection == nil {
		return
	}
	defer connection.Close()
	s.count(node, 1)
	defer s.count(node, -1)
	io.Copy(io.Discard, reader)
}

// upgrade makes a websocket of a request; nil if it is not one.
func (s *server) upgrade(w http.ResponseWriter, r *http.Request) (net.Conn, *bufio.Reader) {
	key := r.Header.Get("Sec-WebSocket-Key")
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") || key == "" {
		s.text(w, http.StatusBadRequest, "Bad Request\n")
		return nil, nil
	}
	connection, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return nil, nil
	}
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	accept := base64.StdEncoding.EncodeToString(sum[:])
	fmt.Fprintf(connection, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept)
	return connection, buffered.Reader
}

func (s *server) count(node string, change int) {
	s.lock.Lock()
	s.connected[node] += change
	s.lock.Unlock()
}
