package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
)

var quiet = log.New(io.Discard, "", 0)

// A recorder appends each request to a file, one object of JSON a line.
type recorder struct {
	path string
	lock sync.Mutex
}

// request is one that came: its head byte by byte, and its body in base64.
type request struct {
	Port string `json:"port"`
	Head string `json:"head"`
	Body string `json:"body"`
}

func (r *recorder) add(port string, came *http.Request, body []byte) {
	tap, _ := came.Context().Value(tapKey{}).(*tap)
	if r.path == "" || tap == nil {
		return
	}
	line := must(json.Marshal(request{port, tap.head(), base64.StdEncoding.EncodeToString(body)}))
	r.lock.Lock()
	defer r.lock.Unlock()
	file := must(os.OpenFile(r.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600))
	defer file.Close()
	must(file.Write(append(line, '\n')))
}

// A tap keeps what a connection begins with: net/http sorts headers and changes their case.
type tap struct {
	net.Conn
	lock sync.Mutex
	came []byte
}

type tapKey struct{}

type tapped struct{ net.Listener }

func (t tapped) Accept() (net.Conn, error) {
	connection, err := t.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &tap{Conn: connection}, nil
}

func withTap(ctx context.Context, connection net.Conn) context.Context {
	return context.WithValue(ctx, tapKey{}, connection)
}

func (t *tap) Read(buffer []byte) (int, error) {
	n, err := t.Conn.Read(buffer)
	t.lock.Lock()
	if len(t.came) < 1<<16 {
		t.came = append(t.came, buffer[:n]...)
	}
	t.lock.Unlock()
	return n, err
}

// head is the first request of the connection up to its body.
func (t *tap) head() string {
	t.lock.Lock()
	defer t.lock.Unlock()
	head, _, _ := bytes.Cut(t.came, []byte("\r\n\r\n"))
	return string(head)
}
