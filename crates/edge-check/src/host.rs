//! The checks of the other utilities, which are run as programs: this one links none of them.

pub(crate) mod answer;
pub(crate) mod report;
pub(crate) mod run;
