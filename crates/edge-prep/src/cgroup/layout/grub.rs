//! GRUB as Debian and Ubuntu configure it: our own drop-in after /etc/default/grub, and update-grub.
//!
//! Generic kernels have the memory cgroup on and do not know `cgroup_enable=`, so the drop-in also
//! removes the disabling option that earlier files set.

use std::path::Path;
use std::time::Duration;

use edge_host::action::{Bytes, Run, UndoOrder};
use edge_host::{Error, FileSnapshot, Inverse, Node, Plan, Result, Root};

use super::manual_step;
use super::{Layout, NEW_FILE_MODE, argv};
use crate::cgroup::cmdline::{DISABLE, ENABLE, MemoryOption};

const MAIN: &str = "/etc/default/grub";
const DROP_IN_DIR: &str = "/etc/default/grub.d";
const DROP_IN: &str = "/etc/default/grub.d/90-edgeutils.cfg";
const UPDATE_GRUB: [&str; 2] = ["/usr/sbin/update-grub", "/sbin/update-grub"];
const GENERATED: &str = "/boot/grub/grub.cfg";
const UPDATE: &str = "update-grub";
/// update-grub searches every disk for other systems.
const WITHIN: Duration = Duration::from_secs(300);
/// The beginning of the variables with the kernel's options.
const VARIABLE: &str = "GRUB_CMDLINE_LINUX";
const DISABLE_KEY: &str = "cgroup_disable=";
const CONTROLLER: &str = "memory";

/// The drop-in: it works before and after any other file, and may be read twice.
const TEXT: &str = "\
# Created by edge-prep for the memory cgroup; `edge-prep undo` removes it.
edgeutils_words() {
    printf ' %s ' \"$1\" | sed -e ':again' -e 's/ cgroup_disable=memory / /' -e 't again' -e 's/^ *//' -e 's/ *$//'
}
GRUB_CMDLINE_LINUX=\"$(edgeutils_words \"$GRUB_CMDLINE_LINUX cgroup_enable=memory\")\"
GRUB_CMDLINE_LINUX_DEFAULT=\"$(edgeutils_words \"$GRUB_CMDLINE_LINUX_DEFAULT\")\"
";

/// GRUB's configuration.
#[derive(Debug, Clone)]
pub struct Grub {
    drop_in: FileSnapshot,
    shown: String,
    /// The lines that disable the memory cgroup.
    disabling: Vec<DisablingLine>,
    /// Whether there is a grub.cfg without the token.
    is_outdated: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct DisablingLine {
    place: String,
    /// Whether the drop-in can remove the option: not where it is set later, or together with other controllers.
    is_removable: bool,
}

pub(super) fn find(root: &Root) -> Result<Option<Layout>> {
    let Some(main) = root.read(Path::new(MAIN))? else { return Ok(None) };
    let names = root.list(Path::new(DROP_IN_DIR))?;
    let mut has_update = root.find(Path::new(DROP_IN_DIR))?.exists();
    for path in UPDATE_GRUB {
        has_update = has_update || root.find(Path::new(path))?.exists();
    }
    if !has_update {
        return Ok(Some(Layout::ManualStep(manual_step::grubby(root, &String::from_utf8_lossy(&main)))));
    }
    let mut disabling = disabling_lines(&manual_step::show(root, MAIN), &main, true);
    for name in names.iter().filter_map(|name| name.to_str()).filter(|name| name.ends_with(".cfg")) {
        let path = Path::new(DROP_IN_DIR).join(name);
        if path == Path::new(DROP_IN) {
            continue;
        }
        let bytes = root.read(&path)?.unwrap_or_default();
        let is_earlier = path.as_path() < Path::new(DROP_IN);
        disabling.extend(disabling_lines(&root.display(&path).display().to_string(), &bytes, is_earlier));
    }
    let has_token = |bytes: Vec<u8>| bytes.windows(ENABLE.len()).any(|part| part == ENABLE.as_bytes());
    let is_outdated = root.read(Path::new(GENERATED))?.is_some_and(|bytes| !has_token(bytes));
    let drop_in = root.find(Path::new(DROP_IN))?;
    Ok(Some(Layout::Grub(Grub { drop_in, shown: manual_step::show(root, DROP_IN), disabling, is_outdated })))
}

/// The lines that set kernel options and disable the memory cgroup.
fn disabling_lines(shown: &str, bytes: &[u8], is_earlier: bool) -> Vec<DisablingLine> {
    let text = String::from_utf8_lossy(bytes);
    let lines = (1..).zip(text.lines()).filter(|(_, line)| line.trim_start().starts_with(VARIABLE));
    let found = lines.filter_map(|(number, line)| {
        let words = line.split(['"', '\'', ' ', '\t', '=']).collect::<Vec<_>>();
        let after_key = line.match_indices(DISABLE_KEY).map(|(at, _)| &line[at + DISABLE_KEY.len()..]);
        let lists = after_key.filter_map(|rest| rest.split(['"', '\'', ' ', '\t']).next());
        let with_memory: Vec<&str> = lists.filter(|list| list.split(',').any(|name| name == CONTROLLER)).collect();
        let is_alone = words.contains(&CONTROLLER) && with_memory.iter().all(|list| *list == CONTROLLER);
        let is_removable = is_earlier && is_alone;
        (!with_memory.is_empty()).then(|| DisablingLine { place: format!("{shown}:{number}"), is_removable })
    });
    found.collect()
}

impl Grub {
    pub(super) fn source(&self) -> String {
        self.disabling.first().map_or_else(|| self.shown.clone(), |line| line.place.clone())
    }

