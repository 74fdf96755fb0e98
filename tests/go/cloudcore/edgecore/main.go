// Command edgecore replaces KubeEdge's edgecore in tests of a join: it reads edgecore.yaml and the pair, opens a
// websocket to cloudcore's hub with the pair, and stays. Like the real one, it ends with a message when it cannot.
//
//	edgecore [--config FILE]
//
// With modules.edgeStream it also opens the tunnel of `kubectl logs`; 127.0.0.1:10350 answers as its kubelet.
//
// Tests control it with $EDGECORE_STANDIN: `silent` never connects, `no-kubelet` has no kubelet, `short` ends after two seconds, `leak` logs the token
// of its configuration as real ones do.
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

const (
	project = "e632aba927ea4ac2b575ec1603d56f10"
	caFile  = "/etc/kubeedge/ca/rootCA.crt"
	cert    = "/etc/kubeedge/certs/server.crt"
	key     = "/etc/kubeedge/certs/server.key"
)

func main() {
	config := flag.String("config", "/etc/kubeedge/config/edgecore.yaml", "the configuration")
	flag.Parse()
	if err := run(*config); err != nil {
		// klog's form.
		now := time.Now()
		fmt.Fprintf(os.Stderr, "F%s %7d server.go:1] %v\n", now.Format("0102 15:04:05.000000"), os.Getpid(), err)
		os.Exit(1)
	}
}

func run(config string) error {
	text, err := os.ReadFile(config)
	if err != nil {
		return err
	}
	settings := parse(string(text))
	get := func(path, usual string) string {
		if value := settings[path]; value != "" {
			return value
		}
		return usual
	}
	behavior := os.Getenv("EDGECORE_STANDIN")
	if token := settings["modules.edgeHub.token"]; behavior == "leak" {
		return fmt.Errorf("token %s credentials are in the wrong format", token)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	switch behavior {
	case "silent":
		<-stop
		return nil
	case "short":
		time.Sleep(2 * time.Second)
		return fmt.Errorf("failed to start container manager: the cgroup driver is not that of the runtime")
	}
	server := settings["modules.edgeHub.websocket.server"]
	if server == "" {
		return fmt.Errorf("modules.edgeHub.websocket.server is not set")
	}
	pool := x509.NewCertPool()
	ca, err := os.ReadFile(get("modules.edgeHub.tlsCaFile", caFile))
	if err != nil {
		return err
	}
	pool.AppendCertsFromPEM(ca)
	pair, err := tls.LoadX509KeyPair(get("modules.edgeHub.tlsCertFile", cert), get("modules.edgeHub.tlsPrivateKeyFile", key))
	if err != nil {
		return err
	}
	node := settings["modules.edged.hostnameOverride"]
	connection, err := connect(server, node, &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}})
	if err != nil {
		return fmt.Errorf("websocket connect failed, err: %w", err)
	}
	defer connection.Close()
	if behavior != "no-kubelet" {
		// Beside another one on this host it goes without.
		if err := serveKubelet(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	if server := settings["modules.edgeStream.server"]; settings["modules.edgeStream.enable"] == "true" {
		trust := &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}}
		if err := tunnel(server, node, settings["modules.edged.nodeIP"], trust); err != nil {
			// The real one tries again, and goes on.
			fmt.Fprintln(os.Stderr, "tunnel connect failed, err:", err)
		}
	}
	fmt.Fprintln(os.Stderr, "websocket connect to cloud access successful")
	gone := make(chan struct{})
	go func() {
		connection.Read(make([]byte, 1))
		close(gone)
	}()
	select {
	case <-stop:
		return nil
	case <-gone:
		return fmt.Errorf("the connection to cloudcore is closed")
	}
}

func connect(server, node string, settings *tls.Config) (net.Conn, error) {
	connection, err := tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, "tcp", server, settings)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(connection, "GET /%s/%s/events HTTP/1.1\r\nHost: %s\r\nUser-Agent: Go-http-client/1.1\r\nConnection: Upgrade\r\n"+
		"ConnectionUse: msg\r\nSec-WebSocket-Key: ZWRnZXV0aWxzIHRlc3Rz\r\nSec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n\r\n",
		project, node, server)
	answer, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusSwitchingProtocols {
		return nil, fmt.Errorf("the hub answers %s", answer.Status)
	}
	return connection, nil
}

// parse reads the scalars of a configuration in block style by their path; lists are left out. It also reads the flow
// style of an empty mapping.
func parse(text string) map[string]string {
	type level struct {
		indent int
		path   string
	}
	found, stack := map[string]string{}, []level{}
	for _, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(line)
		if trimmed == "" || strings.HasPrefix(trimmed, "#") || strings.HasPrefix(trimmed, "- ") {
			continue
		}
		name, value, isKey := strings.Cut(trimmed, ":")
		if !isKey {
			continue
		}
		indent := len(line) - len(strings.TrimLeft(line, " "))
		for len(stack) > 0 && stack[len(stack)-1].indent >= indent {
			stack = stack[:len(stack)-1]
		}
		path := name
		if len(stack) > 0 {
			path = stack[len(stack)-1].path + "." + name
		}
		if value = strings.Trim(strings.TrimSpace(value), `"'`); value == "" {
			stack = append(stack, level{indent, path})
		} else {
			found[path] = value
		}
	}
	return found
}
