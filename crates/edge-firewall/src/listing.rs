//! Converts the output of `iptables -v -S` for a chain to the format of iptables-save.

use crate::save::{Malformed, Save, split_line};
use crate::words::end_of_quote;

/// The lines of iptables-save, with counters, for the output of `iptables -v -S`.
///
/// Errors: [`Malformed`] for any other line.
pub(crate) fn as_saved(text: &str) -> Result<String, Malformed> {
    let (mut rest, mut number) = (text, 0);
    let mut saved = String::with_capacity(text.len());
    while !rest.is_empty() {
        number += 1;
        let fail = |what| Malformed { line: number, what };
        let (line, after) = split_line(rest).ok_or_else(|| fail("the output is incomplete"))?;
        rest = after;
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (plain, counters) = without_counters(line);
        let counters = counters.unwrap_or_else(|| "[0:0]".to_owned());
        if let Some(declared) = plain.strip_prefix("-P ") {
            saved += &format!(":{declared} {counters}\n");
        } else if let Some(name) = plain.strip_prefix("-N ") {
            saved += &format!(":{name} - [0:0]\n");
        } else if plain.starts_with("-A ") {
            saved += &format!("{counters} {plain}\n");
        } else {
            return Err(fail("not a valid rule or chain"));
        }
        number += line.matches('\n').count();
    }
    // It must be a valid save as well.
    match Save::parse(&format!("*table\n{saved}COMMIT\n")) {
        Ok(_) => Ok(saved),
        Err(malformed) => Err(Malformed { line: number, ..malformed }),
    }
}

/// The line without ` -c PACKETS BYTES`, and these in the format of iptables-save.
fn without_counters(line: &str) -> (String, Option<String>) {
    let mut words: Vec<(usize, &str)> = Vec::new();
    let mut at = 0;
    while let Some(start) = line[at..].find(|c| c != ' ').map(|skipped| at + skipped) {
        let rest = &line[start..];
        let length = match rest.strip_prefix('"') {
            Some(quoted) => end_of_quote(quoted).map_or(rest.len(), |end| end + 2),
            None => rest.find(' ').unwrap_or(rest.len()),
        };
        words.push((start, &rest[..length]));
        at = start + length;
    }
    let is_number = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    for (index, window) in words.windows(3).enumerate() {
        let &[(start, "-c"), (_, packets), (last, bytes)] = window else { continue };
        // A comment may look like an option.
        let is_value =
            index.checked_sub(1).and_then(|before| words.get(before)).is_some_and(|word| word.1 == "--comment");
        if !is_value && is_number(packets) && is_number(bytes) {
            let plain = format!("{}{}", line[..start].trim_end_matches(' '), &line[last + bytes.len()..]);
            return (plain, Some(format!("[{packets}:{bytes}]")));
        }
    }
    (line.to_owned(), None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn as_saved_keeps_rules_and_counters() {
        let listing = "# Table `nat' contains incompatible base-chains, use 'nft' tool to list them.\n\
            -P OUTPUT ACCEPT -c 7 420\n-N OWN\n-A OUTPUT -c 0 0\n-A OUTPUT -p tcp -m comment --comment \"a\n-c 1 2\" -c 3 4 -j OWN\n\
            -A OUTPUT -m comment --comment -c -c 5 6\n-A OWN -p tcp -m tcp --dport 1 -j DNAT --to-destination 192.0.2.1:5\n";
        let want = ":OUTPUT ACCEPT [7:420]\n:OWN - [0:0]\n[0:0] -A OUTPUT\n[3:4] -A OUTPUT -p tcp -m comment --comment \"a\n-c 1 2\" -j OWN\n\
            [5:6] -A OUTPUT -m comment --comment -c\n[0:0] -A OWN -p tcp -m tcp --dport 1 -j DNAT --to-destination 192.0.2.1:5\n";
        assert_eq!(as_saved(listing).unwrap(), want);
        Save::parse(&format!("*nat\n{want}COMMIT\n")).unwrap();
    }

    #[test]
    fn as_saved_refuses_other_output() {
        for text in ["-P OUTPUT ACC", "hello\n", "-P OUTPUT ACCEPT\n-D OUTPUT -j X\n", "-A A --comment \"x\n"] {
            assert!(as_saved(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn as_saved_never_panics(text in "[-PNAc# \"\\\\0-9\nè]{0,80}") {
            let _ = as_saved(&text);
        }
    }
}
