//! Which Rust can build a target on this machine, and how it is called.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::ValueEnum;

use super::elf::Machine;
use crate::failure::hinted;
use crate::machine::on_path;
use crate::sh::Sh;
use crate::workspace::Workspace;

/// Where a distribution installs its own Rust and linkers, whatever rustup has put first in PATH.
const DISTRIBUTION_BIN: &str = "/usr/bin";

/// A target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Target {
    #[value(name = "aarch64-unknown-linux-musl")]
    Arm64Musl,
    #[value(name = "aarch64-unknown-linux-gnu")]
    Arm64Gnu,
    #[value(name = "x86_64-unknown-linux-musl")]
    Amd64Musl,
    #[value(name = "x86_64-unknown-linux-gnu")]
    Amd64Gnu,
    #[value(name = "armv7-unknown-linux-musleabihf")]
    Armv7Musl,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.triple())
    }
}

impl Target {
    fn triple(self) -> &'static str {
        match self {
            Target::Arm64Musl => "aarch64-unknown-linux-musl",
            Target::Arm64Gnu => "aarch64-unknown-linux-gnu",
            Target::Amd64Musl => "x86_64-unknown-linux-musl",
            Target::Amd64Gnu => "x86_64-unknown-linux-gnu",
            Target::Armv7Musl => "armv7-unknown-linux-musleabihf",
        }
    }

    pub(crate) fn machine(self) -> Machine {
        match self {
            Target::Arm64Musl | Target::Arm64Gnu => Machine::Arm64,
            Target::Amd64Musl | Target::Amd64Gnu => Machine::Amd64,
            Target::Armv7Musl => Machine::Armv7,
        }
    }

    /// Debian's name of the architecture.
    pub(crate) fn debian(self) -> &'static str {
        match self.machine() {
            Machine::Arm64 => "arm64",
            Machine::Amd64 => "amd64",
            Machine::Armv7 => "armhf",
        }
    }

    /// Red Hat's name of the architecture.
    pub(crate) fn red_hat(self) -> &'static str {
        match self.machine() {
            Machine::Arm64 => "aarch64",
            Machine::Amd64 => "x86_64",
            Machine::Armv7 => "armv7hl",
        }
    }

    /// The emulator of its programs; none for those that run on this machine.
    pub(crate) fn emulator(self) -> Option<&'static str> {
        match self.machine() {
            machine if machine == Target::native().machine() => None,
            Machine::Arm64 => Some("qemu-aarch64-static"),
            Machine::Amd64 => Some("qemu-x86_64-static"),
            Machine::Armv7 => Some("qemu-arm-static"),
        }
    }

    /// The static target of the machine we run on.
    pub(crate) fn native() -> Target {
        if cfg!(target_arch = "aarch64") { Target::Arm64Musl } else { Target::Amd64Musl }
    }

    /// The compiler that links for a glibc target; musl targets link with Rust's own lld.
    fn linker(self) -> Option<&'static str> {
        match self {
            Target::Arm64Musl | Target::Amd64Musl | Target::Armv7Musl => None,
            Target::Arm64Gnu | Target::Amd64Gnu => Some(self.compiler()),
        }
    }

    /// The compiler for the C and assembler of a dependency (ring); it needs no C library of the target.
    fn compiler(self) -> &'static str {
        match self.machine() {
            Machine::Arm64 => "aarch64-linux-gnu-gcc",
            Machine::Amd64 => "x86_64-linux-gnu-gcc",
            Machine::Armv7 => "arm-linux-gnueabihf-gcc",
        }
    }

    /// The rustup target that would make the default build possible, if nothing does yet.
    pub(crate) fn default_missing() -> Option<&'static str> {
        Target::Arm64Gnu.missing().and(Target::Arm64Musl.missing())
    }

    /// The rustup target to add for a build for this one, if no Rust here has it. A compiler for its C is a package.
    pub(crate) fn missing(self) -> Option<&'static str> {
        self.rust().is_none().then_some(self.triple())
    }

    /// The first Rust with this target's standard library: its rustc, and whether it is the distribution's.
    fn rust(self) -> Option<(bool, PathBuf)> {
        let distribution = Path::new(DISTRIBUTION_BIN).join("rustc");
        let on_path = on_path("rustc").map(|rustc| (rustc == distribution, rustc));
        let own = distribution.is_file().then_some((true, distribution));
        on_path.into_iter().chain(own).find(|(_, rustc)| has_std(rustc, self))
    }
}

