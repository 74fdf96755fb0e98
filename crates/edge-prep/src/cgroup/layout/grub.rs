//! GRUB as Debian and Ubuntu configure it: a drop-in of our own that /etc/default/grub is followed
//! by, and update-grub.
//!
//! Generic kernels have the memory cgroup on and do not know `cgroup_enable=`, so the drop-in also
//! takes the word against it out of what the files before it set.

use std::path::Path;
use std::time::Duration;

use edge_host::action::{Bytes, Run, UndoOrder};
use edge_host::{Error, FileSnapshot, Inverse, Node, Plan, Result, Root};

use super::manual_step;
use super::{Layout, NEW_FILE_MODE, Where, argv};
use crate::cgroup::cmdline::{DISABLE, ENABLE, Said};

const MAIN: &str = "/etc/default/grub";
const DROP_IN_DIR: &str = "/etc/default/grub.d";
const DROP_IN: &str = "/etc/default/grub.d/90-edgeutils.cfg";
const UPDATE_GRUB: [&str; 2] = ["/usr/sbin/update-grub", "/sbin/update-grub"];
const GENERATED: &str = "/boot/grub/grub.cfg";
const UPDATE: &str = "update-grub";
/// It looks for other systems on every disk.
const WITHIN: Duration = Duration::from_secs(300);
/// What the files of GRUB's defaults set for every entry.
const VARIABLE: &str = "GRUB_CMDLINE_LINUX";
const AGAINST: &str = "cgroup_disable=";
const CONTROLLER: &str = "memory";

/// The drop-in: it may stand before or after any other file, and may be read twice.
const TEXT: &str = "\
# Made by edge-prep for the memory cgroup; `edge-prep undo` takes it away.
edgeutils_words() {
    printf ' %s ' \"$1\" | sed -e ':again' -e 's/ cgroup_disable=memory / /' -e 't again' -e 's/^ *//' -e 's/ *$//'
}
GRUB_CMDLINE_LINUX=\"$(edgeutils_words \"$GRUB_CMDLINE_LINUX cgroup_enable=memory\")\"
GRUB_CMDLINE_LINUX_DEFAULT=\"$(edgeutils_words \"$GRUB_CMDLINE_LINUX_DEFAULT\")\"
";

/// What GRUB's configuration says.
#[derive(Debug, Clone)]
pub struct Grub {
    drop_in: FileSnapshot,
    shown: String,
    /// Where a word against the memory cgroup stands.
    against: Vec<Against>,
    /// What update-grub made, as far as it matters.
    generated: Generated,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Against {
    place: String,
    reach: Reach,
}

/// Whether the drop-in can take a word out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Yes,
    /// It is set after the drop-in, or in a list with others.
    No,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Generated {
    Absent,
    WithToken,
    WithoutToken,
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
    let mut against = words_against(&manual_step::show(root, MAIN), &main, Reach::Yes);
    for name in names.iter().filter_map(|name| name.to_str()).filter(|name| name.ends_with(".cfg")) {
        let path = Path::new(DROP_IN_DIR).join(name);
        if path == Path::new(DROP_IN) {
            continue;
        }
        let bytes = root.read(&path)?.unwrap_or_default();
        let reach = if path.as_path() < Path::new(DROP_IN) { Reach::Yes } else { Reach::No };
        against.extend(words_against(&root.display(&path).display().to_string(), &bytes, reach));
    }
    let generated = match root.read(Path::new(GENERATED))? {
        None => Generated::Absent,
        Some(bytes) if bytes.windows(ENABLE.len()).any(|part| part == ENABLE.as_bytes()) => Generated::WithToken,
        Some(_) => Generated::WithoutToken,
    };
    let drop_in = root.find(Path::new(DROP_IN))?;
    Ok(Some(Layout::Grub(Grub { drop_in, shown: manual_step::show(root, DROP_IN), against, generated })))
}

/// Lines that set the kernel's words and turn the memory cgroup off.
fn words_against(shown: &str, bytes: &[u8], reach: Reach) -> Vec<Against> {
    let text = String::from_utf8_lossy(bytes);
    let lines = (1..).zip(text.lines()).filter(|(_, line)| line.trim_start().starts_with(VARIABLE));
    let found = lines.filter_map(|(number, line)| {
        let words = line.split(['"', '\'', ' ', '\t', '=']).collect::<Vec<_>>();
        let after_key = line.match_indices(AGAINST).map(|(at, _)| &line[at + AGAINST.len()..]);
        let lists = after_key.filter_map(|rest| rest.split(['"', '\'', ' ', '\t']).next());
        let with_memory: Vec<&str> = lists.filter(|list| list.split(',').any(|name| name == CONTROLLER)).collect();
        let is_alone = words.contains(&CONTROLLER) && with_memory.iter().all(|list| *list == CONTROLLER);
        let reach = if is_alone { reach } else { Reach::No };
        (!with_memory.is_empty()).then(|| Against { place: format!("{shown} line {number}"), reach })
    });
    found.collect()
}

impl Grub {
    pub(super) fn source(&self) -> String {
        self.against.first().map_or_else(|| self.shown.clone(), |against| against.place.clone())
    }

