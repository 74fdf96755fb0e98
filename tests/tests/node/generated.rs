//! The manual pages and completions as an archive has them, made once for all tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The directory with man/ and completions/.
pub(crate) fn dir() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("generated");
        let target = std::env::current_exe().unwrap();
        let target = target.ancestors().nth(3).unwrap();
        let made = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["run", "--quiet", "--locked", "--package", "xtask", "--", "man", "--check", "--out"])
            .arg(&dir)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("CARGO_TARGET_DIR", target)
            // `xtask test` sets it for test programs; with it, cargo would build everything once more.
            .env_remove("RUSTC_BOOTSTRAP")
            .output()
            .unwrap();
        // 1: pages in docs/ are outdated, which a suite of its own reports.
        let is_made = matches!(made.status.code(), Some(0 | 1)) && dir.join("completions/zsh/_edge-prep").exists();
        assert!(is_made, "{}", String::from_utf8_lossy(&made.stderr));
        dir
    })
}
