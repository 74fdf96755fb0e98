//! Boot configurations that are recognized and not edited, each with the manual step as a command.
//!
//! A command changes one option in the line that has the others, so that it never drops `root=` or `console=`.

use std::path::Path;

use edge_host::{Error, Result, Root, quoted};

use crate::cgroup::cmdline::{self, DISABLE, ENABLE, MemoryOption};

const OSTREE: [&str; 2] = ["/ostree", "/usr/bin/rpm-ostree"];
const OSTREE_BOOTED: &str = "/run/ostree-booted";
const GRUB_DEFAULTS: &str = "/etc/default/grub";

/// A boot configuration and its manual step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManualStep {
    /// Its usual name.
    pub name: &'static str,
    /// The file with the command line, with the root prefix.
    pub shown: Option<String>,
    /// The option in that file.
    pub option: MemoryOption,
    /// The step, as a command where it is one.
    pub step: String,
}

impl ManualStep {
    pub(super) fn refuse(&self) -> Error {
        Error::refused(format!(
            "cannot turn the memory cgroup on: edge-prep does not edit the boot configuration of {}",
            self.name
        ))
        .hint(self.step.clone())
    }
}

pub(super) fn show(root: &Root, path: &str) -> String {
    root.display(Path::new(path)).display().to_string()
}

/// A line of a file that contains options of the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OptionsLine {
    /// The file, with the root prefix.
    pub(super) shown: String,
    /// The line, from 1.
    pub(super) line: usize,
    /// What is before the options in it: `extraargs=`.
    pub(super) key: String,
    /// The options, without quotation marks.
    pub(super) options: String,
    /// What ends them: a quotation mark, or nothing.
    pub(super) end: String,
}

impl OptionsLine {
    /// A value that may be quoted, as in a shell or in a script of U-Boot.
    pub(super) fn new(shown: &str, line: usize, key: &str, value: &str) -> OptionsLine {
        let value = value.trim();
        let end =
            ["\"", "'"].into_iter().find(|mark| value.len() > 1 && value.starts_with(mark) && value.ends_with(mark));
        let end = end.unwrap_or_default();
        let options = value.get(end.len()..value.len() - end.len()).unwrap_or_default();
        OptionsLine {
            shown: shown.to_owned(),
            line,
            key: key.to_owned(),
            options: options.to_owned(),
            end: end.to_owned(),
        }
    }

    pub(super) fn option(&self) -> MemoryOption {
        cmdline::memory_option(&self.options)
    }

    /// The step that turns the memory cgroup on here; `then` is a command that must follow before the reboot.
    pub(super) fn step(&self, then: Option<&str>) -> String {
        let OptionsLine { shown, line, key, end, .. } = self;
        let of_key = if key.is_empty() { String::new() } else { format!("the line {key} in ") };
        let run = then.map(|then| format!(", run {then}")).unwrap_or_default();
        let file = quoted(shown);
        let (what, edit) = match self.option() {
            MemoryOption::Disabled if cmdline::disables_in_list(&self.options) => {
                return format!("remove memory from cgroup_disable= in {shown}:{line}{run}, then reboot");
            }
            MemoryOption::Disabled => {
                (format!("remove {DISABLE} from {of_key}{shown}"), format!("sed -i '{line}s/ *{DISABLE}//g' {file}"))
            }
            // What follows ` -- ` is for init.
            _ if self.options.contains(" -- ") => {
                return format!("add {ENABLE} before the -- in {shown}:{line}{run}, then reboot");
            }
            _ => {
                let quote = if end == "'" { r"'\''" } else { end };
                let edit = format!("sed -i '{line}s/{quote}[[:space:]]*$/ {ENABLE}{quote}/' {file}");
                (format!("add {ENABLE} to {of_key}{shown}"), edit)
            }
        };
        let then = then.map(|then| format!(" && {then}")).unwrap_or_default();
        format!("{what}{run}, then reboot: {edit}{then}")
    }
}

/// A program of the system: in an image, it runs below the image's root.
pub(super) fn program(root: &Root, command: &str) -> String {
    if root.is_live() {
        return command.to_owned();
    }
    let image = show(root, "/");
    format!("chroot {} {command}", quoted(image.trim_end_matches('/')))
}

/// Fedora CoreOS and similar systems, where each deployment has its own command line.
pub(super) fn ostree(root: &Root) -> Result<Option<ManualStep>> {
    let booted = root.is_live() && root.find(Path::new(OSTREE_BOOTED))?.exists();
    let mut installed = true;
    for path in OSTREE {
        installed = installed && root.find(Path::new(path))?.exists();
    }
    if !booted && !installed {
        return Ok(None);
    }
    let entries = super::systemd_boot::entries(root)?;
    let option = super::systemd_boot::option_of(&entries);
    let shown = entries.first().map(|entry| entry.shown.clone());
    let step = program(root, &format!("rpm-ostree kargs --delete-if-present={DISABLE} --append-if-missing={ENABLE}"));
    Ok(Some(ManualStep { name: "rpm-ostree", shown, option, step: format!("{step} && reboot") }))
}

/// GRUB on Fedora and similar systems, where each kernel's entry has its own command line.
pub(super) fn grubby(root: &Root, text: &str) -> ManualStep {
    let lines = text.lines().filter(|line| line.trim_start().starts_with("GRUB_CMDLINE_LINUX"));
    let is_disabled = lines.filter(|line| line.contains(DISABLE)).count() > 0;
    let step = program(root, &format!("grubby --update-kernel=ALL --remove-args={DISABLE} --args={ENABLE}"));
    ManualStep {
        name: "GRUB with grubby",
        shown: Some(show(root, GRUB_DEFAULTS)),
        option: if is_disabled { MemoryOption::Disabled } else { MemoryOption::Unset },
        step: format!("{step} && reboot"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// The commands, as a shell runs them.
    #[test]
    fn step_changes_one_option_and_keeps_the_others() {
        let dir = std::env::temp_dir().join(format!("edge-prep-step-{}", std::process::id()));
        for (key, value, expected) in [
            ("extraargs=", "cgroup_disable=memory", "extraargs="),
            ("extraargs=", "a cgroup_disable=memory b cgroup_disable=memory", "extraargs=a b"),
            ("extraargs=", "", "extraargs= cgroup_enable=memory"),
            ("", "root=/dev/a console=ttyS0  ", "root=/dev/a console=ttyS0 cgroup_enable=memory"),
            ("X=", "\"root=x quiet\"", "X=\"root=x quiet cgroup_enable=memory\""),
            ("X=", "'root=x'", "X='root=x cgroup_enable=memory'"),
        ] {
            let text = format!("# first\n{key}{value}\nlast\n");
            std::fs::write(&dir, &text).unwrap();
            let shown = dir.to_str().unwrap();
            let step = OptionsLine::new(shown, 2, key, value).step(Some("true"));
            let (what, command) = step.split_once(": ").unwrap();
            assert!(what.ends_with(", run true, then reboot"), "{step}");
            assert!(Command::new("sh").args(["-c", command]).status().unwrap().success(), "{step}");
            assert_eq!(std::fs::read_to_string(&dir).unwrap(), format!("# first\n{expected}\nlast\n"), "{step}");
        }
        std::fs::remove_file(&dir).unwrap();
        let list = OptionsLine::new("/f", 3, "a=", "cgroup_disable=cpu,memory").step(None);
        assert_eq!(list, "remove memory from cgroup_disable= in /f:3, then reboot");
    }
}
