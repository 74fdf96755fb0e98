//! Puts into `--version` what cargo alone knows: the target, and the commit where the one who builds names it.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=EDGEUTILS_COMMIT");
    let target = std::env::var("TARGET").unwrap_or_default();
    let commit = std::env::var("EDGEUTILS_COMMIT").unwrap_or_default();
    let separator = if commit.is_empty() { "" } else { ", " };
    println!("cargo:rustc-env=EDGEUTILS_BUILD={commit}{separator}{target}");
}
