// Command edgecore replaces KubeEdge's edgecore on the machine of `cargo xtask e2e`: it runs the pods of its database
// with a real container runtime, makes the directories, mounts and control groups of a kubelet for them, and leaves
// them running when it ends.
//
//	edgecore        runs the pods of /var/lib/kubeedge/edgecore.db (JSON)
//	edgecore pause  in the sandbox of a pod: waits
//	edgecore serve  in its container: answers on port 8080 with the files below /data, and writes below it and /remote
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

const (
	database = "/var/lib/kubeedge/edgecore.db"
	root     = "/var/lib/kubelet/pods"
	logs     = "/var/log/pods"
	image    = "registry.example/pod:1"
	socket   = "unix:///run/containerd/containerd.sock"
)

// A pod. Its namespace is default, and its only container is called main.
type pod struct {
	Name, UID string
	// The port of this host that leads to its server.
	Port int32
	// Mount points below the pod's directory, made before the container.
	Volumes []volume
	// Paths of this host, or below the pod's directory, to paths in the container.
	Mounts map[string]string
}

// A volume: mount -t TYPE -o OPTIONS SOURCE PATH.
type volume struct{ Type, Options, Source, Path string }

func main() {
	var err error
	switch {
	case len(os.Args) == 1:
		err = node()
	case os.Args[1] == "pause":
		wait()
	case os.Args[1] == "serve":
		err = serve()
	default:
		err = fmt.Errorf("unknown arguments %q", os.Args[1:])
	}
	if err != nil {
		log.Fatal(err)
	}
}

// node runs the pods and waits for a signal.
func node() error {
	text, err := os.ReadFile(database)
	if err != nil {
		return err
	}
	var pods []pod
	if err := json.Unmarshal(text, &pods); err != nil {
		return err
	}
	connection, err := grpc.NewClient(socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	for _, pod := range pods {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		err := pod.run(ctx, cri.NewRuntimeServiceClient(connection))
		cancel()
		if err != nil {
			return fmt.Errorf("pod %s: %w", pod.Name, err)
		}
	}
	wait()
	return nil
}

func wait() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	<-signals
}

func (p *pod) run(ctx context.Context, runtime cri.RuntimeServiceClient) error {
	labels := map[string]string{
		"io.kubernetes.pod.name": p.Name, "io.kubernetes.pod.namespace": "default", "io.kubernetes.pod.uid": p.UID,
	}
	known, err := runtime.ListPodSandbox(ctx, &cri.ListPodSandboxRequest{Filter: &cri.PodSandboxFilter{
		State: &cri.PodSandboxStateValue{State: cri.PodSandboxState_SANDBOX_READY}, LabelSelector: labels,
	}})
	if err != nil || len(known.Items) > 0 {
		return err
	}
	for _, volume := range p.Volumes {
		if err := p.mount(volume); err != nil {
			return err
		}
	}
	dir := filepath.Join(logs, fmt.Sprintf("default_%s_%s", p.Name, p.UID))
	if err := os.MkdirAll(filepath.Join(dir, "main"), 0o755); err != nil {
		return err
	}
	slice := fmt.Sprintf("kubepods-besteffort-pod%s.slice", strings.ReplaceAll(p.UID, "-", "_"))
	sandbox := &cri.PodSandboxConfig{
		Metadata:     &cri.PodSandboxMetadata{Name: p.Name, Namespace: "default", Uid: p.UID},
		Hostname:     p.Name,
		LogDirectory: dir,
		DnsConfig:    &cri.DNSConfig{},
		Labels:       labels,
		Linux:        &cri.LinuxPodSandboxConfig{CgroupParent: slice},
	}
	if p.Port != 0 {
		sandbox.PortMappings = []*cri.PortMapping{{ContainerPort: 8080, HostPort: p.Port}}
	}
	running, err := runtime.RunPodSandbox(ctx, &cri.RunPodSandboxRequest{Config: sandbox})
	if err != nil {
		return err
	}
	container := &cri.ContainerConfig{
		Metadata: &cri.ContainerMetadata{Name: "main"},
		Image:    &cri.ImageSpec{Image: image},
		Args:     []string{"serve"},
		LogPath:  "main/0.log",
		Labels:   labels,
		Linux:    &cri.LinuxContainerConfig{},
	}
	for from, to := range p.Mounts {
		if !filepath.IsAbs(from) {
			from = p.path(from)
		}
		container.Mounts = append(container.Mounts, &cri.Mount{HostPath: from, ContainerPath: to})
	}
	created, err := runtime.CreateContainer(ctx, &cri.CreateContainerRequest{
		PodSandboxId: running.PodSandboxId, Config: container, SandboxConfig: sandbox,
	})
	if err != nil {
		return err
	}
	if _, err = runtime.StartContainer(ctx, &cri.StartContainerRequest{ContainerId: created.ContainerId}); err != nil {
		return err
	}
	if err := os.MkdirAll("/var/log/containers", 0o755); err != nil {
		return err
	}
	link := fmt.Sprintf("/var/log/containers/%s_default_main-%s.log", p.Name, created.ContainerId)
	return os.Symlink(filepath.Join(dir, container.LogPath), link)
}

func (p *pod) path(name string) string {
	return filepath.Join(root, p.UID, name)
}

// mount makes a mount point, a file for a bind of a file, and mounts a volume on it.
func (p *pod) mount(v volume) error {
	point := p.path(v.Path)
	if err := os.MkdirAll(point, 0o755); err != nil {
		return err
	}
	if exec.Command("mountpoint", "-q", point).Run() == nil {
		return nil
	}
	args := []string{v.Source, point}
	if v.Options != "" {
		args = append([]string{"-o", v.Options}, args...)
	}
	if v.Type != "" {
		args = append([]string{"-t", v.Type}, args...)
	}
	if output, err := exec.Command("mount", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("mount %s: %w: %s", strings.Join(args, " "), err, output)
	}
	if v.Type == "tmpfs" {
		return os.WriteFile(filepath.Join(point, "token"), []byte("secret"), 0o600)
	}
	return nil
}

// serve is the program of a container. The file below /remote stays open: what it writes there waits in the memory of
// the host until the server takes it.
func serve() error {
	if err := os.WriteFile("/data/pod", []byte("written by the pod\n"), 0o644); err != nil && !os.IsNotExist(err) {
		return err
	}
	if remote, err := os.Create("/remote/pod"); err == nil {
		go func() {
			for ; ; time.Sleep(20 * time.Millisecond) {
				_, _ = remote.Write(make([]byte, 4096))
			}
		}()
	}
	return http.ListenAndServe(":8080", http.FileServer(http.Dir("/data")))
}
