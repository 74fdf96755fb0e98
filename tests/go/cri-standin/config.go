package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

type config struct {
	listen, cgroupManager, conmonCgroup, networkDir, pluginDir string
}

// read takes every regular file of the directory in the order of the names, as CRI-O does, whatever it
// is called. Only `key = "value"` lines are understood.
func read(dir string) (config, error) {
	found := config{cgroupManager: "systemd", networkDir: "/etc/cni/net.d", pluginDir: "/opt/cni/bin"}
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		return found, err
	}
	keys := map[string]*string{
		"listen": &found.listen, "cgroup_manager": &found.cgroupManager, "conmon_cgroup": &found.conmonCgroup,
		"network_dir": &found.networkDir,
	}
	for _, entry := range entries {
		if !entry.Type().IsRegular() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return found, err
		}
		for _, line := range strings.Split(string(text), "\n") {
			key, value, has := strings.Cut(line, "=")
			if into := keys[strings.TrimSpace(key)]; has && into != nil {
				*into = strings.Trim(strings.TrimSpace(value), `"`)
			}
		}
	}
	return found, found.check()
}

func (c config) check() error {
	switch c.cgroupManager {
	case "systemd":
	case "cgroupfs":
		if c.conmonCgroup != "pod" && c.conmonCgroup != "" {
			return fmt.Errorf("validating runtime config: cgroupfs manager conmon cgroup should be 'pod' or empty")
		}
	default:
		return fmt.Errorf("invalid cgroup manager: %s", c.cgroupManager)
	}
	return nil
}

type conflist struct {
	CNIVersion string `json:"cniVersion"`
	Type       string `json:"type"`
	Plugins    []struct {
		Type string `json:"type"`
	} `json:"plugins"`
}

// network is nil where some conflist has all of its plugins, in a version that they support.
func (c config) network() error {
	files, err := filepath.Glob(filepath.Join(c.networkDir, "*.conf*"))
	if err != nil {
		return err
	}
	last := fmt.Errorf("no conflist in %s", c.networkDir)
	slices.Sort(files)
	for _, file := range files {
		if extension := filepath.Ext(file); extension != ".conf" && extension != ".conflist" {
			continue
		}
		if last = c.usable(file); last == nil {
			return nil
		}
	}
	return last
}

func (c config) usable(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var list conflist
	if err := json.Unmarshal(text, &list); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if list.Type != "" {
		list.Plugins = append(list.Plugins, struct {
			Type string `json:"type"`
		}{list.Type})
	}
	for _, plugin := range list.Plugins {
		command := exec.Command(filepath.Join(c.pluginDir, plugin.Type))
		command.Env = []string{"CNI_COMMAND=VERSION"}
		command.Stdin = bytes.NewBufferString(fmt.Sprintf(`{"cniVersion":%q}`, list.CNIVersion))
		said, err := command.Output()
		if err != nil {
			return fmt.Errorf("%s: %s: %w", file, plugin.Type, err)
		}
		var versions struct {
			SupportedVersions []string `json:"supportedVersions"`
		}
		if err := json.Unmarshal(said, &versions); err != nil {
			return err
		}
		if !slices.Contains(versions.SupportedVersions, list.CNIVersion) {
			return fmt.Errorf("%s: plugin %s does not support config version %q", file, plugin.Type, list.CNIVersion)
		}
	}
	return nil
}
