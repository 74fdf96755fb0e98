//! Reading and editing containerd's files.

use std::path::Path;

use edge_fetch::RegistryMirror;
use edge_host::Exit;

use super::config::{Config, Form};
use super::edit::{Settings, config, hosts};
use super::major_of;

/// The file of Docker's packages, without its comments' text.
const DOCKER: &str = "# about\n\ndisabled_plugins = [\"cri\"]\n\n#root = \"/var/lib/containerd\"\n";

fn all() -> Settings {
    Settings { systemd_cgroup: Some(true), pause_image: Some("r.example/pause:3.10".to_owned()), has_mirrors: true }
}

fn edited(text: &str, settings: &Settings, major: u32) -> (String, Vec<String>) {
    config(Path::new("/c"), text, settings, major).unwrap()
}

#[test]
fn config_of_dockers_package_gets_the_cri_in_the_form_of_its_version() {
    let (text, details) = edited(DOCKER, &all(), 1);
    let cri = "plugins.\"io.containerd.grpc.v1.cri\"";
    assert_eq!(
        text,
        format!(
            "# about\n\ndisabled_plugins = []\nversion = 2\n\n[{cri}]\nsandbox_image = \"r.example/pause:3.10\"\n\n\
             [{cri}.containerd.runtimes.runc]\nruntime_type = \"io.containerd.runc.v2\"\n\n\
             [{cri}.containerd.runtimes.runc.options]\nSystemdCgroup = true\n\n\
             [{cri}.registry]\nconfig_path = \"/etc/containerd/certs.d\"\n\n#root = \"/var/lib/containerd\"\n"
        )
    );
    assert_eq!(details.len(), 5, "{details:?}");
    assert_eq!(edited(&text, &all(), 1), (text, vec![]));
    let (text, _) = edited(DOCKER, &all(), 2);
    for line in [
        "version = 3\n",
        "[plugins.\"io.containerd.cri.v1.runtime\".containerd.runtimes.runc.options]\nSystemdCgroup = true\n",
        "[plugins.\"io.containerd.cri.v1.images\".pinned_images]\nsandbox = \"r.example/pause:3.10\"\n",
        "[plugins.\"io.containerd.cri.v1.images\".registry]\nconfig_path = ",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert_eq!(edited(&text, &all(), 2), (text, vec![]));
    // Nothing is requested, and nothing is in the way of the CRI.
    assert_eq!(edited("", &Settings::default(), 1), (String::new(), vec![]));
}

#[test]
fn config_keeps_comments_and_other_settings() {
    let text = "version = 2 # two\n[plugins]\n  [plugins.'io.containerd.grpc.v1.cri']\n    sandbox_image = 'k8s.gcr.io/pause:3.2' # old\n    \
                [plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes.runc]\n      runtime_type = 'io.containerd.runc.v2'\n      \
                [plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes.runc.options]\n        SystemdCgroup = false # why\n        \
                BinaryName = 'x'\n";
    let (changed, details) = edited(text, &Settings { has_mirrors: false, ..all() }, 1);
    let want = text
        .replace("false # why", "true # why")
        .replace("'k8s.gcr.io/pause:3.2' # old", "\"r.example/pause:3.10\" # old");
    assert_eq!(changed, want);
    assert_eq!(details.len(), 2);
    assert!(details[1].ends_with("sandbox_image: k8s.gcr.io/pause:3.2 -> r.example/pause:3.10"), "{details:?}");
    // containerd 2 reads this form, too, and it is edited where it is.
    assert_eq!(edited(text, &Settings { has_mirrors: false, ..all() }, 2).0, changed);
    let (back, _) = edited(&changed, &Settings { systemd_cgroup: Some(false), ..Settings::default() }, 1);
    assert!(back.contains("SystemdCgroup = false # why"), "{back}");
    let inline = "version = 2\nplugins = { \"io.containerd.grpc.v1.cri\" = { sandbox_image = \"a\" } }\n";
    let (changed, _) = edited(inline, &all(), 1);
    assert_eq!(edited(&changed, &all(), 1), (changed, vec![]));
}

#[test]
fn config_with_another_default_runtime_is_edited_there() {
    let text = "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.containerd]\ndefault_runtime_name = 'crun'\n\
                [plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes.crun]\nruntime_type = 'KIND'\n";
    let settings = Settings { systemd_cgroup: Some(true), ..Settings::default() };
    let (changed, _) = edited(&text.replace("KIND", "io.containerd.runc.v2"), &settings, 1);
    assert!(changed.contains("runtimes.crun.options]\nSystemdCgroup = true\n"), "{changed}");
    let error = config(Path::new("/c"), &text.replace("KIND", "io.containerd.kata.v2"), &settings, 1).unwrap_err();
    assert!(
        error.exit() == Exit::Refused && error.message().contains("crun is of the type io.containerd.kata.v2"),
        "{error}"
    );
}

#[test]
fn config_that_containerd_would_not_understand_is_refused() {
    for (text, major, said) in [
        ("a = [", 1, "line 1 is not valid TOML"),
        ("version = 2\n\n<html>\n", 1, "line 3 is not valid TOML"),
        ("[plugins.cri]\nsandbox_image = 'x'\n", 1, "\"cri\" is a name of version 1 of the file"),
        ("disabled_plugins = ['cri', 'aufs']\n", 1, "\"aufs\" is a name of version 1"),
        ("version = 3\n", 1, "it has version 3, which containerd 1 does not read"),
        ("version = 1\n", 1, "it has version 1, expected 2 or 3"),
        ("version = 2\nplugins = 1\n", 1, "plugins is not a table"),
        (
            "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.registry.mirrors.'docker.io']\nendpoint = ['https://x']\n",
            1,
            "line 2 has mirrors",
        ),
    ] {
        let error = config(Path::new("/c"), text, &all(), major).unwrap_err();
        assert!(error.message().contains(said), "{text}: {error}");
        assert!(error.exit() == Exit::Refused && error.hint_text().is_some(), "{text}");
    }
}

#[test]
fn parse_returns_settings_with_their_lines() {
    let text = "version = 2\ndisabled_plugins = [\n 'io.containerd.grpc.v1.cri']\nimports = ['conf.d/*.toml']\n[grpc]\naddress = '/run/x.sock'\n\
                [plugins.'io.containerd.grpc.v1.cri'.cni]\nbin_dir = '/usr/lib/cni'\n[plugins.'io.containerd.grpc.v1.cri'.registry]\nconfig_path = '/a:/b'\n";
    let config = Config::parse(text, 1).unwrap();
    assert_eq!((config.disabled, config.socket(), config.driver()), (Some(2), "/run/x.sock", "cgroupfs"));
    assert_eq!((config.bin_dir.as_ref().unwrap().line, config.hosts_dir().to_str()), (8, Some("/a")));
    assert_eq!((config.imports.as_slice(), config.form(1)), (["conf.d/*.toml".to_owned()].as_slice(), Form::V2));
    assert_eq!(Config::parse("", 2).unwrap().form(2), Form::V3);
    for (version, major) in [
        ("1.6.20~ds1-1+b1", Some(1)),
        ("2.1.3-1~debian.12~bookworm", Some(2)),
        ("v1.7.24", Some(1)),
        ("5:28.0", Some(28)),
        ("x", None),
    ] {
        assert_eq!(major_of(version), major, "{version}");
    }
}

#[test]
fn hosts_has_the_mirrors_first_and_keeps_the_rest() {
    let mirrors: Vec<RegistryMirror> = ["docker.io=https://m.example/hub/", "docker.io=http://10.0.0.1:5000"]
        .iter()
        .map(|text| text.parse().unwrap())
        .collect();
    let mirrors: Vec<&RegistryMirror> = mirrors.iter().collect();
    let path = Path::new("/h");
    let (text, details) = hosts(path, "", &mirrors).unwrap();
    let host = |url: &str| format!("[host.\"{url}\"]\ncapabilities = [\"pull\", \"resolve\"]\n");
    let body = format!("{}\n{}", host("https://m.example/hub"), host("http://10.0.0.1:5000"));
    assert!(text.starts_with("# Made by edge-pkg.") && text.ends_with(&body), "{text}");
    assert_eq!(details, ["mirror https://m.example/hub", "mirror http://10.0.0.1:5000"]);
    assert_eq!(hosts(path, &text, &mirrors).unwrap(), (text, vec![]));
    // Another host of before is asked after them, with its settings.
    let before = "server = 'https://registry-1.docker.io' # mine\n\n[host.'https://old.example']\n  skip_verify = true # mine too\n";
    let (text, _) = hosts(path, before, &mirrors[..1]).unwrap();
    assert!(text.starts_with("server = 'https://registry-1.docker.io' # mine\n"), "{text}");
    let (first, last) = (text.find("m.example").unwrap(), text.find("old.example").unwrap());
    assert!(first < last && text.contains("skip_verify = true # mine too"), "{text}");
    assert_eq!(hosts(path, &text, &mirrors[..1]).unwrap().1, Vec::<String>::new());
    // However it is written: toml_edit prints values before tables, and tables of tables where they were.
    for before in [
        "[host]\n'https://old.example' = {skip_verify = true}\n",
        "host.'https://old.example'.skip_verify = true\n",
        "server = 'https://docker.io'\n[host.'https://old.example'.header]\nx = 'skip_verify = true'\n",
        "[host.'https://old.example']\nskip_verify = true\n[host.'https://m.example/hub']\n",
    ] {
        let (text, _) = hosts(path, before, &mirrors[..1]).unwrap();
        let (first, last) = (text.find("m.example").unwrap(), text.find("old.example").unwrap());
        assert!(first < last && text.contains("skip_verify = true"), "{text}");
    }
    for bad in ["host = 1\n", "[host]\n'https://old.example' = 1\n", "<html>"] {
        assert_eq!(hosts(path, bad, &mirrors).unwrap_err().exit(), Exit::Refused, "{bad}");
    }
}
