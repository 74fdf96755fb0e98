package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// kubelet is where edgecore's own kubelet listens.
const kubelet = "127.0.0.1:10350"

// serveKubelet answers every request, as far as a check of connections can tell.
func serveKubelet() error {
	listener, err := net.Listen("tcp", kubelet)
	if err != nil {
		return err
	}
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "the answer to %s, which no check prints\n", r.URL.Path)
	}))
	return nil
}

// tunnel opens the tunnel of kubectl logs and passes requests on to the kubelet. One that the kubelet does not answer is
// not answered at all, as by the real one.
func tunnel(server, node, address string, settings *tls.Config) error {
	connection, err := tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, "tcp", server, settings)
	if err != nil {
		return err
	}
	fmt.Fprintf(connection, "GET /v1/kubeedge/connect HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Key: ZWRnZXV0aWxzIHRlc3Rz\r\nSec-WebSocket-Version: 13\r\n"+
		"SessionHostNameOverride: %s\r\nSessionInternalIP: %s\r\n\r\n", server, node, address)
	reader := bufio.NewReader(connection)
	answer, err := http.ReadResponse(reader, nil)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("the tunnel port answers %s", answer.Status)
	}
	go func() {
		for {
			line, err := reader.ReadString('\n')
			if err != nil {
				return
			}
			answer, err := http.Get("http://" + kubelet + strings.TrimSpace(line))
			if err != nil {
				continue
			}
			body, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			fmt.Fprintf(connection, "%d\n%s", len(body), body)
		}
	}()
	return nil
}
