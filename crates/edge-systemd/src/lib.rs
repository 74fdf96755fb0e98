//! systemd's units as files: which file of a unit counts, what its settings amount to, what enables or masks it.
//!
//! systemd itself cannot be asked about an image, nor about the next boot of a host, and not every host runs it. So
//! this crate reads the files by systemd's rules (systemd.unit(5), checked against systemd 252). Where a setting may
//! be made in several places, the one that counts is named with its file and line.

#![cfg_attr(test, allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests prepare files"))]

mod dirs;
mod env_file;
mod exec;
#[doc(hidden)]
pub mod fuzz;
mod links;
mod name;
mod settings;
mod syntax;
pub mod systemctl;
mod unit;
mod words;

use std::path::Path;

use edge_host::{Result, Root};

pub use dirs::{ADMIN_UNITS, MASK, Scope, effective_files, is_mask};
pub use exec::{Command, Word};
pub use links::{Link, requested_links};
pub use name::is_unit_name;
pub use settings::{Setting, Settings, Variable};
pub use syntax::{Assignment, parse, value};
pub use unit::{Unit, UnitFile, Units};
pub use words::{quoted_path, quoted_variable, variables};

/// What sd_booted(3) looks for.
const BOOTED: &str = "/run/systemd/system";

/// Whether systemd is the init of this host; false for an image.
pub fn is_running(root: &Root) -> Result<bool> {
    Ok(root.is_live() && root.find(Path::new(BOOTED))?.exists())
}
