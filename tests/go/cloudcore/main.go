// Command cloudcore replaces KubeEdge's cloudcore in tests: its ports 10000 (hub), 10002 (HTTPS), 10004 (tunnel) and on
// request 10003 (stream) with the TLS settings, routes, status codes and bodies that were measured on 1.8.2, 1.18.3 and 1.23.1, and the ways in
// which real ones go wrong.
//
//	cloudcore make DIR [--san NAME,…] [--days N] [--token-seconds N]
//	    writes ca.crt, ca.key, server.crt, server.key and token
//	cloudcore token DIR --seconds N
//	    prints another token of the CA in DIR
//	cloudcore serve DIR [--version 1.23] [--address 127.0.0.1] [--ports 10000,10002,10004] [--mode MODE,…]
//	    [--skew SECONDS] [--record FILE] [--nodes FILE] [--other DIR]
//	    [--stream PORT]
//	    serves, and prints one line of JSON with its ports (0 is any free port) once all of them listen
//
// Modes: see modes. Nodes that exist for the API server are the lines of the file, which is read for each request, and
// those that are connected to the hub.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// modes are the ways to go wrong, by name.
var modes = map[string]string{
	"hub-on-https":  "the HTTPS port is one of the hub",
	"stall":         "the HTTPS port accepts connections and never says anything",
	"stall-answer":  "after TLS and a request nothing comes",
	"drip":          "an answer of one byte in 100 milliseconds, without end",
	"endless":       "an answer that does not end",
	"html":          "a page for browsers for every request",
	"redirect":      "a redirect to port 1 for every request",
	"plain":         "the HTTPS port has no TLS",
	"closed":        "the HTTPS port closes each connection at once",
	"no-https":      "nothing listens on the HTTPS port",
	"no-hub":        "nothing listens on the hub port",
	"no-tunnel":     "nothing listens on the tunnel port",
	"no-stream":     "nothing listens on the port for the API server",
	"other-ca":      "/ca.crt is the CA of --other",
	"other-server":  "the certificate of the server is that of --other",
	"only-edge":     "the modes from stall-answer to redirect are only of /edge.crt",
	"sign-fails":    "signing fails, as with a key of the CA that is not SEC1",
	"empty":         "/edge.crt is answered with 200 and nothing",
	"garbage":       "/edge.crt is answered with 200 and bytes that are not a certificate",
	"other-key":     "the issued certificate is for another key",
	"other-issuer":  "the issued certificate is signed by the CA of --other",
	"other-clients": "the hub accepts clients of the CA of --other alone",
	"not-found":     "a node that is connected does not appear",
}

type options struct {
	dir, version, address, record, nodes, other string
	minor                                       int
	skew                                        time.Duration
	mode                                        map[string]bool
	ports                                       [3]int
	streamPort                                  int
}

func main() {
	log.SetFlags(0)
	if len(os.Args) < 3 {
		log.Fatal("usage: cloudcore make|token|serve DIR …")
	}
	set, dir := flag.NewFlagSet(os.Args[1], flag.ExitOnError), os.Args[2]
	switch os.Args[1] {
	case "make":
		sans := set.String("san", "127.0.0.1", "names and addresses of the server")
		days := set.Int("days", 365, "how long the server's certificate is valid")
		seconds := set.Int("token-seconds", 86400, "how long the token is valid")
		check(set.Parse(os.Args[3:]))
		makePki(dir, strings.Split(*sans, ","), *days)
		check(os.WriteFile(filepath.Join(dir, "token"), []byte(newAuthority(dir).token(*seconds)), 0o600))
	case "token":
		seconds := set.Int("seconds", 86400, "how long the token is valid")
		check(set.Parse(os.Args[3:]))
		fmt.Println(newAuthority(dir).token(*seconds))
	case "serve":
		o := options{dir: dir, mode: map[string]bool{}}
		set.StringVar(&o.version, "version", "1.23", "which cloudcore it is")
		set.StringVar(&o.address, "address", "127.0.0.1", "where it listens")
		ports := set.String("ports", "10000,10002,10004", "hub, HTTPS, tunnel")
		set.IntVar(&o.streamPort, "stream", 0, "the port for the API server; 0 is none")
		mode := set.String("mode", "", "how it goes wrong")
		skew := set.Int("skew", 0, "seconds that its clock is ahead")
		set.StringVar(&o.record, "record", "", "where each request is appended")
		set.StringVar(&o.nodes, "nodes", "", "a file with the nodes that exist")
		set.StringVar(&o.other, "other", "", "a directory with another CA")
		check(set.Parse(os.Args[3:]))
		o.skew = time.Duration(*skew) * time.Second
		o.minor = must(strconv.Atoi(strings.TrimPrefix(o.version, "1.")))
		for i, port := range strings.Split(*ports, ",") {
			o.ports[i] = must(strconv.Atoi(port))
		}
		for _, name := range strings.FieldsFunc(*mode, func(r rune) bool { return r == ',' }) {
			if modes[name] == "" {
				log.Fatalf("no such mode: %s", name)
			}
			o.mode[name] = true
		}
		serve(&o)
	default:
		log.Fatal("no such verb: ", os.Args[1])
	}
}

func serve(o *options) {
	s := newServer(o)
	ports := map[string]int{}
	listen := func(name string, port int, missing string, run func(net.Listener)) {
		if o.mode[missing] {
			return
		}
		listener := must(net.Listen("tcp", net.JoinHostPort(o.address, strconv.Itoa(port))))
		ports[name] = listener.Addr().(*net.TCPAddr).Port
		go run(listener)
	}
	listen("hub", o.ports[0], "no-hub", s.hub)
	listen("https", o.ports[1], "no-https", s.https)
	listen("tunnel", o.ports[2], "no-tunnel", s.tunnel)
	if o.streamPort != 0 {
		listen("stream", o.streamPort, "no-stream", s.stream)
	}
	fmt.Println(string(must(json.Marshal(ports))))
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	<-stop
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
