//! Differences of texts, with secrets redacted.

use std::time::{Duration, Instant};

use similar::algorithms::{Capture, Replace, myers};

use crate::secret::redact;

/// Lines that are shown.
const MAX_LINES: usize = 40;

/// Longer lines are truncated.
const MAX_LINE: usize = 200;

/// Two large files without common lines would take minutes to compare.
const PATIENCE: Duration = Duration::from_millis(500);

/// Removed (`-`) and added (`+`) lines, with secrets redacted.
pub(super) fn difference_of(before: &[u8], now: &[u8]) -> String {
    let (Ok(before), Ok(now)) = (std::str::from_utf8(before), std::str::from_utf8(now)) else {
        return "(binary content differs)".to_owned();
    };
    let (before, now) = (redact(before), redact(now));
    let (before, now): (Vec<&str>, Vec<&str>) =
        (before.split_inclusive('\n').collect(), now.split_inclusive('\n').collect());
    // One algorithm by its name: TextDiff links all of them, 100 KB in each utility.
    let mut hook = Replace::new(Capture::new());
    let deadline = Some(Instant::now() + PATIENCE);
    let Ok(()) = myers::diff_deadline(&mut hook, &before[..], 0..before.len(), &now[..], 0..now.len(), deadline);
    let mut lines = Vec::new();
    for op in hook.into_inner().into_ops() {
        if op.tag() == similar::DiffTag::Equal {
            continue;
        }
        lines.extend(before[op.old_range()].iter().map(|line| shown('-', line)));
        lines.extend(now[op.new_range()].iter().map(|line| shown('+', line)));
    }
    if lines.is_empty() {
        return "(only secrets differ)".to_owned();
    }
    let more = lines.len().saturating_sub(MAX_LINES);
    lines.truncate(MAX_LINES);
    if more > 0 {
        lines.push(format!("({more} more lines)"));
    }
    lines.join("\n")
}

fn shown(sign: char, line: &str) -> String {
    let text = line.trim_end_matches(['\n', '\r']);
    let cut = text.char_indices().nth(MAX_LINE).map_or(text.len(), |(at, _)| at);
    let more = if cut < text.len() { "…" } else { "" };
    format!("{sign} {}{more}", &text[..cut])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn difference_redacts_secrets_and_keeps_paths() {
        let before = "token: abc.def\nmqttPassword=\"x\"\ntlsPrivateKeyFile: /etc/key\na: 1\n";
        let now = "token: other\nmqttPassword=\"y\"\ntlsPrivateKeyFile: /etc/key2\na: 2\n";
        assert_eq!(
            difference_of(before.as_bytes(), now.as_bytes()),
            "- tlsPrivateKeyFile: /etc/key\n- a: 1\n+ tlsPrivateKeyFile: /etc/key2\n+ a: 2"
        );
        let text = difference_of(
            b"",
            b"x\ntoken: abc\n-----BEGIN EC PRIVATE KEY-----\nMHcC\n-----END EC PRIVATE KEY-----\ny\n",
        );
        assert_eq!(text, "+ x\n+ token: ***\n+ ***\n+ ***\n+ ***\n+ y");
        assert_eq!(difference_of(b"token: a\n", b"token: b\n"), "(only secrets differ)");
    }

    #[test]
    fn difference_of_large_files_without_a_common_line_takes_seconds() {
        let text = |word: &str| (0..60_000).map(|n| format!("{word} {n}\n")).collect::<String>();
        let begin = std::time::Instant::now();
        assert!(difference_of(text("a").as_bytes(), text("b").as_bytes()).ends_with("more lines)"));
        assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
    }

    #[test]
    fn long_difference_is_truncated() {
        let now = (0..100).map(|n| format!("{n}\n")).collect::<String>();
        assert!(difference_of(b"", now.as_bytes()).ends_with("(60 more lines)"));
    }
}
