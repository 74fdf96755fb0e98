//! What keeps CRI-O from working here: pure judgements of facts that `verbs::check` reads.

mod neighbours;
mod storage;

pub use neighbours::{Neighbours, agreement, docker_driver, kubelet_driver};
pub use storage::storage;

use std::path::PathBuf;

pub use edge_host::{Finding, Severity};

use crate::config::{ConfFile, Driver, effective, is_stray, no_reference};
use crate::unit::UNIT;
use crate::version::Version;

/// systemd's default for conmon, which CRI-O takes for none under cgroupfs from this minor on.
const SLICE: &str = "system.slice";
const TAKES_SLICE: u32 = 33;

/// What CRI-O tries to load and cannot.
pub fn unloadable(all: &[(PathBuf, String)]) -> Vec<Finding> {
    let finding = |(path, why): &(PathBuf, String)| {
        Finding::error(
            path.display().to_string(),
            format!("{why}: CRI-O loads all of this directory, and does not start with it"),
        )
        .hint("mend it, or move it out of the directory")
    };
    all.iter().map(finding).collect()
}

/// Whether what runs is what is installed.
pub fn running(installed: Option<Version>, runs: Option<Version>) -> Option<Finding> {
    let (installed, runs) = installed.zip(runs).filter(|(installed, runs)| !installed.takes(*runs))?;
    let text = format!("CRI-O {runs} runs, and {installed} is installed");
    Some(
        Finding::warning(UNIT, text).hint(format!(
            "systemctl restart {UNIT}; if it is so again, another crio is started: systemctl cat {UNIT}"
        )),
    )
}

/// What is wrong with CRI-O's own files; `release` is the one that is installed, if that is known.
pub fn configuration(files: &[ConfFile], release: Option<Version>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| is_stray(&file.path)) {
        let text = "CRI-O loads it too, whatever its name: all of this directory and of those in it counts, in the order of the names";
        findings.push(
            Finding::warning(file.path.display().to_string(), text)
                .hint("move it out of the directory, unless it is meant to count"),
        );
    }
    let config = effective(files);
    for (file, why) in &config.broken {
        findings.push(
            Finding::error(file.display().to_string(), format!("is no TOML, and CRI-O does not start with it: {why}"))
                .hint("mend it, or move it out of the directory"),
        );
    }
    for wrong in &config.wrong {
        findings.push(
            Finding::error(wrong.file.display().to_string(), format!("{}: CRI-O does not start", wrong.why))
                .at(&wrong.key)
                .hint("set it, or take the line out: CRI-O has a default"),
        );
    }
    let takes_slice = release.is_some_and(|release| release.minor >= TAKES_SLICE);
    let slice = config.conmon_cgroup.as_ref().is_some_and(|setting| setting.value == SLICE);
    if let Some((file, why)) = config.conmon_fault().filter(|_| !(takes_slice && slice)) {
        findings.push(
            Finding::error(file.display().to_string(), format!("{why}: CRI-O does not start"))
                .at("crio.runtime.conmon_cgroup")
                .hint(format!("edge-crio install --cgroup-driver {} sets both", config.driver())),
        );
    }
    if let (None, Some(manager), false) = (&config.conmon_cgroup, &config.cgroup_manager, takes_slice)
        && manager.value == Driver::Cgroupfs.name()
    {
        let text = format!(
            "is not set, and with the cgroupfs driver CRI-O before 1.{TAKES_SLICE} may take {SLICE} and not start"
        );
        findings.push(
            Finding::warning(manager.file.display().to_string(), text)
                .at("crio.runtime.conmon_cgroup")
                .hint("edge-crio install --cgroup-driver cgroupfs sets both"),
        );
    }
    if let Some(image) = &config.pause_image
        && let Some(why) = no_reference(&image.value)
    {
        let text =
            format!("{:?} is no reference of an image, {why}: CRI-O does not start, or starts no pod", image.value);
        let finding = Finding::error(image.file.display().to_string(), text);
        findings.push(finding.at("crio.image.pause_image").hint("registry.k8s.io/pause:3.10 is one"));
    }
    if let Some(manager) = &config.cgroup_manager
        && Driver::parse(&manager.value).is_none()
    {
        findings.push(
            Finding::error(
                manager.file.display().to_string(),
                format!("{:?} is neither systemd nor cgroupfs: CRI-O does not start", manager.value),
            )
            .at("crio.runtime.cgroup_manager"),
        );
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_release_than_the_installed_one_is_told_of() {
        let of = |installed: &str, runs: &str| running(installed.parse().ok(), runs.parse().ok());
        assert_eq!(of("1.34.2", "1.30.4").unwrap().text, "CRI-O 1.30.4 runs, and 1.34.2 is installed");
        assert!(of("1.34.2", "1.34.1").is_some());
        for (installed, runs) in [("1.34.2", "1.34.2"), ("1.34", "1.34.2"), ("", "1.34.2"), ("1.34.2", "")] {
            assert_eq!(of(installed, runs), None, "{installed} {runs}");
        }
    }

    #[test]
    fn each_fault_of_the_files_is_found() {
        let file = |name: &str, text: &str| ConfFile {
            path: format!("/etc/crio/crio.conf.d/{name}").into(),
            text: text.to_owned(),
        };
        let files = [
            file("10-crio.conf", "[crio.runtime]\nconmon_cgroup = \"system.slice\"\n"),
            file("10-crio.conf.bak", "[crio.runtime]\ncgroup_manager = \"cgroupfs\"\n"),
            file("30.conf", "["),
        ];
        let shown: Vec<String> = configuration(&files, None)
            .iter()
            .map(|finding| format!("{} {} {}", finding.severity.word(), finding.file, finding.text))
            .collect();
        assert_eq!(shown.len(), 3, "{shown:#?}");
        assert!(shown[0].starts_with("warning /etc/crio/crio.conf.d/10-crio.conf.bak CRI-O loads it too"));
        assert!(shown[1].starts_with("error /etc/crio/crio.conf.d/30.conf is no TOML"));
        assert!(
            shown[2].starts_with(
                "error /etc/crio/crio.conf.d/10-crio.conf is \"system.slice\", but with the cgroupfs driver"
            )
        );
        // From 1.33 on system.slice is as good as nothing.
        let newer: Vec<Finding> = configuration(&files[..2], Some(Version::minor(33)));
        assert!(newer.iter().all(|finding| finding.severity == Severity::Warning), "{newer:#?}");
        let unset = configuration(&files[1..2], Some(Version::minor(32)));
        assert!(unset[1].text.starts_with("is not set, and with the cgroupfs driver"), "{unset:#?}");
        assert_eq!(configuration(&files[1..2], Some(Version::minor(33))).len(), 1);
        let bogus = [file("1.conf", "[crio.runtime]\ncgroup_manager = \"bogus\"\n")];
        assert!(configuration(&bogus, None)[0].text.contains("neither systemd nor cgroupfs"));
        assert!(configuration(&files[..1], None).is_empty());
    }
}
