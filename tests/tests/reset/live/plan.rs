//! `--plan`, interruptions and the whole of a reset.
