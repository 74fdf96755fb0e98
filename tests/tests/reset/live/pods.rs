//! The phase pods.