    fn is_ours(&self) -> bool {
        self.drop_in.bytes == TEXT.as_bytes()
    }

    pub(super) fn memory_option(&self) -> MemoryOption {
        match self.disabling.iter().any(|line| !line.is_removable || !self.is_ours()) {
            true => MemoryOption::Disabled,
            false if self.is_ours() => MemoryOption::Enabled,
            false => MemoryOption::Unset,
        }
    }

    pub(super) fn enable(&self, is_live: bool, plan: &mut Plan) -> Result<()> {
        if let Some(line) = self.disabling.iter().find(|line| !line.is_removable) {
            return Err(Error::refused(format!(
                "cannot turn the memory cgroup on: {} turns it off and takes precedence over a drop-in",
                line.place
            ))
            .hint(format!("remove {CONTROLLER} from {DISABLE_KEY} in that line, run {UPDATE}, then reboot")));
        }
        let node = Node::File { content: Bytes::Known(TEXT.as_bytes().to_vec()), mode: NEW_FILE_MODE };
        let why = "turns the memory cgroup on";
        let write = plan.write(DROP_IN, self.drop_in.clone(), node, Inverse::Whole, why);
        for line in &self.disabling {
            write.details.push(format!("- {DISABLE} of {}", line.place));
        }
        write.details.push(format!("+ {ENABLE}"));
        if is_live {
            update(plan);
        } else {
            plan.note(format!("run {UPDATE} on the machine or in a chroot to generate grub.cfg"));
        }
        Ok(())
    }

    /// Runs update-grub where the drop-in exists and grub.cfg was generated without it.
    pub(super) fn regenerate_if_outdated(&self, plan: &mut Plan) {
        if self.is_ours() && self.is_outdated {
            update(plan);
        }
    }
}

fn update(plan: &mut Plan) {
    let run = Run {
        argv: argv(&[UPDATE]),
        probe: Some(argv(&["grep", "-qw", "--", ENABLE, GENERATED])),
        inverse: Some(argv(&[UPDATE])),
        undo_order: UndoOrder::Last,
        deadline: WITHIN,
    };
    plan.run(run, "generates grub.cfg");
}

#[cfg(test)]
pub(super) mod testing {
    use super::super::testing::{DropIn, file};
    use super::{DROP_IN, FileSnapshot, Grub, TEXT};
    use edge_host::State;

    pub(crate) fn grub(drop_in: DropIn) -> Grub {
        let drop_in = match drop_in {
            DropIn::Present => file(TEXT),
            DropIn::Absent => FileSnapshot { state: State::Absent, bytes: Vec::new() },
        };
        Grub { drop_in, shown: DROP_IN.to_owned(), disabling: Vec::new(), is_outdated: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn disabling_lines_finds_options_in_assignments() {
        let of = |text: &str| disabling_lines("grub", text.as_bytes(), true);
        assert!(of("# GRUB_CMDLINE_LINUX=\"cgroup_disable=memory\"\nGRUB_CMDLINE_LINUX=\"quiet\"\n").is_empty());
        assert!(of("GRUB_CMDLINE_LINUX=\"cgroup_disable=cpu\"\nX=cgroup_disable=memory\n").is_empty());
        let removable = |line: &str| DisablingLine { place: format!("grub:{line}"), is_removable: true };
        assert_eq!(of("A=1\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet cgroup_disable=memory\"\n"), [removable("2")]);
        assert_eq!(of("GRUB_CMDLINE_LINUX=cgroup_disable=memory"), [removable("1")]);
        assert!(!of("GRUB_CMDLINE_LINUX='cgroup_disable=cpu,memory'")[0].is_removable);
    }

    /// The drop-in, as a shell reads it.
    #[test]
    fn drop_in_sets_the_options_in_a_shell() {
        for (linux, default, expected) in [
            ("", "quiet", "[cgroup_enable=memory][quiet]"),
            (
                "a cgroup_disable=memory cgroup_disable=memory b",
                "cgroup_disable=memory",
                "[a b cgroup_enable=memory][]",
            ),
            ("x=\\\\1 cgroup_disable=memoryx", "a  b", "[x=\\\\1 cgroup_disable=memoryx cgroup_enable=memory][a  b]"),
        ] {
            let script =
                format!("set -e\n{TEXT}printf '[%s][%s]' \"$GRUB_CMDLINE_LINUX\" \"$GRUB_CMDLINE_LINUX_DEFAULT\"");
            let output = Command::new("sh")
                .args(["-c", &script])
                .env("GRUB_CMDLINE_LINUX", linux)
                .env("GRUB_CMDLINE_LINUX_DEFAULT", default)
                .output()
                .unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), expected, "{:?}", output.stderr);
        }
    }
}
