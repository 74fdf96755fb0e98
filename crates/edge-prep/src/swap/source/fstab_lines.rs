//! Lines of /etc/fstab: finding those that turn swap on, commenting them out, and reverting that.
//!
//! Works on bytes, so that a file with other encodings in a comment can be edited, and no byte except the
//! marker changes.

use std::collections::{BTreeSet, HashMap, HashSet};

use edge_host::{Editor, Error, Result};
use serde_json::{Value, json};

/// The editor that removes the comments.
pub(crate) const EDITOR: &str = "fstab-lines";
/// What is in front of a line that was commented out.
pub(crate) const MARKER: &str = "# edge-prep: ";
const TYPE: &[u8] = b"swap";

/// A line with `swap` in its third field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SwapLine {
    /// From 1.
    pub(crate) line: usize,
    /// The first field.
    pub(crate) spec: String,
    /// The fourth field.
    pub(crate) options: String,
    /// Whether our marker is in front of it.
    pub(crate) is_commented: bool,
}

/// The lines that turn swap on, or did before we commented them out.
pub(crate) fn swap_lines(bytes: &[u8]) -> Vec<SwapLine> {
    let lines = lines(bytes).enumerate();
    lines.filter_map(|(index, line)| swap_line(index + 1, body(line))).collect()
}

fn swap_line(number: usize, line: &[u8]) -> Option<SwapLine> {
    let (line, is_commented) = line.strip_prefix(MARKER.as_bytes()).map_or((line, false), |line| (line, true));
    let mut fields = line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|field| !field.is_empty());
    let spec = fields.next().filter(|spec| !spec.starts_with(b"#"))?;
    let kind = fields.nth(1)?;
    let options = fields.next().unwrap_or_default();
    let text = |field: &[u8]| String::from_utf8_lossy(field).into_owned();
    (kind == TYPE).then(|| SwapLine { line: number, spec: text(spec), options: text(options), is_commented })
}

/// The file with these lines (from 1) commented out, and what reverts that; none where a line is not
/// UTF-8 and cannot be stored in the journal.
pub(crate) fn commented(bytes: &[u8], which: &BTreeSet<usize>) -> (Vec<u8>, Option<Value>) {
    let mut out = Vec::with_capacity(bytes.len() + which.len() * MARKER.len());
    let mut texts = Some(Vec::new());
    for (index, line) in lines(bytes).enumerate() {
        if which.contains(&(index + 1)) {
            out.extend_from_slice(MARKER.as_bytes());
            texts = texts.zip(std::str::from_utf8(body(line)).ok()).map(|(mut texts, text)| {
                texts.push(json!({"line": index + 1, "text": text}));
                texts
            });
        }
        out.extend_from_slice(line);
    }
    (out, texts.map(|texts| json!({"lines": texts})))
}

/// Lines with their endings.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n')
}

