//! The keys of edgecore.yaml and cloudcore.yaml, KubeEdge 1.4 to 1.23.
//!
//! Pure functions over the table in `data/`: no file is read, nothing is printed.

mod lookup;
mod near;
mod path;
mod table;
mod types;

pub use lookup::{Found, Lookup};
pub use path::show;
pub use table::{Default, Key, Source, Table};
pub use types::{Ty, TypeError, check_type, typed, yaml_1_1_bool};