/// A Rust that can build a target.
#[derive(Clone, Debug)]
pub(crate) struct Toolchain {
    target: Target,
    rustc: PathBuf,
    /// True for the distribution's own Rust, called by path beside rustup's.
    is_distribution: bool,
}

impl Toolchain {
    /// The first Rust that has the target's standard library and linker; without a target, arm64.
    pub(crate) fn choose(target: Option<Target>) -> Result<Toolchain> {
        let targets = match target {
            Some(target) => vec![target],
            None => vec![Target::Arm64Musl, Target::Arm64Gnu],
        };
        for target in &targets {
            if let Some(found) = Toolchain::find(*target) {
                return Ok(found);
            }
        }
        let has_rustup = on_path("rustup").is_some();
        // Of the default targets, the distribution's Rust has the one with glibc.
        let target = if has_rustup { targets.first() } else { targets.last() };
        let target = target.copied().unwrap_or(Target::Arm64Musl);
        Err(hinted(
            format!("no Rust on this machine can build for {target}"),
            install_line(target, has_rustup, on_path(target.compiler()).is_some()),
        ))
    }

    fn find(target: Target) -> Option<Toolchain> {
        on_path(target.compiler())?;
        target.rust().map(|(is_distribution, rustc)| Toolchain { target, rustc, is_distribution })
    }

    pub(crate) fn target(&self) -> Target {
        self.target
    }

    /// For the user: version and path of Rust, and the linker.
    pub(crate) fn described(&self) -> String {
        let version = Sh::program(&self.rustc).arg("--version").capture();
        format!(
            "{} ({}), linked by {}",
            version.as_deref().unwrap_or("rustc").trim(),
            self.rustc.display(),
            self.target.linker().unwrap_or("rust-lld"),
        )
    }

    /// Builds every utility; the directory with the programs.
    pub(crate) fn build(&self, workspace: &Workspace) -> Result<PathBuf> {
        let triple = self.target.triple();
        let cargo =
            if self.is_distribution { Path::new(DISTRIBUTION_BIN).join("cargo") } else { PathBuf::from("cargo") };
        // Another compiler's objects cannot be linked with those of this one.
        let target_dir =
            if self.is_distribution { workspace.target.join("distribution-rust") } else { workspace.target.clone() };
        let mut sh = Sh::program(cargo)
            .dir(&workspace.root)
            .args(["build", "--quiet", "--release", "--locked", "--target", triple])
            .env("CARGO_TARGET_DIR", &target_dir)
            .env("CARGO_ENCODED_RUSTFLAGS", self.flags(&workspace.root, &target_dir)?);
        if let Some(commit) = workspace.commit() {
            sh = sh.env("EDGEUTILS_COMMIT", commit);
        }
        for name in &workspace.utilities {
            sh = sh.args(["--package", name]);
        }
        if self.is_distribution {
            sh = sh.env("RUSTC", &self.rustc);
        }
        let (upper, lower) = (triple.to_uppercase().replace('-', "_"), triple.replace('-', "_"));
        sh = sh
            .env(&format!("CARGO_TARGET_{upper}_LINKER"), self.target.linker().unwrap_or("rust-lld"))
            .env(&format!("CC_{lower}"), self.target.compiler())
            // The checked functions that a distribution's compiler turns memcpy into are glibc's own.
            .env(&format!("CFLAGS_{lower}"), "-U_FORTIFY_SOURCE");
        sh.run().with_context(|| format!("cannot build for {triple}"))?;
        Ok(target_dir.join(triple).join("release"))
    }

