//! Configuration of CRI-O and the containers tools: foreign TOML that is read and edited.

use std::path::PathBuf;

use edge_crio::config::{
    ConfFile, Driver, Effective, Keys, Mirror, OWN, drop_in, effective, invalid_line, metacopy_of, mirrors,
    without_metacopy,
};

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "toml",
    check,
    read,
    seeds: || {
        super::texts(&[
            "# mine\n[crio]\nlog_dir = \"/x\" # why\n[crio.runtime]\ncgroup_manager = 'systemd'\nconmon_cgroup = \"system.slice\"\n[crio.image]\npause_image = \"registry.k8s.io/pause:3.9\"\n",
            "crio.runtime.conmon_cgroup = 'pod'\ncrio.api.listen = \"/run/crio/crio.sock\"\n[crio.network]\nnetwork_dir = '/etc/cni/net.d'\nplugin_dirs = [\"/opt/cni/bin\", 'b',]\n",
            "[[registry]]\nlocation = \"docker.io\"\n[[registry.mirror]]\nlocation = \"m.example\"\ninsecure = true\n[storage.options.overlay]\nmountopt = \"nodev,metacopy=on\"\n",
            "crio = {runtime = {cgroup_manager = \"cgroupfs\"}}\nx = 1979-05-27T07:32:00Z\ny = [[1, 2], [3.5e-3, inf]]\n",
        ])
    },
    tokens: &[
        "[",
        "]",
        "[[",
        "]]",
        "{",
        "}",
        "=",
        " = ",
        ".",
        ",",
        "\n",
        "\r\n",
        "\"",
        "'",
        "\"\"\"",
        "'''",
        "#",
        "\\",
        "crio",
        "[crio.runtime]\n",
        "[crio]\n",
        "runtime",
        "image",
        "conmon_cgroup",
        "cgroup_manager = 1\n",
        "pause_image",
        "[[registry]]\n",
        "[[registry.mirror]]\n",
        "location = 'docker.io'\n",
        "storage",
        "mountopt = 'metacopy'\n",
        "1",
    ],
    growing: &[
        ("", "k{} = 1\n", ""),
        ("", "[t{}]\n", ""),
        ("", "[[registry]]\nlocation = 'r{}.example'\n", ""),
        ("[[registry]]\nlocation = 'docker.io'\n", "[[registry.mirror]]\nlocation = 'm{}.example'\n", ""),
        ("a = ", "[", ""),
        ("a = [", "1,", "]"),
        ("a = ", "{a = ", ""),
        ("", "a.", "b = 1\n"),
        ("a = \"\"\"", "x\n", "\"\"\"\n"),
        ("[crio.network]\nplugin_dirs = [", "'/p{}', ", "]\n"),
        ("[storage.options.overlay]\nmountopt = '", "metacopy=on,", "'\n"),
        ("", "# x\n", ""),
    ],
};

const PAUSE: &str = "registry.k8s.io/pause:3.10";

fn read(data: &[u8]) {
    let text = super::text(data);
    let _ = (drop_in(&text, &keys(Driver::Cgroupfs)), of(&text), mirrors(&text, &requested()), metacopy_of(&text));
}

fn keys(driver: Driver) -> Keys {
    Keys { driver: Some(driver), pause_image: Some(PAUSE.to_owned()) }
}

fn requested() -> Vec<Mirror> {
    let texts = ["docker.io=https://m.example", "quay.io=http://n.example:5000/x"];
    texts.iter().map(|text| text.parse().expect("a mirror")).collect()
}

fn of(text: &str) -> Effective {
    effective(&[ConfFile { path: PathBuf::from(OWN), text: text.to_owned() }])
}

fn check(data: &[u8]) {
    let text = super::text(data);
    let before = of(&text);
    for driver in [Driver::Systemd, Driver::Cgroupfs] {
        let keys = keys(driver);
        let Ok((edited, details)) = drop_in(&text, &keys) else { continue };
        let after = of(&edited);
        assert_eq!((after.driver(), after.invalid_conmon_cgroup()), (driver.name(), None), "{edited}");
        assert_eq!(after.pause_image.as_ref().map(|setting| setting.value.as_str()), Some(PAUSE));
        assert_eq!(details.is_empty(), edited == text, "{details:?}");
        assert_eq!(drop_in(&edited, &keys).expect("it was accepted before"), (edited.clone(), Vec::new()));
        // Nothing else has changed.
        let others = |all: &Effective| {
            let texts = [&all.listen, &all.network_dir, &all.default_network];
            let texts = texts.map(|setting| setting.as_ref().map(|setting| setting.value.clone()));
            (texts, all.plugin_dirs.as_ref().map(|setting| setting.value.clone()))
        };
        assert_eq!(others(&after), others(&before), "{edited}");
        assert!(after.unparsable.is_empty() && before.unparsable.is_empty());
    }
    if let Ok((edited, details)) = mirrors(&text, &requested()) {
        assert_eq!(details.is_empty(), edited == text, "{details:?}");
        assert_eq!(mirrors(&edited, &requested()).expect("it was accepted before"), (edited, Vec::new()));
    }
    match without_metacopy("x", &text) {
        Ok(edited) => {
            assert_eq!(metacopy_of(&edited), None, "{edited}");
            assert_eq!(without_metacopy("x", &edited).expect("it was accepted before"), edited);
        }
        Err(_) => assert!(invalid_line(&text).is_some()),
    }
}
