//! extlinux.conf as U-Boot reads it: the APPEND lines of the default entry.
//!
//! Generic kernels do not know `cgroup_enable=`, so a disabling token is replaced in its place by an
//! enabling one; where there is none, the token is added at the end.

use std::path::Path;

use edge_host::action::Bytes;
use edge_host::{Editor, Error, Inverse, Node, Plan, Result, ResultExt, Root};
use serde_json::{Value, json};

use super::partition::{self, Partition};
use super::{BootFile, Layout, NEW_FILE_MODE, u_boot_menu};
use crate::cgroup::cmdline::{self, DISABLE, ENABLE, MemoryOption};

/// The editor that reverts these edits.
const EDITOR: &str = "extlinux-append";
const FILE: &str = "/boot/extlinux/extlinux.conf";
const BOOT: &str = "/boot";

/// The file, and how its partition is mounted.
#[derive(Debug, Clone)]
pub struct Extlinux {
    /// The file.
    pub file: BootFile,
    partition: Partition,
}

pub(super) fn find(root: &Root) -> Result<Option<Layout>> {
    let file = BootFile::read(root, Path::new(FILE))?;
    if !file.now.exists() {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&file.now.bytes);
    let option = memory_option(&text).unwrap_or(MemoryOption::Unknown);
    if let Some(manual_step) = u_boot_menu::find(root, &text, option)? {
        return Ok(Some(Layout::ManualStep(manual_step)));
    }
    let partition = partition::check(root, Path::new(BOOT))?;
    Ok(Some(Layout::Extlinux(Extlinux { file, partition })))
}

impl Extlinux {
    fn text(&self, verb: &str) -> Result<&str> {
        let bytes = self.file.bytes(verb)?;
        let text = if bytes.contains(&0) {
            Err(Error::refused("it contains NUL bytes, as after a power cut"))
        } else {
            std::str::from_utf8(bytes).map_err(|_| Error::refused("it is not UTF-8 text"))
        };
        text.on(verb, &self.file.shown)
    }

    pub(super) fn memory_option(&self) -> Result<MemoryOption> {
        memory_option(self.text("read")?).on("read", &self.file.shown)
    }

    pub(super) fn enable(&self, plan: &mut Plan) -> Result<()> {
        let (text, edits) = enable(self.text("edit")?).on("edit", &self.file.shown)?;
        if self.partition == Partition::ReadOnly {
            return Err(partition::read_only(&self.file.shown, Path::new(BOOT)));
        }
        self.file.keep_old(plan);
        let inverse =
            Inverse::Edit { kind: EDITOR.to_owned(), data: json!({"lines": edits}), parts: vec![ENABLE.to_owned()] };
        let node = Node::File { content: Bytes::Known(text.into_bytes()), mode: NEW_FILE_MODE };
        let why = "turns the memory cgroup on at the next boot";
        let write = plan.write(&self.file.path, self.file.now.clone(), node, inverse, why);
        let replaces = edits.iter().any(|edit| edit["how"] == "replaced");
        write.details.push(if replaces { format!("{DISABLE} -> {ENABLE}") } else { format!("+ {ENABLE}") });
        Ok(())
    }
}

/// A line's keyword in lower case, and where its value begins and ends.
fn split(line: &str) -> (String, usize, usize) {
    let end = line.trim_end_matches(['\n', '\r']).len();
    let start = line.len() - line.trim_start().len();
    let rest = line.get(start..end).unwrap_or_default();
    let keyword = rest.split([' ', '\t']).next().unwrap_or_default();
    let value = start + keyword.len();
    let value = value + rest[keyword.len()..].len() - rest[keyword.len()..].trim_start().len();
    (keyword.to_ascii_lowercase(), value.min(end), end)
}

/// The indexes of the APPEND lines of the default entry: the one that DEFAULT names, or the first.
fn appends(lines: &[&str]) -> Vec<usize> {
    let value = |line: &str| {
        let (keyword, from, to) = split(line);
        (keyword, line.get(from..to).unwrap_or_default().trim().to_owned())
    };
    let find = |name: &str| lines.iter().map(|line| value(line)).find(|(keyword, _)| keyword == name);
    let Some((_, default)) = find("default").or_else(|| find("label")) else { return Vec::new() };
    let (mut inside, mut found) = (false, Vec::new());
    for (number, line) in lines.iter().enumerate() {
        match value(line) {
            (keyword, name) if keyword == "label" => inside = name == default,
            (keyword, _) if keyword == "append" && inside => found.push(number),
            _ => {}
        }
    }
    found
}

fn memory_option(text: &str) -> Result<MemoryOption> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    // U-Boot uses the last APPEND of an entry.
    let last = appends(&lines).pop().ok_or_else(no_append)?;
    let (_, from, to) = split(lines[last]);
    Ok(cmdline::memory_option(&lines[last][from..to]))
}

fn no_append() -> Error {
    Error::refused("its default entry has no APPEND line with options")
        .hint(format!("add an APPEND line with {ENABLE} and the other options of the kernel to that entry"))
}

/// The text with the token, and a record for each APPEND line.
fn enable(text: &str) -> Result<(String, Vec<Value>)> {
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    let borrowed: Vec<&str> = lines.iter().map(String::as_str).collect();
    let numbers = appends(&borrowed);
    if numbers.is_empty() {
        return Err(no_append());
    }
    let mut edits = Vec::new();
    for number in numbers {
        let line = &lines[number];
        let (_, from, to) = split(line);
        let words = &line[from..to];
        let (enabled, disabled) = (cmdline::count(words, ENABLE), cmdline::count(words, DISABLE));
        let line_number = number + 1;
        if cmdline::disables_in_list(words) || (enabled > 0 && disabled > 0) {
            return Err(Error::refused(format!("line {line_number} has more than one option for the memory cgroup"))
                .hint(format!("remove the disabling option from line {line_number}, then run the command again")));
        }
        let (words, how) = match disabled {
            0 if cmdline::memory_option(words) == MemoryOption::Enabled => (words.to_owned(), "kept"),
            0 if words.is_empty() => return Err(no_append()),
            0 => (cmdline::append(words), "added"),
            _ => (cmdline::replace(words, DISABLE, ENABLE), "replaced"),
        };
        edits.push(json!({"how": how, "before": enabled, "replaced": disabled}));
        lines[number] = format!("{}{words}{}", &line[..from], &line[to..]);
    }
    Ok((lines.concat(), edits))
}

