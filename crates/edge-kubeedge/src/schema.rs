//! The keys of edgecore.yaml and cloudcore.yaml, KubeEdge 1.4 to 1.23.
//!
//! Pure functions over the tables in `data/`.

mod lookup;
mod near;
mod path;
mod rule;
mod table;
mod types;

pub use lookup::{Lookup, Match};
pub use path::format_path;
pub use rule::{Rule, Violation};
pub use table::{Default, Key, Table};
pub(crate) use types::is_quantity;
pub use types::{KeyType, TypeError, check_type, is_duration, typed, yaml_1_1_bool};
