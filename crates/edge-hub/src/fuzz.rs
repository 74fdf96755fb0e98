//! Entry points for fuzzing.

use crate::Answer;

/// Reads an answer from bytes.
pub fn answer(mut bytes: &[u8], limit: usize) -> Option<Answer> {
    crate::answer::read(&mut bytes, limit).ok()
}
