//! Functions for the fuzz targets in tests/ only.

/// The variables of a file of `EnvironmentFile=`, each with its line.
pub fn env_file(bytes: &[u8]) -> Vec<(String, String, usize)> {
    crate::env_file::parse(bytes)
}
