//! The phase links.
