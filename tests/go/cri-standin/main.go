// Command cri-standin replaces the CRI-O daemon in tests: it implements the CRI with the messages of the
// Kubernetes module k8s.io/cri-api, but does not run containers.
//
// Like CRI-O, it reads crio.conf.d, refuses to start with an invalid configuration, gets the status of the
// network from ocicni, and notifies systemd when it has started (Type=notify).
//
// Tests control it with files in /run/cri-standin or $CRI_STANDIN: `containers` (one running container per
// line), `slow` (milliseconds until it has started), `fail` (it exits with this message), `api` (v1alpha2 for
// an old version of the API, none for a daemon without the CRI, http for one of HTTP/1), and `sandboxes/ID`
// (NAMESPACE NAME UID, see sandbox.go).
//
// With the argument client it is a client of a real container runtime, see client.go.
package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// version is set when it is built: -ldflags "-X main.version=1.34.2".
var version = "1.34.2"

const socket = "/var/run/crio/crio.sock"

var wishes = cmp.Or(os.Getenv("CRI_STANDIN"), "/run/cri-standin")

type server struct {
	cri.UnimplementedRuntimeServiceServer
	config  config
	network *network
}

func (s *server) Version(context.Context, *cri.VersionRequest) (*cri.VersionResponse, error) {
	return &cri.VersionResponse{Version: "0.1.0", RuntimeName: "cri-o", RuntimeVersion: version, RuntimeApiVersion: "v1"}, nil
}

func (s *server) Status(context.Context, *cri.StatusRequest) (*cri.StatusResponse, error) {
	condition := &cri.RuntimeCondition{Type: "NetworkReady", Status: true}
	if err := s.network.ready(); err != nil {
		condition = &cri.RuntimeCondition{Type: "NetworkReady", Reason: "NetworkPluginNotReady",
			Message: fmt.Sprintf("Network plugin returns error: %v", err)}
	}
	return &cri.StatusResponse{Status: &cri.RuntimeStatus{Conditions: []*cri.RuntimeCondition{
		{Type: "RuntimeReady", Status: true}, condition,
	}}}, nil
}

func (s *server) ListContainers(context.Context, *cri.ListContainersRequest) (*cri.ListContainersResponse, error) {
	answer := &cri.ListContainersResponse{Containers: []*cri.Container{
		{Id: "0", Metadata: &cri.ContainerMetadata{Name: "ended"}, State: cri.ContainerState_CONTAINER_EXITED},
	}}
	for _, name := range strings.Fields(wish("containers")) {
		answer.Containers = append(answer.Containers, &cri.Container{
			Id: "id-" + name, PodSandboxId: "pod", Metadata: &cri.ContainerMetadata{Name: name, Attempt: 1},
			ImageRef: "image", State: cri.ContainerState_CONTAINER_RUNNING, CreatedAt: time.Now().UnixNano(),
			Labels: map[string]string{"io.kubernetes.container.name": name},
		})
	}
	return answer, nil
}

func (s *server) RuntimeConfig(context.Context, *cri.RuntimeConfigRequest) (*cri.RuntimeConfigResponse, error) {
	driver := cri.CgroupDriver_SYSTEMD
	if s.config.Crio.Runtime.CgroupManager == "cgroupfs" {
		driver = cri.CgroupDriver_CGROUPFS
	}
	return &cri.RuntimeConfigResponse{Linux: &cri.LinuxRuntimeConfiguration{CgroupDriver: driver}}, nil
}

func wish(name string) string {
	text, err := os.ReadFile(filepath.Join(wishes, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

func run() error {
	config, err := read("/etc/crio/crio.conf", "/etc/crio/crio.conf.d", os.Args[1:])
	if err != nil {
		return err
	}
	if text := wish("fail"); text != "" {
		return fmt.Errorf("%s", text)
	}
	if slow, err := strconv.Atoi(wish("slow")); err == nil {
		time.Sleep(time.Duration(slow) * time.Millisecond)
	}
	path := config.Crio.API.Listen
	if path == "" {
		path = socket
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	os.Remove(path)
	listener, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	service := grpc.NewServer()
	desc := cri.RuntimeService_ServiceDesc
	if wish("api") == "v1alpha2" {
		// The messages are the same; only the name of the service is different, and the newest call is missing.
		desc.ServiceName = "runtime.v1alpha2.RuntimeService"
		desc.Methods = without(desc.Methods, "RuntimeConfig")
	}
	if wish("api") == "none" {
		desc.ServiceName = "containerd.services.tasks.v1.Tasks"
	}
	network, err := config.watch()
	if err != nil {
		return err
	}
	service.RegisterService(&desc, &server{config: config, network: network})
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-stop
		service.Stop()
	}()
	if err := ready(); err != nil {
		return err
	}
	if wish("api") == "http" {
		return http.Serve(listener, http.NotFoundHandler())
	}
	return service.Serve(listener)
}

func without(methods []grpc.MethodDesc, name string) []grpc.MethodDesc {
	var kept []grpc.MethodDesc
	for _, method := range methods {
		if method.MethodName != name {
			kept = append(kept, method)
		}
	}
	return kept
}

// ready notifies systemd that the daemon has started.
func ready() error {
	address := os.Getenv("NOTIFY_SOCKET")
	if address == "" {
		return nil
	}
	connection, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer connection.Close()
	_, err = connection.Write([]byte("READY=1"))
	return err
}

// plugin prints the versions that a CNI plugin supports; one whose name ends in -old supports only
// older versions.
func plugin() {
	versions := `"0.1.0","0.2.0","0.3.0","0.3.1","0.4.0"`
	if !strings.HasSuffix(os.Args[0], "-old") {
		versions += `,"1.0.0","1.1.0"`
	}
	fmt.Printf("{\"cniVersion\":\"0.4.0\",\"supportedVersions\":[%s]}\n", versions)
}

func main() {
	switch os.Getenv("CNI_COMMAND") {
	case "VERSION":
		plugin()
		return
	case "STATUS":
		return
	}
	task := run
	if len(os.Args) == 4 && os.Args[1] == "judge" {
		task = func() error { return judge(os.Args[2], os.Args[3]) }
	}
	if len(os.Args) > 3 && os.Args[1] == "client" {
		task = func() error { return client(os.Args[2], os.Args[3], os.Args[4:], os.Stdin) }
	}
	if err := task(); err != nil {
		fmt.Fprintln(os.Stderr, "level=fatal msg="+strconv.Quote(err.Error()))
		os.Exit(1)
	}
}
