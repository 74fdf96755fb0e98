//! Files of `KEY=value` lines, as several sources of swap have them.

/// Whether a value means yes.
pub(super) fn is_yes(value: &str) -> bool {
    let value = value.trim().trim_matches(['"', '\'']);
    ["y", "yes", "true", "1", "on"].iter().any(|yes| value.eq_ignore_ascii_case(yes))
}

/// The value of the last line `KEY=value`, with the number of the line.
pub(super) fn last_value<'t>(text: &'t str, key: &str) -> Option<(usize, &'t str)> {
    let mut last = None;
    for (index, line) in text.lines().enumerate() {
        let Some((name, value)) = line.split_once('=') else { continue };
        if name.trim() == key {
            last = Some((index + 1, value.trim()));
        }
    }
    last
}
