//! The phase cgroups.
