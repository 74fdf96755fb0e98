//! Images: `--root`.
