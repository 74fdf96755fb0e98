//! Edits and checks edgecore.yaml and cloudcore.yaml.

pub mod schema;
pub mod version;
