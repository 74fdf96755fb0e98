//! The phase processes.
