//! One file for each verb.

pub(crate) mod make;
pub(crate) mod secret;
pub(crate) mod show;
pub(crate) mod verify;
