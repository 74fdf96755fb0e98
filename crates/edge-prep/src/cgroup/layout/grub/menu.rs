//! The generated menu of GRUB: the kernels' options as they are at the next boot.

use std::path::Path;

use edge_host::{Result, Root};

use crate::cgroup::cmdline::{self, DISABLE, MemoryOption};
use crate::cgroup::layout::manual_step::show;

/// Where Debian has it.
pub(super) const USUAL: &str = "/boot/grub/grub.cfg";
const PATHS: [&str; 2] = [USUAL, "/boot/grub2/grub.cfg"];
/// The commands that load a kernel.
const COMMANDS: [&str; 3] = ["linux", "linuxefi", "linux16"];
/// The beginning of what a script of /etc/grub.d generated: `### BEGIN /etc/grub.d/10_linux ###`.
const BEGIN: &str = "### BEGIN ";
const OWN: &str = "linux";

/// A generated menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Menu {
    pub(super) path: &'static str,
    /// The file, with the root prefix.
    pub(super) shown: String,
    /// The line that decides.
    pub(super) place: String,
    /// Disabled if it is for any of the kernels, enabled if it is for all of them.
    pub(super) option: MemoryOption,
}

/// Reads it; none without a menu that has kernels, which is not known then.
pub(super) fn read(root: &Root) -> Result<Option<Menu>> {
    for path in PATHS {
        if let Some(bytes) = root.read(Path::new(path))? {
            return Ok(parse(path, &show(root, path), &String::from_utf8_lossy(&bytes)));
        }
    }
    Ok(None)
}

pub(super) fn parse(path: &'static str, shown: &str, text: &str) -> Option<Menu> {
    let is_generated = text.lines().any(|line| is_begin(line) == Some(true));
    let mut is_own = !is_generated;
    let mut kernels = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        // Not the entries of other systems on the disk, and of the administrator.
        is_own = is_begin(line).map_or(is_own, |is_own| is_own || !is_generated);
        let line = line.trim();
        let command = line.split_whitespace().next().filter(|word| COMMANDS.contains(word) && is_own);
        if let Some(options) = command.and_then(|command| line.strip_prefix(command)) {
            kernels.push((number, option_of(options)));
        }
    }
    let first = kernels.first().copied()?;
    let decides = kernels.iter().find(|(_, option)| *option == MemoryOption::Disabled);
    let decides = decides.or(kernels.iter().find(|(_, option)| *option != MemoryOption::Enabled)).copied();
    let (line, option) = decides.unwrap_or(first);
    Some(Menu { path, shown: shown.to_owned(), place: format!("{shown}:{line}"), option })
}

/// The option of a line. Generic kernels do not know `cgroup_enable=`, so it does not undo what disables it.
fn option_of(options: &str) -> MemoryOption {
    let is_disabled = cmdline::count(options, DISABLE) > 0 || cmdline::disables_in_list(options);
    if is_disabled { MemoryOption::Disabled } else { cmdline::memory_option(options) }
}

/// Whether a line begins what a script for the kernels of this system generated.
fn is_begin(line: &str) -> Option<bool> {
    let script = line.strip_prefix(BEGIN)?.split_whitespace().next()?;
    Some(script.rsplit('/').next().is_some_and(|name| name.contains(OWN)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_reads_the_kernels_of_this_system() {
        use MemoryOption::{Disabled, Enabled, Unset};
        let own = |text: &str| format!("### BEGIN /etc/grub.d/10_linux ###\n{text}### END /etc/grub.d/10_linux ###\n");
        let other = "### BEGIN /etc/grub.d/30_os-prober ###\nlinux /x cgroup_disable=memory\n";
        for (text, expected) in [
            ("# linux /x cgroup_disable=memory\nset x=linux\n".to_owned(), None),
            ("\tlinux\t/vmlinuz root=x ro quiet\n".to_owned(), Some((1, Unset))),
            ("a\n  linux /vmlinuz a cgroup_disable=memory\n linux /old a\n".to_owned(), Some((2, Disabled))),
            ("linuxefi /v cgroup_enable=memory\nlinux16 /w\n".to_owned(), Some((2, Unset))),
            ("linux /v cgroup_enable=memory\n".to_owned(), Some((1, Enabled))),
            ("linux /v cgroup_disable=memory cgroup_enable=memory\n".to_owned(), Some((1, Disabled))),
            (own("linux /v\n") + other, Some((2, Unset))),
            (own("linux /v cgroup_disable=cpu,memory\n") + other, Some((2, Disabled))),
        ] {
            let menu = parse(USUAL, "/f", &text);
            let place = expected.map(|(line, option)| (format!("/f:{line}"), option));
            assert_eq!(menu.map(|menu| (menu.place, menu.option)), place, "{text}");
        }
    }
}
