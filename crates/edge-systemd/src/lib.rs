//! Reads systemd's units as files: the file of a unit that takes precedence, its settings, what enables or masks it.
//!
//! systemd cannot report about an image or about the next boot of a host, and not every host runs it. So this crate reads
//! the files by systemd's rules (systemd.unit(5), verified with systemd 252). A setting that can be made in several places
//! is returned with the file and line that take precedence.

#![cfg_attr(test, allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests prepare files"))]

mod dirs;
mod env_file;
mod exec;
mod facts;
#[doc(hidden)]
pub mod fuzz;
mod links;
mod name;
mod settings;
pub mod startup;
mod syntax;
pub mod systemctl;
mod unit;
mod words;

use std::path::Path;

use edge_host::{Result, Root};

pub use dirs::{ADMIN_UNITS, MASK, Scope, effective_files, is_mask};
pub use exec::{Command, Word};
pub use facts::UnitFacts;
pub use links::{Link, requested_links};
pub use name::is_unit_name;
pub use settings::{Setting, Settings, Variable};
pub use syntax::{Assignment, parse, value};
pub use unit::{Boot, PulledIn, Unit, UnitFile, Units};
pub use words::{quoted_argument, quoted_path, quoted_variable, variables};

/// The directory that sd_booted(3) checks for.
const BOOTED: &str = "/run/systemd/system";

/// Whether systemd is the init system of this host; false for an image.
pub fn is_running(root: &Root) -> Result<bool> {
    Ok(root.is_live() && root.find(Path::new(BOOTED))?.exists())
}