    /// Flags for a static and reproducible binary, wherever the sources are.
    fn flags(&self, root: &Path, target_dir: &Path) -> Result<String> {
        let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
        let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
        let home = home.context("cannot find cargo's home: HOME is not set")?;
        let mut flags = vec![
            "-Ctarget-feature=+crt-static".to_owned(),
            // A panic ends the program, so nothing unwinds.
            "-Cforce-unwind-tables=no".to_owned(),
            format!("--remap-path-prefix={}=/edgeutils", root.display()),
            format!("--remap-path-prefix={}=/cargo", home.display()),
            // What build scripts generate. The last one that matches applies, and this may be below the root.
            format!("--remap-path-prefix={}=/target", target_dir.display()),
        ];
        if self.target.linker().is_none() {
            flags.push("-Clink-self-contained=yes".to_owned());
            // Relative, as cargo's metadata has it: the same bytes wherever the sources are.
            flags.push("-Clink-arg=-Txtask/data/no-unwind.ld".to_owned());
            flags.push("-Clink-arg=--no-eh-frame-hdr".to_owned());
            // Identical functions are one. Rust does not promise that functions have different addresses.
            flags.push("-Clink-arg=--icf=all".to_owned());
        }
        Ok(flags.join("\u{1f}"))
    }
}

/// Runs the line that makes the target buildable, if it is not.
pub(super) fn install(target: Option<Target>) -> Result<()> {
    let Err(error) = Toolchain::choose(target) else { return Ok(()) };
    for line in crate::failure::hints(&error) {
        println!("running   {line}");
        Sh::new("sh -euc").arg(line).run()?;
    }
    Ok(())
}

/// True if this Rust has the target's standard library.
fn has_std(rustc: &Path, target: Target) -> bool {
    let printed = Sh::program(rustc).args(["--print", "target-libdir", "--target", target.triple()]).capture();
    let Ok(dir) = printed else { return false };
    let entries = std::fs::read_dir(dir.trim()).into_iter().flatten();
    entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
}

/// The one line that makes the target buildable.
fn install_line(target: Target, has_rustup: bool, has_linker: bool) -> String {
    let architecture = target.debian();
    let package = match target.machine() {
        Machine::Arm64 => "gcc-aarch64-linux-gnu",
        Machine::Amd64 => "gcc-x86-64-linux-gnu",
        Machine::Armv7 => "gcc-arm-linux-gnueabihf",
    };
    let and_linker = if has_linker { String::new() } else { format!(" && apt-get install -y {package}") };
    match target.linker() {
        _ if has_rustup => format!("rustup target add {target}{and_linker}"),
        None => format!("curl -fsSL https://sh.rustup.rs | sh -s -- -y --target {target}{and_linker}"),
        // Debian's Rust has no musl library; its glibc one links statically too.
        Some(_) => format!(
            "dpkg --add-architecture {architecture} && apt-get update && \
             apt-get install -y cargo-web libstd-rust-web-dev:{architecture} {package}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_library_is_added_by_rustup() {
        assert_eq!(install_line(Target::Arm64Musl, true, true), "rustup target add aarch64-unknown-linux-musl");
        assert_eq!(
            install_line(Target::Arm64Gnu, true, false),
            "rustup target add aarch64-unknown-linux-gnu && apt-get install -y gcc-aarch64-linux-gnu"
        );
    }

    #[test]
    fn without_rustup_the_distribution_has_only_targets_with_glibc() {
        let gnu = install_line(Target::Arm64Gnu, false, true);
        assert!(gnu.contains("libstd-rust-web-dev:arm64"), "{gnu}");
        let musl = install_line(Target::Armv7Musl, false, false);
        assert!(musl.contains("sh.rustup.rs") && musl.ends_with(" -y gcc-arm-linux-gnueabihf"), "{musl}");
    }

    #[test]
    fn rust_without_the_library_is_not_used() {
        assert!(!has_std(Path::new("no-such-rustc"), Target::Arm64Musl));
        assert!(!has_std(Path::new("true"), Target::Arm64Musl));
    }
}
