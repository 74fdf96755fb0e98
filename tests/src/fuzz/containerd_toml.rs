//! containerd's config.toml and hosts.toml: foreign TOML that is edited key by key.

use std::path::Path;

use edge_fetch::RegistryMirror;
use edge_pkg::containerd::config::Config;
use edge_pkg::containerd::edit::{Settings, config, hosts};
use toml_edit::DocumentMut;

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "containerd_toml",
    check,
    read,
    seeds: || {
        super::texts(&[
            "disabled_plugins = [\"cri\"]\n",
            "version = 2 # form\n[plugins.\"io.containerd.grpc.v1.cri\"]\n  sandbox_image = \"registry.k8s.io/pause:3.8\"\n  [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\n    runtime_type = \"io.containerd.runc.v2\"\n    [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]\n      SystemdCgroup = false\n",
            "version = 3\n[plugins.'io.containerd.cri.v1.images']\nregistry.config_path = '/etc/containerd/certs.d:/etc/docker/certs.d'\n[plugins.'io.containerd.cri.v1.runtime'.containerd]\ndefault_runtime_name = 'crun'\nruntimes = {crun = {runtime_type = 'io.containerd.runc.v2', options = {BinaryName = '/usr/bin/crun'}}}\n[grpc]\naddress = '/run/c.sock'\n",
            "server = \"https://docker.io\"\n[host.\"https://m.example\"]\ncapabilities = [\"pull\"]\nskip_verify = true\n[host.\"https://o.example\".header]\nx = 'y'\n",
        ])
    },
    tokens: &[
        "[",
        "]",
        "{",
        "}",
        " = ",
        ".",
        ", ",
        "\n",
        "\r\n",
        "\"",
        "'",
        "'''",
        "#",
        "version = 2\n",
        "version = 3\n",
        "disabled_plugins = ['cri']\n",
        "[plugins]\n",
        "[plugins.'io.containerd.grpc.v1.cri']\n",
        "[plugins.'io.containerd.cri.v1.images'.pinned_images]\n",
        "sandbox_image = 1\n",
        "sandbox = 'a'\n",
        "containerd",
        "runtimes",
        "options",
        "SystemdCgroup = true\n",
        "config_path",
        "imports = ['/x']\n",
        "[host]\n",
        "[host.'https://m.example']\n",
        "[[host]]\n",
    ],
    growing: &[
        ("", "[t{}]\nk = 1\n", ""),
        ("", "k{} = 1\n", ""),
        ("disabled_plugins = [", "'p{}', ", "'cri']\n"),
        ("version = 2\n", "[plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes.r{}]\nruntime_type = 'a'\n", ""),
        ("server = 'https://docker.io'\n", "[host.'https://h{}.example']\ncapabilities = ['pull']\n", ""),
        ("host = {", "'https://h{}.example' = {}, ", "x = {}}\n"),
        ("a = ", "[", ""),
        ("", "# c\n", ""),
    ],
};

fn settings() -> Settings {
    Settings { systemd_cgroup: Some(true), pause_image: Some("r.example/pause:3.10".to_owned()), has_mirrors: true }
}

fn mirrors() -> Vec<RegistryMirror> {
    let texts = ["docker.io=https://m.example", "docker.io=http://n.example:5000"];
    texts.iter().map(|text| text.parse().expect("a mirror")).collect()
}

fn read(data: &[u8]) {
    let (text, path, mirrors) = (super::text(data), Path::new("x.toml"), mirrors());
    for major in [1, 2] {
        let _ = config(path, &text, &settings(), major);
    }
    let _ = hosts(path, &text, &mirrors.iter().collect::<Vec<_>>());
}

fn check(data: &[u8]) {
    let (text, path) = (super::text(data), Path::new("x.toml"));
    for major in [1, 2] {
        let Ok((edited, details)) = config(path, &text, &settings(), major) else { continue };
        assert_eq!(details.is_empty(), edited == text, "{details:?}");
        let again = config(path, &edited, &settings(), major).expect("it was accepted before");
        assert_eq!(again, (edited.clone(), Vec::new()), "a second run changes nothing");
        let after = Config::parse(&edited, major).expect("it was edited");
        assert_eq!(after.driver(), "systemd", "{edited}");
        assert_eq!(after.sandbox.map(|setting| setting.value), settings().pause_image, "{edited}");
        assert!(after.disabled.is_none() && after.registries.is_some(), "{edited}");
        if let Ok(before) = Config::parse(&text, major) {
            assert_eq!(after.runtime, before.runtime, "{edited}");
            assert_eq!(after.bin_dir.map(|setting| setting.value), before.bin_dir.map(|setting| setting.value));
        }
    }
    let mirrors = mirrors();
    let mirrors: Vec<&RegistryMirror> = mirrors.iter().collect();
    let Ok((edited, details)) = hosts(path, &text, &mirrors) else { return };
    assert_eq!(details.is_empty(), edited == text, "{details:?}");
    assert_eq!(hosts(path, &edited, &mirrors).expect("it was accepted before"), (edited.clone(), Vec::new()));
    let names = |text: &str| -> Vec<String> {
        let document: DocumentMut = text.parse().expect("it is TOML");
        let hosts = document.get("host").and_then(|item| item.as_table_like());
        hosts.map(|hosts| hosts.iter().map(|(name, _)| name.to_owned()).collect()).unwrap_or_default()
    };
    let wanted: Vec<String> = mirrors.iter().map(|mirror| mirror.url()).collect();
    let others = names(&text).into_iter().filter(|name| !wanted.contains(name));
    assert_eq!(names(&edited), wanted.clone().into_iter().chain(others).collect::<Vec<_>>(), "{edited}");
}
