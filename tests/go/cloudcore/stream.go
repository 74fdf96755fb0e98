package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// A session is the tunnel of a node. Between the two doubles it carries a line with the path of a request, and for the
// answer a line with its length, and the answer; KubeEdge's own messages are not needed here.
type session struct {
	lock       sync.Mutex
	connection net.Conn
	reader     *bufio.Reader
}

// stream serves port 10003, where the API server asks for logs and metrics. As the real one it asks for a certificate of
// the client and verifies none, answers 500 without a body if the node has no tunnel, and sends nothing until the node
// does.
func (s *server) stream(listener net.Listener) {
	settings := s.settings()
	settings.ClientAuth = tls.RequestClientCert
	s.run("stream", tls.NewListener(listener, settings), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
		host, _, _ := net.SplitHostPort(r.Host)
		key := host
		switch {
		case parts[0] == "containerLogs" && len(parts) == 4:
			// The real one asks the API server which node has the pod: here its name begins with that of the node.
			key, _, _ = strings.Cut(parts[2], ".")
		case parts[0] != "stats" && parts[0] != "metrics":
			s.notFound(w)
			return
		}
		s.lock.Lock()
		found := s.sessions[key]
		s.lock.Unlock()
		if found == nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		body, err := found.ask(r.URL.RequestURI())
		if err != nil {
			// The tunnel is dead, which the real one does not notice either.
			<-r.Context().Done()
			return
		}
		w.Write(body)
	}))
}

// ask passes a request on and waits for the answer.
func (s *session) ask(path string) ([]byte, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if _, err := fmt.Fprintf(s.connection, "%s\n", path); err != nil {
		return nil, err
	}
	line, err := s.reader.ReadString('\n')
	if err != nil {
		return nil, err
	}
	length, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		return nil, err
	}
	body := make([]byte, length)
	_, err = io.ReadFull(s.reader, body)
	return body, err
}

// keepSession keeps the tunnel of a node until the test ends, by its name and its address.
func (s *server) keepSession(r *http.Request, connection net.Conn, reader *bufio.Reader) {
	own := &session{connection: connection, reader: reader}
	s.lock.Lock()
	for _, header := range []string{"SessionHostNameOverride", "SessionInternalIP"} {
		if key := r.Header.Get(header); key != "" {
			s.sessions[key] = own
		}
	}
	s.lock.Unlock()
	select {}
}
