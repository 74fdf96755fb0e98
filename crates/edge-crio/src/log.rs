//! Finds in CRI-O's log why it does not start.

use edge_host::{Result, redact};
use edge_systemd::systemctl;

use crate::unit::UNIT;

/// CRI-O's reason is among the last of its lines, followed by a few of systemd.
const LINES: u32 = 200;
/// How many characters of it are shown.
const SHOWN: usize = 500;

/// The last fatal error in the log of the unit.
pub(crate) fn last_fatal() -> Result<Option<String>> {
    Ok(fatal_in(&redact(&systemctl::log_end(UNIT, LINES)?)))
}

/// The message of the last line with `level=fatal`, or of a panic.
fn fatal_in(log: &str) -> Option<String> {
    let message = log.lines().rev().find_map(|line| {
        if let Some(panic) = line.strip_prefix("panic: ") {
            return Some(format!("panic: {panic}"));
        }
        let (_, fatal) = line.split_once("level=fatal")?;
        let message = fatal.split_once("msg=").map_or(fatal, |(_, message)| message);
        Some(unquoted(message.trim()))
    })?;
    let shown: String = message.chars().take(SHOWN).collect();
    (!shown.trim().is_empty()).then_some(shown)
}

/// The text of a Go string, which ends at its closing quote.
fn unquoted(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"') else {
        return text.split(' ').next().unwrap_or_default().to_owned();
    };
    let (mut all, mut chars) = (String::new(), inner.chars());
    while let Some(char) = chars.next() {
        match char {
            '"' => break,
            '\\' => match chars.next() {
                Some('n' | 't') => all.push(' '),
                Some(escaped) => all.push(escaped),
                None => {}
            },
            other => all.push(other),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fatal_in_takes_the_last_one() {
        let log = "time=\"x\" level=info msg=\"Starting CRI-O\"\ntime=\"x\" level=fatal msg=\"old\"\n\
                   time=\"x\" level=fatal msg=\"validating \\\"a\\\": stat /b\\\\c:\\nno\" file=\"x.go:1\"\n\
                   crio.service: Failed with result 'exit-code'.\n";
        assert_eq!(fatal_in(log).as_deref(), Some("validating \"a\": stat /b\\c: no"));
        assert_eq!(fatal_in("level=fatal msg=short file=x\n").as_deref(), Some("short"));
        assert_eq!(
            fatal_in("panic: runtime error\n\ngoroutine 1 [running]:\n").as_deref(),
            Some("panic: runtime error")
        );
        for none in ["", "level=warning msg=\"level=fata\"\n", "level=fatal msg=\"\"\n"] {
            assert_eq!(fatal_in(none), None, "{none}");
        }
    }
}
