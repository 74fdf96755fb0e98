//! Finds problems that keep CRI-O from working; pure: `verbs::check` reads the facts.

mod services;
mod storage;

pub use services::{OtherServices, docker_driver, kubelet_driver, services};
pub use storage::storage;

use std::path::PathBuf;

pub use edge_host::{Finding, Severity};

use crate::config::{ConfFile, Driver, effective, is_stray, reference_problem};
use crate::unit::UNIT;
use crate::version::Version;

/// systemd's default for conmon, which CRI-O accepts and ignores with cgroupfs from this minor version on.
const SLICE: &str = "system.slice";
const ACCEPTS_SLICE: u32 = 33;

/// Files that CRI-O tries to load and cannot.
pub fn unloadable(all: &[(PathBuf, String)]) -> Vec<Finding> {
    let finding = |(path, problem): &(PathBuf, String)| {
        Finding::error(path, format!("{problem}: CRI-O does not start, as it loads every file in this directory"))
            .hint("repair it, or move it out of the directory")
    };
    all.iter().map(finding).collect()
}

/// Reports a running release that is not the installed one.
pub fn running(installed: Option<Version>, runs: Option<Version>) -> Option<Finding> {
    let (installed, runs) = installed.zip(runs).filter(|(installed, runs)| !installed.matches(*runs))?;
    let text = format!("CRI-O {runs} is running, but {installed} is installed");
    Some(Finding::warning(UNIT, text).hint(format!(
        "restart it: systemctl restart {UNIT}; if that does not help, see what it starts: systemctl cat {UNIT}"
    )))
}

/// Problems of CRI-O's own files; `release` is the installed release, if it is known.
pub fn configuration(files: &[ConfFile], release: Option<Version>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| is_stray(&file.path)) {
        let text = "CRI-O loads this file, too: it loads every file in this directory and its subdirectories";
        findings.push(
            Finding::warning(&file.path, text).hint("move it out of the directory, unless it is meant to be loaded"),
        );
    }
    let config = effective(files);
    for (file, line) in &config.unparsable {
        let finding = Finding::error(file, "is not valid TOML: CRI-O does not start").on_line(Some(*line));
        findings.push(finding.hint("repair it, or move it out of the directory"));
    }
    for one in &config.invalid {
        let finding = Finding::error(&one.file, format!("{}: CRI-O does not start", one.problem)).at(&one.key);
        findings.push(finding.hint("set a value, or remove the line to use the default"));
    }
    let accepts_slice = release.is_some_and(|release| release.minor >= ACCEPTS_SLICE);
    let slice = config.conmon_cgroup.as_ref().is_some_and(|setting| setting.value == SLICE);
    if let Some((file, problem)) = config.invalid_conmon_cgroup().filter(|_| !(accepts_slice && slice)) {
        findings.push(
            Finding::error(file, format!("{problem}: CRI-O does not start"))
                .at("crio.runtime.conmon_cgroup")
                .hint(format!("set both: edge-crio install --version V --cgroup-driver {}", config.driver())),
        );
    }
    if let (None, Some(manager), false) = (&config.conmon_cgroup, &config.cgroup_manager, accepts_slice)
        && manager.value == Driver::Cgroupfs.name()
    {
        let text = format!(
            "is not set: with the cgroupfs driver CRI-O before 1.{ACCEPTS_SLICE} may default to {SLICE} and not start"
        );
        findings.push(
            Finding::warning(&manager.file, text)
                .at("crio.runtime.conmon_cgroup")
                .hint("set both: edge-crio install --version V --cgroup-driver cgroupfs"),
        );
    }
    if let Some(image) = &config.pause_image
        && let Some(problem) = reference_problem(&image.value)
    {
        let text = format!(
            "{:?} is not a valid image reference, {problem}: CRI-O does not start, or cannot start pods",
            image.value
        );
        let finding = Finding::error(&image.file, text);
        findings.push(finding.at("crio.image.pause_image").hint("set a reference such as registry.k8s.io/pause:3.10"));
    }
    if let Some(manager) = &config.cgroup_manager
        && Driver::parse(&manager.value).is_none()
    {
        findings.push(
            Finding::error(
                &manager.file,
                format!(
                    "{:?} is not a valid cgroup driver, expected systemd or cgroupfs: CRI-O does not start",
                    manager.value
                ),
            )
            .at("crio.runtime.cgroup_manager")
            .hint("set it: edge-crio install --version V --cgroup-driver systemd"),
        );
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_reports_another_release_than_the_installed_one() {
        let of = |installed: &str, runs: &str| running(installed.parse().ok(), runs.parse().ok());
        assert_eq!(of("1.34.2", "1.30.4").unwrap().text, "CRI-O 1.30.4 is running, but 1.34.2 is installed");
        assert!(of("1.34.2", "1.34.1").is_some());
        for (installed, runs) in [("1.34.2", "1.34.2"), ("1.34", "1.34.2"), ("", "1.34.2"), ("1.34.2", "")] {
            assert_eq!(of(installed, runs), None, "{installed} {runs}");
        }
    }

    #[test]
    fn configuration_reports_each_problem_of_the_files() {
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
        assert!(shown[0].starts_with("warning /etc/crio/crio.conf.d/10-crio.conf.bak CRI-O loads this file, too"));
        assert!(shown[1].starts_with("error /etc/crio/crio.conf.d/30.conf is not valid TOML"));
        assert!(
            shown[2].starts_with(
                "error /etc/crio/crio.conf.d/10-crio.conf is \"system.slice\", but with the cgroupfs driver"
            )
        );
        // From 1.33 on system.slice is ignored.
        let newer: Vec<Finding> = configuration(&files[..2], Some(Version::minor(33)));
        assert!(newer.iter().all(|finding| finding.severity == Severity::Warning), "{newer:#?}");
        let unset = configuration(&files[1..2], Some(Version::minor(32)));
        assert!(unset[1].text.starts_with("is not set: with the cgroupfs driver"), "{unset:#?}");
        assert_eq!(configuration(&files[1..2], Some(Version::minor(33))).len(), 1);
        let bogus = [file("1.conf", "[crio.runtime]\ncgroup_manager = \"bogus\"\n")];
        assert!(configuration(&bogus, None)[0].text.contains("expected systemd or cgroupfs"));
        assert!(configuration(&files[..1], None).is_empty());
    }
}
