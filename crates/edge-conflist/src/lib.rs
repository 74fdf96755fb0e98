//! Network configurations of containers as libcni reads them, and what keeps them from working.
//!
//! Reads the files below a directory such as /etc/cni/net.d, the headers and versions of the plugins that
//! they name, the record of what edge-cni installed, and which libcni a host's runtimes are built with.
//! Runs plugins for their version, live only. Writes nothing.
//!
//! [`judge::facts`] reads all of it, [`judge::judge`] says what is wrong and which network is used: two
//! utilities that look at one host must not come to different answers.

pub mod conflist;
pub mod judge;
pub mod known;
pub mod plugin;
pub mod range;
pub mod record;
pub mod runtime;
pub mod version;
