//! Lines of /etc/fstab: which turn swap on, commenting them, and taking that back.
//!
//! Bytes throughout: a file that is not UTF-8 in some comment is edited all the same, and every
//! byte that is not the marker stays.

use std::collections::{BTreeSet, HashMap, HashSet};

use edge_host::{Editor, Error, Result};
use serde_json::{Value, json};

/// The editor that takes comments back.
pub(crate) const EDITOR: &str = "fstab-lines";
/// What stands in front of a line that was turned off.
pub(crate) const MARKER: &str = "# edge-prep: ";
const TYPE: &[u8] = b"swap";

/// A line that names swap in its third field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SwapLine {
    /// From 1.
    pub(crate) line: usize,
    /// The first field.
    pub(crate) spec: String,
    /// The fourth field.
    pub(crate) options: String,
    /// Whether our marker stands in front of it.
    pub(crate) state: LineState,
}

/// Whether a line counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineState {
    /// It does.
    InForce,
    /// We turned it off.
    Commented,
}

/// The lines that turn swap on, or did before we turned them off.
pub(crate) fn swap_lines(bytes: &[u8]) -> Vec<SwapLine> {
    let lines = lines(bytes).enumerate();
    lines.filter_map(|(index, line)| swap_line(index + 1, body(line))).collect()
}

fn swap_line(number: usize, line: &[u8]) -> Option<SwapLine> {
    let (line, state) = match line.strip_prefix(MARKER.as_bytes()) {
        Some(line) => (line, LineState::Commented),
        None => (line, LineState::InForce),
    };
    let mut fields = line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|field| !field.is_empty());
    let spec = fields.next().filter(|spec| !spec.starts_with(b"#"))?;
    let kind = fields.nth(1)?;
    let options = fields.next().unwrap_or_default();
    let text = |field: &[u8]| String::from_utf8_lossy(field).into_owned();
    (kind == TYPE).then(|| SwapLine { line: number, spec: text(spec), options: text(options), state })
}

/// The file with these lines (from 1) commented, and what takes that back: none where a line is no
/// text and the journal could not hold it.
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

/// Takes the comments back, whatever else has changed in the file.
#[derive(Debug, Clone, Copy)]
pub struct FstabLines;

impl Editor for FstabLines {
    fn kind(&self) -> &'static str {
        EDITOR
    }

    fn revert(&self, now: &[u8], data: &Value) -> Result<Vec<u8>> {
        let mut all: Vec<&[u8]> = lines(now).collect();
        // Each text of a line with the numbers of the lines that have it, commented and not.
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
            // Of several that are the same, the one that is nearest to where ours was.
            let nearest = ours.get_mut(text.as_bytes()).and_then(|numbers| {
                let (before, after) = (numbers.range(..=at).next_back(), numbers.range(at..).next());
                let nearest = before.into_iter().chain(after).min_by_key(|number| at.abs_diff(**number)).copied()?;
                numbers.take(&nearest)
            });
            if let Some(line) = nearest.and_then(|number| all.get_mut(number - 1)) {
                *line = line.get(MARKER.len()..).unwrap_or_default();
                plain.insert(body(line));
            } else if !plain.contains(text.as_bytes()) {
                return Err(Error::refused(format!("the line {:?} is not there any more", format!("{MARKER}{text}")))
                    .hint(format!("if swap shall be back, add this line by hand: {text}")));
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
    fn swap_is_the_third_field_and_nothing_else() {
        for (text, want) in [
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
            assert_eq!(numbers(text), want, "{text:?}");
        }
        let line = &swap_lines(b"# edge-prep: UUID=x none swap noauto,pri=5 0 0\n")[0];
        assert_eq!((line.spec.as_str(), line.options.as_str()), ("UUID=x", "noauto,pri=5"));
        assert_eq!(line.state, LineState::Commented);
    }

    #[test]
    fn a_comment_is_taken_back_whatever_else_changed() {
        let start = "# mine\n/a none swap sw 0 0\n/b / ext4\n/a none swap sw 0 0\n";
        let (text, data) = commented(start.as_bytes(), &BTreeSet::from([2, 4]));
        let text = String::from_utf8(text).unwrap();
        assert_eq!(text, start.replace("/a", "# edge-prep: /a"));
        let data = data.unwrap();
        let revert = |now: &str| FstabLines.revert(now.as_bytes(), &data).map(|b| String::from_utf8(b).unwrap());
        assert_eq!(revert(&text).unwrap(), start);
        assert_eq!(revert(start).unwrap(), start, "taken back already");
        assert_eq!(revert(&format!("/new /n ext4\n{text}")).unwrap(), format!("/new /n ext4\n{start}"));
        let error = revert("/b / ext4\n").unwrap_err();
        assert_eq!(error.to_string(), "the line \"# edge-prep: /a none swap sw 0 0\" is not there any more");
    }

    #[test]
    fn a_line_that_is_no_text_has_no_edit_to_take_back() {
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
        fn no_file_stops_it(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let all: BTreeSet<usize> = swap_lines(&bytes).iter().map(|line| line.line).collect();
            let (text, data) = commented(&bytes, &all);
            if let Some(data) = data {
                let back = FstabLines.revert(&text, &data).unwrap();
                prop_assert_eq!(back, bytes);
            }
        }

        #[test]
        fn comment_and_uncomment_is_nothing(
            all in proptest::collection::vec((line(), prop_oneof![Just("\n"), Just("\r\n")]), 0..12),
            last in line(),
        ) {
            let text: String = all.iter().map(|(line, end)| format!("{line}{end}")).collect::<String>() + &last;
            let on: BTreeSet<usize> = swap_lines(text.as_bytes())
                .iter()
                .filter(|line| line.state == LineState::InForce)
                .map(|line| line.line)
                .collect();
            let (off, data) = commented(text.as_bytes(), &on);
            prop_assert!(swap_lines(&off).iter().all(|line| line.state == LineState::Commented));
            prop_assert_eq!(off.len(), text.len() + on.len() * MARKER.len());
            let same: Vec<u8> = String::from_utf8(off.clone()).unwrap().replace(MARKER, "").into_bytes();
            prop_assert_eq!(same, text.replace(MARKER, "").into_bytes());
            prop_assert_eq!(FstabLines.revert(&off, &data.unwrap()).unwrap(), text.into_bytes());
        }
    }
}
