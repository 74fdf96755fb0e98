package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// The fields of a sandbox's file: NAMESPACE NAME UID, then words: `stopped`; `hang` (a stop has no answer);
// `stuck` (it can be neither stopped nor removed, as with a network that cannot be deleted).
// Each call that changes something is a line in the file `calls`.

func (s *server) ListPodSandbox(context.Context, *cri.ListPodSandboxRequest) (*cri.ListPodSandboxResponse, error) {
	entries, _ := os.ReadDir(filepath.Join(wishes, "sandboxes"))
	answer := &cri.ListPodSandboxResponse{}
	for _, entry := range entries {
		fields := sandbox(entry.Name())
		if len(fields) < 3 {
			continue
		}
		state := cri.PodSandboxState_SANDBOX_READY
		if has(fields, "stopped") {
			state = cri.PodSandboxState_SANDBOX_NOTREADY
		}
		answer.Items = append(answer.Items, &cri.PodSandbox{
			Id: entry.Name(), State: state, RuntimeHandler: "runc",
			Metadata: &cri.PodSandboxMetadata{Namespace: fields[0], Name: fields[1], Uid: fields[2], Attempt: 1},
			Labels:   map[string]string{"io.kubernetes.pod.uid": fields[2]},
		})
	}
	return answer, nil
}

func (s *server) StopPodSandbox(ctx context.Context, request *cri.StopPodSandboxRequest) (*cri.StopPodSandboxResponse, error) {
	fields, err := change(ctx, "stop", request.PodSandboxId)
	if err == nil && !has(fields, "stopped") {
		err = os.WriteFile(file(request.PodSandboxId), []byte(strings.Join(append(fields, "stopped"), " ")), 0o644)
	}
	return &cri.StopPodSandboxResponse{}, err
}

func (s *server) RemovePodSandbox(ctx context.Context, request *cri.RemovePodSandboxRequest) (*cri.RemovePodSandboxResponse, error) {
	_, err := change(ctx, "remove", request.PodSandboxId)
	if err == nil {
		err = os.Remove(file(request.PodSandboxId))
	}
	return &cri.RemovePodSandboxResponse{}, err
}

// change records a call and finds its sandbox.
func change(ctx context.Context, verb, id string) ([]string, error) {
	calls, err := os.OpenFile(filepath.Join(wishes, "calls"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	fmt.Fprintln(calls, verb, id)
	calls.Close()
	fields := sandbox(id)
	if len(fields) < 3 {
		return nil, status.Errorf(codes.NotFound, "could not find pod %q", id)
	}
	if has(fields, "stuck") {
		return nil, fmt.Errorf("failed to destroy network for sandbox %q: plugin type=\"bridge\" failed (delete)", id)
	}
	if verb == "stop" && has(fields, "hang") {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return fields, nil
}

func file(id string) string {
	return filepath.Join(wishes, "sandboxes", filepath.Base(id))
}

func sandbox(id string) []string {
	text, err := os.ReadFile(file(id))
	if err != nil {
		return nil
	}
	return strings.Fields(string(text))
}

func has(fields []string, word string) bool {
	for _, field := range fields[min(3, len(fields)):] {
		if field == word {
			return true
		}
	}
	return false
}