/// A line without its ending.
fn body(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Removes the comments, whatever else has changed in the file.
#[derive(Debug, Clone, Copy)]
pub struct FstabLines;

impl Editor for FstabLines {
    fn kind(&self) -> &'static str {
        EDITOR
    }

    fn revert(&self, now: &[u8], data: &Value) -> Result<Vec<u8>> {
        let mut all: Vec<&[u8]> = lines(now).collect();
        // The numbers of the lines we commented out, by text; and the lines that are not commented.
        let mut ours: HashMap<&[u8], BTreeSet<usize>> = HashMap::new();
        let mut plain: HashSet<&[u8]> = HashSet::new();
        for (index, line) in all.iter().map(|line| body(line)).enumerate() {
            match line.strip_prefix(MARKER.as_bytes()) {
                Some(text) => {
                    ours.entry(text).or_default().insert(index + 1);
                }
                None => {
                    plain.insert(line);
                }
            }
        }
        for record in data["lines"].as_array().map(Vec::as_slice).unwrap_or_default() {
            let damaged = || Error::failed("its journal record is damaged");
            let text = record["text"].as_str().ok_or_else(damaged)?;
            let at = record["line"].as_u64().and_then(|at| usize::try_from(at).ok()).ok_or_else(damaged)?;
            // Of several identical lines, the one nearest to where ours was.
            let nearest = ours.get_mut(text.as_bytes()).and_then(|numbers| {
                let (before, after) = (numbers.range(..=at).next_back(), numbers.range(at..).next());
                let nearest = before.into_iter().chain(after).min_by_key(|number| at.abs_diff(**number)).copied()?;
                numbers.take(&nearest)
            });
            if let Some(line) = nearest.and_then(|number| all.get_mut(number - 1)) {
                *line = line.get(MARKER.len()..).unwrap_or_default();
                plain.insert(body(line));
            } else if !plain.contains(text.as_bytes()) {
                return Err(Error::refused(format!("the line {:?} is no longer there", format!("{MARKER}{text}")))
                    .hint(format!("to turn swap on again, add this line to the file: {text}")));
            }
        }
        Ok(all.concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn numbers(text: &str) -> Vec<usize> {
        swap_lines(text.as_bytes()).iter().map(|line| line.line).collect()
    }

    #[test]
    fn swap_lines_have_swap_as_third_field() {
        for (text, expected) in [
            ("/dev/sda2 none swap sw 0 0\n", vec![1]),
            ("\t /dev/sda2\t\tnone  swap\n", vec![1]),
            ("/swapfile none swap", vec![1]),
            ("/swapfile none swap\r\n", vec![1]),
            ("UUID=x swap swap defaults 0 0\r\n", vec![1]),
            ("# /dev/sda2 none swap sw 0 0\n #/x none swap\n", vec![]),
            ("/dev/sdb1 /mnt/swap ext4 defaults 0 0\n", vec![]),
            ("/dev/sdb1 swap ext4 sw 0 0\n", vec![]),
            ("tmpfs /tmp tmpfs noswap 0 0\n", vec![]),
            ("/dev/sda2 none swapfs sw 0 0\n", vec![]),
            ("/dev/sda2 none SWAP sw 0 0\n", vec![]),
            ("/dev/sda2 none\n", vec![]),
            ("\n\n/a none swap\n/b /b ext4\n/c none swap pri=5\n", vec![3, 5]),
            ("", vec![]),
        ] {
            assert_eq!(numbers(text), expected, "{text:?}");
        }
        let line = &swap_lines(b"# edge-prep: UUID=x none swap noauto,pri=5 0 0\n")[0];
        assert_eq!((line.spec.as_str(), line.options.as_str()), ("UUID=x", "noauto,pri=5"));
        assert!(line.is_commented);
    }

    #[test]
    fn revert_removes_the_comments_in_a_changed_file() {
        let start = "# mine\n/a none swap sw 0 0\n/b / ext4\n/a none swap sw 0 0\n";
        let (text, data) = commented(start.as_bytes(), &BTreeSet::from([2, 4]));
        let text = String::from_utf8(text).unwrap();
        assert_eq!(text, start.replace("/a", "# edge-prep: /a"));
        let data = data.unwrap();
        let revert = |now: &str| FstabLines.revert(now.as_bytes(), &data).map(|b| String::from_utf8(b).unwrap());
        assert_eq!(revert(&text).unwrap(), start);
        assert_eq!(revert(start).unwrap(), start, "already reverted");
        assert_eq!(revert(&format!("/new /n ext4\n{text}")).unwrap(), format!("/new /n ext4\n{start}"));
        let error = revert("/b / ext4\n").unwrap_err();
        assert_eq!(error.to_string(), "the line \"# edge-prep: /a none swap sw 0 0\" is no longer there");
    }

    #[test]
    fn commented_has_no_edit_for_a_line_that_is_not_utf8() {
        let start = b"/a\xff none swap\n";
        let (text, data) = commented(start, &BTreeSet::from([1]));
        assert_eq!((text, data), ([MARKER.as_bytes(), start].concat(), None));
    }

    fn line() -> impl Strategy<Value = String> {
        let word = "[a-z/#=\\\\0-9 \t-]{0,12}";
        prop_oneof![
            3 => (word, prop_oneof![Just("swap"), Just("swapx"), Just("ext4")], word)
                .prop_map(|(a, kind, b)| format!("/{a} none {kind} {b}")),
            1 => word.prop_map(String::from),
            1 => Just(format!("{MARKER}/x none swap sw")),
        ]
    }

    proptest! {
        #[test]
        fn commented_takes_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let all: BTreeSet<usize> = swap_lines(&bytes).iter().map(|line| line.line).collect();
            let (text, data) = commented(&bytes, &all);
            if let Some(data) = data {
                let back = FstabLines.revert(&text, &data).unwrap();
                prop_assert_eq!(back, bytes);
            }
        }

        #[test]
        fn revert_restores_any_file(
            all in proptest::collection::vec((line(), prop_oneof![Just("\n"), Just("\r\n")]), 0..12),
            last in line(),
        ) {
            let text: String = all.iter().map(|(line, end)| format!("{line}{end}")).collect::<String>() + &last;
            let on: BTreeSet<usize> = swap_lines(text.as_bytes())
                .iter()
                .filter(|line| !line.is_commented)
                .map(|line| line.line)
                .collect();
            let (off, data) = commented(text.as_bytes(), &on);
            prop_assert!(swap_lines(&off).iter().all(|line| line.is_commented));
            prop_assert_eq!(off.len(), text.len() + on.len() * MARKER.len());
            let same: Vec<u8> = String::from_utf8(off.clone()).unwrap().replace(MARKER, "").into_bytes();
            prop_assert_eq!(same, text.replace(MARKER, "").into_bytes());
            prop_assert_eq!(FstabLines.revert(&off, &data.unwrap()).unwrap(), text.into_bytes());
        }
    }
}
