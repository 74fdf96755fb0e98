//! A write in place that was interrupted: the journal holds both sides, and the file a front of one and the
//! rest of the other.

use std::io;

use super::paths::{absolute, damaged_record, resolve};
use crate::error::{Error, Result};
use crate::journal::WriteChange;
use crate::root::{Content, LastLink, Root, State};

/// Writes reach the file in whole blocks, whether a program or the power ended them.
const BLOCK: usize = 512;

/// Completes it; whether the file holds the new content then, and whether anything had to be written.
///
/// Forward and never back: what an interruption of this leaves is again a front of the new content and
/// the rest of the old.
pub(super) fn complete(
    root: &Root,
    change: &WriteChange,
    from: &Content,
    to: &Content,
    completed: &mut bool,
) -> Result<bool> {
    let path = absolute(&change.path);
    let resolved = resolve(root, &path, LastLink::Follow)?;
    let fail = |cause: io::Error| Error::io("repair", root.display(&path), &cause);
    let bytes = |content: &Content| content.bytes().ok_or_else(|| damaged_record(root, &change.path));
    let (from, to) = (bytes(from)?, bytes(to)?);
    let found = resolved.find().map_err(fail)?;
    if !matches!(found.state, State::File { .. }) {
        return Ok(false);
    }
    // The other way round where the old content was written again after an error.
    let is_half_written = is_half_written(&found.bytes, &from, &to) || is_half_written(&found.bytes, &to, &from);
    if is_half_written || found.bytes == from || found.bytes == to {
        // What the kernel takes from a file that is written to.
        resolved.give_back(&change.before).map_err(fail)?;
    }
    if is_half_written {
        resolved.overwrite(&to, &found.bytes).map_err(fail)?;
        *completed = true;
    }
    Ok(is_half_written || found.bytes == to)
}

/// Whether `now` is a write in place from `from` to `to` that was interrupted: a front of one, the rest of
/// the other. Somebody's edit in the middle of a block is none.
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
    fn an_interrupted_write_is_a_front_of_the_new_and_the_rest_of_the_old() {
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
    fn an_edit_in_the_middle_of_a_block_is_somebodys() {
        assert!(!is_half_written(b"a=2\nb=1\n", b"a=1\nb=1\n", b"a=2\nb=2\n"));
        assert!(!is_half_written(b"a=1\nb=2\n", b"a=1\nb=1\n", b"a=2\nb=2\n"));
    }
}
