//! Completes a write in place that was interrupted: the journal has the old and the new content, and the file
//! begins with the new and ends with the old.

use super::paths::{absolute, damaged_record, resolve};
use crate::error::{Result, ResultExt};
use crate::journal::WriteChange;
use crate::root::{Content, LastLink, Root, State};

/// Writes reach the file in whole blocks, whether a program or the power ended them.
const BLOCK: usize = 512;

/// Completes it. Returns whether the file has the new content then; `completed` is set if it had to be written.
///
/// It always writes the new content: if this is interrupted too, the file still begins with the new content and
/// ends with the old.
pub(super) fn complete(
    root: &Root,
    change: &WriteChange,
    from: &Content,
    to: &Content,
    completed: &mut bool,
) -> Result<bool> {
    let path = absolute(&change.path);
    let resolved = resolve(root, &path, LastLink::Follow)?;
    let shown = root.display(&path);
    let bytes = |content: &Content| content.bytes().ok_or_else(|| damaged_record(root, &change.path));
    let (from, to) = (bytes(from)?, bytes(to)?);
    let found = resolved.find().on("repair", &shown)?;
    if !matches!(found.state, State::File { .. }) {
        return Ok(false);
    }
    // With the sides exchanged if the old content was being written again after an error.
    let is_half_written = is_half_written(&found.bytes, &from, &to) || is_half_written(&found.bytes, &to, &from);
    if is_half_written || found.bytes == from || found.bytes == to {
        // Capabilities and set-id bits, which the kernel clears when a file is written to.
        resolved.give_back(&change.before).on("repair", &shown)?;
    }
    if is_half_written {
        resolved.overwrite(&to, &found.bytes).on("repair", &shown)?;
        *completed = true;
    }
    Ok(is_half_written || found.bytes == to)
}

/// Whether `now` is an interrupted write in place from `from` to `to`: whole blocks of the new content, then the
/// rest of the old. Any other mixture was edited by someone else.
fn is_half_written(now: &[u8], from: &[u8], to: &[u8]) -> bool {
    if now == from || now == to {
        return false;
    }
    let same = now.iter().zip(to).take_while(|(a, b)| a == b).count();
    let ends = (0..=same / BLOCK).map(|blocks| blocks * BLOCK).chain((same == to.len()).then_some(same));
    ends.into_iter().any(|end| now.get(end..) == Some(from.get(end..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, is_half_written};

    #[test]
    fn half_written_file_begins_with_the_new_content_and_ends_with_the_old() {
        let from: Vec<u8> = (0..5 * BLOCK + 7).map(|at| b'a' + (at % 7) as u8).collect();
        for len in [0, 1, BLOCK, 3 * BLOCK + 5, 9 * BLOCK] {
            let to: Vec<u8> = (0..len).map(|at| b'A' + (at % 11) as u8).collect();
            let ends = (0..=len / BLOCK).map(|blocks| blocks * BLOCK).chain([len]);
            for end in ends {
                let now = [&to[..end], from.get(end..).unwrap_or_default()].concat();
                assert_eq!(is_half_written(&now, &from, &to), now != from && now != to, "{len} {end}");
            }
        }
        assert!(!is_half_written(b"long", b"", b"long and longer"));
        assert!(!is_half_written(b"", &from, b"x"));
    }

    #[test]
    fn half_written_file_is_not_an_edit_in_the_middle_of_a_block() {
        assert!(!is_half_written(b"a=2\nb=1\n", b"a=1\nb=1\n", b"a=2\nb=2\n"));
        assert!(!is_half_written(b"a=1\nb=2\n", b"a=1\nb=1\n", b"a=2\nb=2\n"));
    }
}