    fn is_ours(&self) -> bool {
        self.drop_in.bytes == TEXT.as_bytes()
    }

    pub(super) fn said(&self) -> Said {
        match self.against.iter().any(|against| against.reach == Reach::No || !self.is_ours()) {
            true => Said::Disabled,
            false if self.is_ours() => Said::Enabled,
            false => Said::Nothing,
        }
    }

    pub(super) fn enable(&self, place: Where, plan: &mut Plan) -> Result<()> {
        if let Some(against) = self.against.iter().find(|against| against.reach == Reach::No) {
            return Err(Error::refused(format!(
                "cannot turn the memory cgroup on: {} turns it off where a drop-in cannot take it back",
                against.place
            ))
            .hint(format!("take the word {AGAINST}…{CONTROLLER} out of that line by hand, run {UPDATE} and reboot")));
        }
        let node = Node::File { content: Bytes::Known(TEXT.as_bytes().to_vec()), mode: NEW_FILE_MODE };
        let why = "the memory cgroup, in each grub.cfg to come";
        let write = plan.write(DROP_IN, self.drop_in.clone(), node, Inverse::Whole, why);
        for against in &self.against {
            write.details.push(format!("- {DISABLE} of {}", against.place));
        }
        write.details.push(format!("+ {ENABLE}"));
        match place {
            Where::Live => update(plan),
            Where::Image => plan.note(format!("run {UPDATE} on the machine or in a chroot: grub.cfg is made by it")),
        }
        Ok(())
    }

    /// The drop-in stands, and grub.cfg was not yet made with it.
    pub(super) fn bring_over(&self, plan: &mut Plan) {
        if self.is_ours() && self.generated == Generated::WithoutToken {
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
    plan.run(run, "grub.cfg with it");
}

#[cfg(test)]
pub(super) mod testing {
    use super::super::testing::{DropIn, file};
    use super::{DROP_IN, FileSnapshot, Generated, Grub, TEXT};
    use edge_host::State;

    pub(crate) fn grub(drop_in: DropIn) -> Grub {
        let drop_in = match drop_in {
            DropIn::Stands => file(TEXT),
            DropIn::Absent => FileSnapshot { state: State::Absent, bytes: Vec::new() },
        };
        Grub { drop_in, shown: DROP_IN.to_owned(), against: Vec::new(), generated: Generated::WithoutToken }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn words_against_it_are_found_in_what_is_set() {
        let of = |text: &str| words_against("grub", text.as_bytes(), Reach::Yes);
        assert!(of("# GRUB_CMDLINE_LINUX=\"cgroup_disable=memory\"\nGRUB_CMDLINE_LINUX=\"quiet\"\n").is_empty());
        assert!(of("GRUB_CMDLINE_LINUX=\"cgroup_disable=cpu\"\nX=cgroup_disable=memory\n").is_empty());
        let yes = |line: &str| Against { place: format!("grub line {line}"), reach: Reach::Yes };
        assert_eq!(of("A=1\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet cgroup_disable=memory\"\n"), [yes("2")]);
        assert_eq!(of("GRUB_CMDLINE_LINUX=cgroup_disable=memory"), [yes("1")]);
        assert_eq!(of("GRUB_CMDLINE_LINUX='cgroup_disable=cpu,memory'")[0].reach, Reach::No);
    }

    /// The shell's own reading of the drop-in.
    #[test]
    fn the_drop_in_does_what_it_says() {
        for (linux, default, want) in [
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
            assert_eq!(String::from_utf8(output.stdout).unwrap(), want, "{:?}", output.stderr);
        }
    }
}
