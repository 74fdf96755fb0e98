//! The phase files.
