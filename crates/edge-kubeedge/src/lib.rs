//! What is known of KubeEdge: its files and ports, its configuration keys and their defaults in each version,
//! and how it reads a configuration.
//!
//! A fact is here once, and every utility asks here for it. What is a table is data in `data/*.keys`, searched in
//! place, so that a program which asks for a path or a port does not carry the keys.

pub mod address;
mod kind;
mod minor;
pub mod paths;
pub mod program;
pub mod runtime;
pub mod schema;
pub mod settings;
pub mod spelling;
pub mod stream;
mod version;

pub use kind::{BadKind, Kind};
pub use minor::{BadVersion, Minor};
pub use version::{Known, kind_of, version};
