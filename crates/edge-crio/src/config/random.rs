//! Properties of every edit of a configuration, tested with random files.

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;

/// Lines of such files; a random sequence of them is sometimes valid TOML.
const LINES: [&str; 27] = [
    "# mine",
    "",
    "[crio]",
    "crio.runtime.log_level = 'debug'",
    "crio.runtime.conmon_cgroup = 'system.slice' # why",
    "crio = {runtime = {conmon_cgroup = \"system.slice\"}}",
    "[crio.runtime]",
    "runtime = {cgroup_manager = 'systemd'}",
    "  cgroup_manager = \"cgroupfs\" # why",
    "conmon_cgroup = 5",
    "conmon_cgroup = 'pod'",
    "[crio.runtime.runtimes.runc]",
    "[crio.image]",
    "pause_image = \"\"",
    "pause_image = \"\"\"\nregistry.k8s.io/pause:3.9\"\"\"",
    "[crio.network]",
    "plugin_dirs = [\"/a\", 'b', \"\",]",
    "[[registry]]",
    "location = \"docker.io\"",
    "prefix = 'quay.io'",
    "[[registry.mirror]]",
    "insecure = true",
    "registry = [{location = 'docker.io'}]",
    "[storage.options]",
    "[storage.options.overlay]",
    "mountopt = \"nodev,metacopy=on\" # kept",
    "mountopt = ' metacopy = on ,metacopy, nodev'",
];

fn text() -> impl Strategy<Value = String> {
    let line = proptest::sample::select(LINES.as_slice());
    (proptest::collection::vec(line, 0..8), prop_oneof![Just("\n"), Just("\r\n")])
        .prop_map(|(lines, end)| lines.iter().flat_map(|line| [*line, end]).collect())
}

fn comments(text: &str) -> usize {
    ["# mine", "# why", "# kept"].iter().map(|comment| text.matches(comment).count()).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn drop_in_sets_the_requested_keys_and_is_idempotent(text in text(), systemd: bool) {
        let driver = if systemd { Driver::Systemd } else { Driver::Cgroupfs };
        let keys = Keys { driver: Some(driver), pause_image: Some("registry.k8s.io/pause:3.10".to_owned()) };
        let Ok((edited, details)) = drop_in(&text, &keys) else { return Ok(()) };
        let all = effective(&[ConfFile { path: PathBuf::from(OWN), text: edited.clone() }]);
        prop_assert_eq!(all.driver(), driver.name());
        prop_assert_eq!(all.invalid_conmon_cgroup(), None);
        prop_assert_eq!(&all.pause_image.map(|setting| setting.value), &keys.pause_image);
        prop_assert!(all.unparsable.is_empty());
        prop_assert_eq!(details.is_empty(), edited == text, "{:?}", details);
        prop_assert_eq!(edited.matches("# mine").count(), text.matches("# mine").count(), "{}", edited);
        prop_assert_eq!(drop_in(&edited, &keys).unwrap(), (edited, vec![]));
    }

    #[test]
    fn mirrors_are_added_and_adding_is_idempotent(text in text()) {
        let requested: Vec<Mirror> =
            ["docker.io=https://m.example", "quay.io=http://n.example:5000/x", "docker.io=https://o.example"]
                .map(|text| text.parse().unwrap())
                .to_vec();
        let Ok((edited, details)) = mirrors(&text, &requested) else { return Ok(()) };
        prop_assert_eq!(details.is_empty(), edited == text);
        for mirror in &requested {
            let line = format!("location = \"{}\"", mirror.location);
            prop_assert!(edited.contains(&line), "{}", edited);
        }
        prop_assert_eq!(mirrors(&edited, &requested).unwrap(), (edited, vec![]));
    }

    #[test]
    fn without_metacopy_removes_nothing_else(text in text()) {
        let Ok(edited) = without_metacopy("x", &text) else {
            prop_assert!(invalid_line(&text).is_some());
            return Ok(());
        };
        prop_assert_eq!(metacopy_of(&edited), None, "{}", edited);
        prop_assert_eq!(comments(&edited), comments(&text));
        prop_assert_eq!(edited.matches("nodev").count(), text.matches("nodev").count());
        prop_assert_eq!(without_metacopy("x", &edited).unwrap(), edited);
    }

    #[test]
    fn effective_accepts_any_files(texts in proptest::collection::vec(text(), 0..4), junk in "\\PC{0,40}") {
        let file = |text: &String| ConfFile { path: PathBuf::from(OWN), text: text.clone() };
        let mut files: Vec<ConfFile> = texts.iter().map(file).collect();
        let before = effective(&files);
        files.push(file(&junk));
        let after = effective(&files);
        // A file that is not valid TOML changes no setting.
        if after.unparsable.len() > before.unparsable.len() {
            let mut after = after;
            after.unparsable.clone_from(&before.unparsable);
            prop_assert_eq!(after, before);
        }
    }
}
