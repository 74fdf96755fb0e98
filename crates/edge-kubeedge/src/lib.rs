//! Facts about KubeEdge: its files and ports, its configuration keys and their defaults in each version,
//! how it reads a configuration and how settings of it are edited, and the form of its token.
//!
//! Every utility takes these facts from here. The keys are tables in `data/*.keys` that are searched in place, so that
//! a program that only needs a path or a port does not contain them.

pub mod address;
pub mod edit;
pub mod hub;
mod kind;
pub mod kubernetes;
mod minor;
pub mod paths;
pub mod program;
pub mod runtime;
pub mod schema;
pub mod settings;
pub mod spelling;
pub mod stream;
pub mod token;
pub mod tunnelport;
pub mod unit;
pub mod value;
mod version;

pub use kind::{BadKind, Kind};
pub use minor::{BadVersion, Minor};
pub use version::{VersionSource, kind_of, version};
