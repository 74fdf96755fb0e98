//! The phase units.
