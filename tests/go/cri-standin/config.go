package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/cri-o/ocicni/pkg/ocicni"
)

// config has the keys of CRI-O's that matter here, by their types: a number where a text belongs ends it.
type config struct {
	Crio struct {
		API struct {
			Listen string `toml:"listen"`
		} `toml:"api"`
		Runtime struct {
			CgroupManager string `toml:"cgroup_manager"`
			ConmonCgroup  string `toml:"conmon_cgroup"`
		} `toml:"runtime"`
		Network struct {
			Default string   `toml:"cni_default_network"`
			Dir     string   `toml:"network_dir"`
			Dirs    []string `toml:"plugin_dirs"`
			OldDir  string   `toml:"plugin_dir"`
		} `toml:"network"`
	} `toml:"crio"`
}

// An option counts before all files.
const (
	driverOption = "--cgroup-manager="
	listenOption = "--listen="
)

// read takes every file of the directory and of those in it, whatever it is called, in the order of a walk,
// as CRI-O does: a link is followed, and what cannot be read or is of another type ends it.
func read(main, dir string, options []string) (config, error) {
	var found config
	found.Crio.Runtime.CgroupManager = "systemd"
	found.Crio.Network.Dir = "/etc/cni/net.d/"
	found.Crio.Network.Dirs = []string{"/opt/cni/bin/"}
	load := func(path string) error {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if _, err := toml.Decode(string(text), &found); err != nil {
			return fmt.Errorf("unable to decode configuration %v: %w", path, err)
		}
		return nil
	}
	if err := load(main); err != nil && !os.IsNotExist(err) {
		return found, err
	}
	if _, err := os.Stat(dir); os.IsNotExist(err) {
		return found.with(options)
	}
	err := filepath.Walk(dir, func(path string, info fs.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		return load(path)
	})
	if err != nil {
		return found, err
	}
	if old := found.Crio.Network.OldDir; old != "" {
		found.Crio.Network.Dirs = append(found.Crio.Network.Dirs, old)
	}
	return found.with(options)
}

func (c config) with(options []string) (config, error) {
	for _, option := range options {
		if driver, is := strings.CutPrefix(option, driverOption); is {
			c.Crio.Runtime.CgroupManager = driver
		}
		if listen, is := strings.CutPrefix(option, listenOption); is {
			c.Crio.API.Listen = listen
		}
	}
	return c, c.check()
}

// check is that of CRI-O before 1.33: with cgroupfs, conmon in system.slice, the default of systemd, is an error.
func (c config) check() error {
	conmon := c.Crio.Runtime.ConmonCgroup
	switch c.Crio.Runtime.CgroupManager {
	case "systemd":
		if conmon != "" && conmon != "pod" && !strings.HasSuffix(conmon, ".slice") {
			return fmt.Errorf("validating runtime config: conmon cgroup should be 'pod' or a systemd slice")
		}
	case "cgroupfs":
		if conmon != "pod" && conmon != "" {
			return fmt.Errorf("validating runtime config: cgroupfs manager conmon cgroup should be 'pod' or empty")
		}
	default:
		return fmt.Errorf("invalid cgroup manager: %s", c.Crio.Runtime.CgroupManager)
	}
	return nil
}

// network is judged by the library that CRI-O itself judges it with, and as CRI-O does it: from the first success on
// it is ready for good, whatever happens to the files (cnimgr.go).
type network struct {
	mutex sync.Mutex
	last  error
}

func (c config) watch() (*network, error) {
	set := c.Crio.Network
	plugin, err := ocicni.InitCNI(set.Default, set.Dir, set.Dirs...)
	if err != nil {
		return nil, err
	}
	found := &network{last: plugin.Status()}
	go func() {
		for found.ready() != nil {
			time.Sleep(500 * time.Millisecond)
			err := plugin.Status()
			found.mutex.Lock()
			found.last = err
			found.mutex.Unlock()
		}
	}()
	return found, nil
}

func (n *network) ready() error {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	return n.last
}
