//! The limits of probes. All of a call's probes run at once, each with a deadline of its own.

use std::time::{Duration, Instant};

use edge_hub::Deadline;

/// The longest answer that is read, in bytes: what is asked for is small.
pub(crate) const MOST: usize = 1 << 20;
/// How long all of them may take, those that wait for another one, too.
const ALL: Duration = Duration::from_millis(4500);
/// How long a probe may take.
pub(crate) const TIME: Duration = Duration::from_secs(3);

/// The deadline of a probe that begins now.
pub(crate) fn deadline() -> Deadline {
    Deadline::within(TIME)
}

/// The deadline of a probe that waited for something else since then.
pub(crate) fn deadline_since(begin: Instant) -> Deadline {
    Deadline::within(TIME.min(ALL.saturating_sub(begin.elapsed())))
}
