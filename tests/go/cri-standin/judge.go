package main

import (
	"os"

	"github.com/cri-o/ocicni/pkg/ocicni"
)

// judge says of a directory of network configurations what CRI-O's own library says of it: nothing where
// one of them can be used, else the error.
func judge(configurations, plugins string) error {
	cache, err := os.MkdirTemp("", "cni-cache-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(cache)
	network, err := ocicni.InitCNINoInotify("", configurations, cache, plugins)
	if err != nil {
		return err
	}
	return network.Status()
}
