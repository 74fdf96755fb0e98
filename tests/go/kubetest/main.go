// Kubetest is a Kubernetes API server, its controller manager and kubectl in one program, for tests of edgeutils:
// the first argument is the name of one of them, and the rest are its own arguments.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

var faces = map[string]func() *cobra.Command{
	"kube-apiserver":          apiserver.NewAPIServerCommand,
	"kube-controller-manager": controllermanager.NewControllerManagerCommand,
	"kubectl":                 kubectl.NewDefaultKubectlCommand,
}

func main() {
	// A link by the name of one of them works, too.
	name := filepath.Base(os.Args[0])
	face, found := faces[name]
	if !found && len(os.Args) > 1 {
		name = os.Args[1]
		if face, found = faces[name]; found {
			os.Args = append([]string{name}, os.Args[2:]...)
		}
	}
	if !found {
		fmt.Fprintln(os.Stderr, "usage: kubetest kube-apiserver|kube-controller-manager|kubectl ARGUMENTS")
		os.Exit(2)
	}
	os.Exit(cli.Run(face()))
}