/// Reverts these edits in a file that has changed since.
#[derive(Debug, Clone, Copy)]
pub struct AppendEditor;

impl Editor for AppendEditor {
    fn kind(&self) -> &'static str {
        EDITOR
    }

    fn revert(&self, now: &[u8], data: &Value) -> Result<Vec<u8>> {
        let text = std::str::from_utf8(now).map_err(|_| Error::refused("it is no longer UTF-8 text"))?;
        let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
        let borrowed: Vec<&str> = lines.iter().map(String::as_str).collect();
        let numbers = appends(&borrowed);
        let edits = data["lines"].as_array().map(Vec::as_slice).unwrap_or_default();
        if numbers.len() != edits.len() {
            return Err(Error::refused("its default entry is a different one now")
                .hint(format!("remove {ENABLE} from the entries where it is not needed")));
        }
        for (number, edit) in numbers.into_iter().zip(edits) {
            let line = &lines[number];
            let (_, from, to) = split(line);
            let words = &line[from..to];
            let (before, replaced) =
                (edit["before"].as_u64().unwrap_or_default(), edit["replaced"].as_u64().unwrap_or_default());
            let have = cmdline::count(words, ENABLE) as u64;
            let words = match edit["how"].as_str() {
                Some("added") if have > before => cmdline::remove_last(words),
                Some("replaced") if have == replaced => Some(cmdline::replace(words, ENABLE, DISABLE)),
                Some("replaced") if have > 0 => {
                    return Err(Error::refused(format!(
                        "it contains {ENABLE} {have} times, expected {replaced} as edge-prep wrote it"
                    ))
                    .hint(format!("replace {ENABLE} by {DISABLE} where it was before")));
                }
                _ => None,
            };
            if let Some(words) = words {
                lines[number] = format!("{}{words}{}", &line[..from], &line[to..]);
            }
        }
        Ok(lines.concat().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TWO: &str = "TIMEOUT 30\nDEFAULT primary\n\nLABEL primary\r\n  LINUX /boot/Image\r\n\tappend root=/dev/mmcblk0p1 rw\r\n\
        LABEL backup\n  APPEND root=/dev/mmcblk0p2\n";

    fn back(text: &str, edits: &[Value]) -> String {
        String::from_utf8(AppendEditor.revert(text.as_bytes(), &json!({"lines": edits})).unwrap()).unwrap()
    }

    #[test]
    fn enable_edits_the_default_entry_alone() {
        let (text, edits) = enable(TWO).unwrap();
        assert_eq!(text, TWO.replace("p1 rw\r", "p1 rw cgroup_enable=memory\r"));
        assert_eq!(memory_option(&text).unwrap(), MemoryOption::Enabled);
        assert_eq!(back(&text, &edits), TWO);
        assert_eq!(back(&text.replace("rw", "rw quiet"), &edits), TWO.replace("rw", "rw quiet"), "changed since");
        let first = TWO.replace("DEFAULT primary\n", "");
        assert!(enable(&first).unwrap().0.contains("p1 rw cgroup_enable=memory\r\n"), "the first without a default");
    }

    #[test]
    fn enable_replaces_a_disabling_token() {
        let off = TWO.replace("rw", "cgroup_disable=memory rw");
        assert_eq!(memory_option(&off).unwrap(), MemoryOption::Disabled);
        let (text, edits) = enable(&off).unwrap();
        assert_eq!(text, TWO.replace("rw", "cgroup_enable=memory rw"));
        assert_eq!(back(&text, &edits), off);
        assert_eq!(back(TWO, &edits), TWO, "removed since");
        assert!(AppendEditor.revert(text.replace("rw", ENABLE).as_bytes(), &json!({"lines": edits})).is_err());
        for bad in ["cgroup_disable=cpu,memory", "cgroup_enable=memory cgroup_disable=memory"] {
            assert!(enable(&TWO.replace("rw", bad)).is_err(), "{bad}");
        }
        assert!(enable("LABEL a\nLINUX b\n").unwrap_err().message().contains("has no APPEND line with options"));
    }

    proptest! {
        #[test]
        fn append_editor_reverts_the_edit_of_any_text(
            text in "((DEFAULT|label|Append|  APPEND|#|LINUX)( [a-c]{1,2}| cgroup_enable=memory| cgroup_disable=memory|\t--){0,3} ?\r?\n?){0,8}",
        ) {
            if let Ok((after, edits)) = enable(&text) {
                prop_assert_eq!(after.matches('\n').count(), text.matches('\n').count());
                prop_assert_eq!(memory_option(&after).unwrap(), MemoryOption::Enabled);
                prop_assert_eq!(back(&after, &edits), text);
            }
        }

        #[test]
        fn append_editor_takes_any_text(text in "\\PC{0,60}", more in "(append|label|default)[ \t\\PC]{0,9}") {
            let text = format!("{more}\n{text}\n{more}");
            if let Ok((after, edits)) = enable(&text) {
                AppendEditor.revert(after.as_bytes(), &json!({"lines": edits})).unwrap();
            }
        }
    }
}
