//! The phase mounts.
