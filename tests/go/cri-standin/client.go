package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// client does at the socket of a real container runtime what `crictl pull`, `runp`, `run` and `stopp` do:
//
//	SOCKET pull IMAGE
//	SOCKET runp NAME… < POD   a sandbox of each name; prints the IDs
//	SOCKET run ID < POD and CONTAINER, one document after the other
//	SOCKET stopp ID
func client(socket, verb string, arguments []string, input io.Reader) error {
	connection, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	runtime := cri.NewRuntimeServiceClient(connection)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	if verb == "pull" {
		image := cri.ImageSpec{Image: arguments[0]}
		_, err := cri.NewImageServiceClient(connection).PullImage(ctx, &cri.PullImageRequest{Image: &image})
		return err
	}
	if verb == "stopp" {
		_, err := runtime.StopPodSandbox(ctx, &cri.StopPodSandboxRequest{PodSandboxId: arguments[0]})
		return err
	}
	var pod cri.PodSandboxConfig
	documents := json.NewDecoder(input)
	if err := documents.Decode(&pod); err != nil {
		return err
	}
	if !slices.Contains([]string{"runp", "run"}, verb) {
		return fmt.Errorf("unknown verb %q", verb)
	}
	if verb == "run" {
		request := cri.CreateContainerRequest{PodSandboxId: arguments[0], SandboxConfig: &pod}
		if err := documents.Decode(&request.Config); err != nil {
			return err
		}
		made, err := runtime.CreateContainer(ctx, &request)
		if err != nil {
			return err
		}
		fmt.Println(made.ContainerId)
		_, err = runtime.StartContainer(ctx, &cri.StartContainerRequest{ContainerId: made.ContainerId})
		return err
	}
	for _, name := range arguments {
		pod.Metadata.Name, pod.Metadata.Uid = name, "uid-"+name
		made, err := runtime.RunPodSandbox(ctx, &cri.RunPodSandboxRequest{Config: &pod})
		if err != nil {
			return err
		}
		fmt.Println(made.PodSandboxId)
	}
	return nil
}
