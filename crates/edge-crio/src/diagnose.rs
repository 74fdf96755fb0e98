//! Finds problems that keep CRI-O from working; pure: `verbs::check` reads the facts.

mod keys;
mod references;
mod services;
mod storage;

pub use keys::keys;
pub use references::references;
pub use services::{OtherServices, docker_driver, kubelet_driver, services};
pub use storage::{IGNORES_METACOPY, storage};

use std::path::{Path, PathBuf};

pub use edge_host::{Finding, Severity};

use crate::config::{ConfFile, Current, Driver, MAIN, Setting, is_stray, reference_problem};
use crate::unit::UNIT;
use crate::version::Version;

/// systemd's default for conmon, which CRI-O accepts and ignores with cgroupfs from this minor version on.
const SLICE: &str = "system.slice";
const ACCEPTS_SLICE: u32 = 33;

/// Files that CRI-O tries to load and cannot.
pub fn unloadable(all: &[(PathBuf, String)]) -> Vec<Finding> {
    let finding = |(path, problem): &(PathBuf, String)| {
        Finding::error(
            path,
            format!("the file {problem}: CRI-O does not start, as it loads every file in this directory"),
        )
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
pub fn configuration(current: &Current, release: Option<Version>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let dir = current.options.dropin_dir();
    let is_stray = |file: &&ConfFile| dir.as_ref().is_some_and(|dir| is_stray(&file.path, dir));
    for file in current.files.iter().filter(is_stray) {
        let text = "CRI-O loads this file, too: it loads every file in this directory and its subdirectories";
        findings.push(
            Finding::warning(&file.path, text).hint("move it out of the directory, unless it is meant to be loaded"),
        );
    }
    let config = &current.effective;
    for (file, line) in &config.unparsable {
        let finding = Finding::error(file, "the file is not valid TOML: CRI-O does not start").on_line(Some(*line));
        let hint = if *file == Path::new(MAIN) { "repair it" } else { "repair it, or move it out of the directory" };
        findings.push(finding.hint(hint));
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
                .on_line(config.conmon_cgroup.as_ref().map(|setting| setting.line))
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
                .on_line(Some(manager.line))
                .at("crio.runtime.conmon_cgroup")
                .hint("set both: edge-crio install --version V --cgroup-driver cgroupfs"),
        );
    }
    findings.extend(listen(config.listen.as_ref(), config.socket()));
    if let Some(image) = &config.pause_image
        && let Some(problem) = reference_problem(&image.value)
    {
        let text = format!(
            "{:?} is not a valid image reference, {problem}: CRI-O does not start, or cannot start pods",
            image.value
        );
        let finding = Finding::error(&image.file, text);
        let finding = finding.on_line(Some(image.line)).at("crio.image.pause_image");
        findings.push(finding.hint("set a reference such as registry.k8s.io/pause:3.10"));
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
            .on_line(Some(manager.line))
            .at("crio.runtime.cgroup_manager")
            .hint("set it: edge-crio install --version V --cgroup-driver systemd"),
        );
    }
    findings
}

/// CRI-O takes `listen` for a path of the file system, whatever it begins with.
fn listen(listen: Option<&Setting>, socket: &str) -> Option<Finding> {
    let Setting { value, file, line } = listen.filter(|setting| !setting.value.starts_with(['/', '@']))?;
    if value.is_empty() {
        return None;
    }
    let path = value.strip_prefix(UNIX).filter(|path| path.starts_with('/'));
    let finding = match path {
        Some(path) => Finding::error(
            file,
            format!("{value:?} is not a path: CRI-O creates the socket {socket}, and nothing answers on {path}"),
        )
        .hint(format!("set it to {path}, and restart CRI-O: systemctl restart {UNIT}")),
        None => Finding::warning(
            file,
            format!(
                "{value:?} is not an absolute path: CRI-O creates the socket {socket}, below its working directory"
            ),
        )
        .hint(format!("set an absolute path such as {DEFAULT_SOCKET}, and restart CRI-O: systemctl restart {UNIT}")),
    };
    Some(finding.on_line(Some(*line)).at("crio.api.listen"))
}

const UNIX: &str = "unix://";
const DEFAULT_SOCKET: &str = "/var/run/crio/crio.sock";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Options;

    #[test]
    fn listen_must_be_a_path() {
        let of = |listen: &str| {
            let text = format!("[crio.api]\nlisten = {listen:?}\n");
            let files = vec![ConfFile { path: "/etc/crio/crio.conf".into(), text }];
            let findings = configuration(&Current::of(files, Options::default()), None);
            findings.first().map(|one| format!("{} {} {}", one.severity.word(), one.line.unwrap_or(0), one.text))
        };
        assert_eq!(of("/run/crio/crio.sock"), None);
        let text = "error 2 \"unix:///run/crio/crio.sock\" is not a path: CRI-O creates the socket \
                    /unix:/run/crio/crio.sock, and nothing answers on /run/crio/crio.sock";
        assert_eq!(of("unix:///run/crio/crio.sock").as_deref(), Some(text));
        for relative in ["crio.sock", "unix:crio.sock", "run/crio/crio.sock"] {
            assert!(of(relative).unwrap().starts_with("warning 2 "), "{relative}");
        }
    }

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
        let of = |files: &[ConfFile], release| configuration(&Current::of(files.to_vec(), Options::default()), release);
        let shown: Vec<String> = of(&files, None)
            .iter()
            .map(|finding| format!("{} {} {}", finding.severity.word(), finding.file, finding.text))
            .collect();
        assert_eq!(shown.len(), 3, "{shown:#?}");
        assert!(shown[0].starts_with("warning /etc/crio/crio.conf.d/10-crio.conf.bak CRI-O loads this file, too"));
        assert!(shown[1].starts_with("error /etc/crio/crio.conf.d/30.conf the file is not valid TOML"));
        assert!(
            shown[2].starts_with(
                "error /etc/crio/crio.conf.d/10-crio.conf is \"system.slice\", but with the cgroupfs driver"
            )
        );
        // From 1.33 on system.slice is ignored.
        let newer: Vec<Finding> = of(&files[..2], Some(Version::minor(33)));
        assert!(newer.iter().all(|finding| finding.severity == Severity::Warning), "{newer:#?}");
        let unset = of(&files[1..2], Some(Version::minor(32)));
        assert!(unset[1].text.starts_with("is not set: with the cgroupfs driver"), "{unset:#?}");
        assert_eq!(of(&files[1..2], Some(Version::minor(33))).len(), 1);
        let bogus = [file("1.conf", "[crio.runtime]\ncgroup_manager = \"bogus\"\n")];
        assert!(of(&bogus, None)[0].text.contains("expected systemd or cgroupfs"));
        assert!(of(&files[..1], None).is_empty());
    }
}
