//! GRUB as Debian and Ubuntu configure it: our own drop-in after /etc/default/grub, and update-grub.
//!
//! The generated menu decides what boots: until it is generated again, an option in it is in effect.
//!
//! Generic kernels have the memory cgroup on and do not know `cgroup_enable=`, so the drop-in also
//! removes the disabling option that earlier files set.

mod menu;

use std::path::Path;
use std::time::Duration;

use edge_host::action::{Bytes, Run, UndoOrder};
use edge_host::{Error, FileSnapshot, Inverse, Node, Plan, Result, Root};

use super::manual_step;
use super::{Layout, NEW_FILE_MODE};
use crate::cgroup::cmdline::{DISABLE, ENABLE, MemoryOption};
use menu::Menu;

const MAIN: &str = "/etc/default/grub";
const DROP_IN_DIR: &str = "/etc/default/grub.d";
const DROP_IN: &str = "/etc/default/grub.d/90-edgeutils.cfg";
const UPDATE_GRUB: [&str; 2] = ["/usr/sbin/update-grub", "/sbin/update-grub"];
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
    /// /etc/default/grub, with the root prefix.
    main: String,
    /// The lines that disable the memory cgroup.
    disabling: Vec<DisablingLine>,
    /// The generated menu, if there is one with kernels.
    menu: Option<Menu>,
    /// The command that generates it, as the caller can run it.
    generate: String,
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
    let mut has_update = false;
    for path in UPDATE_GRUB {
        has_update = has_update || root.find(Path::new(path))?.exists();
    }
    if !has_update && !root.find(Path::new(DROP_IN_DIR))?.exists() {
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
    let drop_in = root.find(Path::new(DROP_IN))?;
    let menu = menu::read(root)?;
    let path = menu.as_ref().map_or(menu::USUAL, |menu| menu.path);
    let command = if has_update { UPDATE.to_owned() } else { format!("grub-mkconfig -o {path}") };
    let generate = manual_step::program(root, &command);
    let (shown, main) = (manual_step::show(root, DROP_IN), manual_step::show(root, MAIN));
    Ok(Some(Layout::Grub(Grub { drop_in, shown, main, disabling, menu, generate })))
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
    /// The place that decides: a line that disables the memory cgroup, then what sets its option.
    pub(super) fn source(&self) -> String {
        let configured = self.configured();
        if configured == MemoryOption::Disabled {
            let line = self.disabling.iter().find(|line| !line.is_removable).or(self.disabling.first());
            return line.map_or_else(|| self.main.clone(), |line| line.place.clone());
        }
        match &self.menu {
            Some(menu) if menu.option == MemoryOption::Disabled => menu.place.clone(),
            _ if configured == MemoryOption::Enabled => self.shown.clone(),
            Some(menu) => menu.shown.clone(),
            None => self.main.clone(),
        }
    }

    fn is_ours(&self) -> bool {
        self.drop_in.bytes == TEXT.as_bytes()
    }

    pub(super) fn memory_option(&self) -> MemoryOption {
        if self.is_disabled_in_menu() { MemoryOption::Disabled } else { self.configured() }
    }

    /// The option that the next generated menu has.
    fn configured(&self) -> MemoryOption {
        match self.disabling.iter().any(|line| !line.is_removable || !self.is_ours()) {
            true => MemoryOption::Disabled,
            false if self.is_ours() => MemoryOption::Enabled,
            false => MemoryOption::Unset,
        }
    }

    fn is_disabled_in_menu(&self) -> bool {
        self.menu.as_ref().is_some_and(|menu| menu.option == MemoryOption::Disabled)
    }

    /// The manual step that is left where only the generated menu disables the memory cgroup.
    pub(super) fn generate_step(&self) -> Option<&str> {
        let is_left = self.is_disabled_in_menu() && self.configured() != MemoryOption::Disabled;
        is_left.then_some(self.generate.as_str())
    }

    /// Whether the menu of an image must be generated by the user, as no program of an image is run.
    pub(super) fn has_manual_step(&self) -> bool {
        self.is_disabled_in_menu()
    }

    pub(super) fn enable(&self, is_live: bool, plan: &mut Plan) -> Result<()> {
        if let Some(line) = self.disabling.iter().find(|line| !line.is_removable) {
            return Err(Error::refused(format!(
                "cannot turn the memory cgroup on: {} turns it off and takes precedence over a drop-in",
                line.place
            ))
            .hint(format!("remove {CONTROLLER} from {DISABLE_KEY} in that line, run {UPDATE}, then reboot")));
        }
        if self.configured() != MemoryOption::Enabled && (!self.disabling.is_empty() || !self.is_disabled_in_menu()) {
            let node = Node::File { content: Bytes::Known(TEXT.as_bytes().to_vec()), mode: NEW_FILE_MODE };
            let why = "turns the memory cgroup on";
            let write = plan.write(DROP_IN, self.drop_in.clone(), node, Inverse::Whole, why);
            for line in &self.disabling {
                write.details.push(format!("- {DISABLE} of {}", line.place));
            }
            write.details.push(format!("+ {ENABLE}"));
        }
        match &self.menu {
            _ if is_live => self.update(plan),
            Some(menu) if self.is_disabled_in_menu() => {
                let place = &menu.place;
                plan.note(format!(
                    "{place} disables the memory cgroup until it is generated again; manual step: {}",
                    self.generate
                ));
            }
            _ => plan.note(format!("run {UPDATE} on the machine or in a chroot to generate grub.cfg")),
        }
        Ok(())
    }

    /// Runs update-grub where the drop-in exists and grub.cfg was generated without it.
    pub(super) fn regenerate_if_outdated(&self, plan: &mut Plan) {
        let is_outdated = self.menu.as_ref().is_some_and(|menu| menu.option != MemoryOption::Enabled);
        if self.is_ours() && is_outdated {
            self.update(plan);
        }
    }

    fn update(&self, plan: &mut Plan) {
        // Without the drop-in, the menu does not have the option.
        let has_option = self.is_ours() || !self.disabling.is_empty() || !self.is_disabled_in_menu();
        let path = self.menu.as_ref().map_or(menu::USUAL, |menu| menu.path);
        let mut run = Run::new([UPDATE], WITHIN).undone_by(UndoOrder::Last, [UPDATE]);
        if has_option {
            run = run.with_probe(["grep", "-qw", "--", ENABLE, path]);
        }
        plan.run(run, "generates grub.cfg");
    }
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
        let menu = super::menu::parse(super::menu::USUAL, super::menu::USUAL, "linux /vmlinuz root=x\n");
        let (shown, main, generate) = (DROP_IN.to_owned(), super::MAIN.to_owned(), super::UPDATE.to_owned());
        Grub { drop_in, shown, main, disabling: Vec::new(), menu, generate }
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
