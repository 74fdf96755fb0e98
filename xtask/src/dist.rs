//! `xtask dist`: static binaries, checked and packed with man pages, completions and checksums.

mod archive;
mod elf;
mod toolchain;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

pub(crate) use self::toolchain::{Target, Toolchain};
use crate::man;
use crate::workspace::{Workspace, make_dir, read, remove_tree, write};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Target to build for [default: arm64, musl if the machine has its libraries, else glibc]
    #[arg(long, value_enum, value_name = "TARGET")]
    target: Option<Target>,
    /// Directory of the archive and its unpacked tree [default: target/dist]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print each binary's size, limit, linkage and machine
    #[arg(long)]
    report: bool,
}

/// The size limit of an arm64 binary, in bytes.
const SIZE_LIMIT: u64 = 2 << 20;

/// Higher limits for binaries that link cryptography, TLS, gRPC or netlink: name and limit.
const SIZE_LIMITS: &[(&str, u64)] =
    &[("edge-certgen", 3 << 20), ("edge-cni", 3 << 20), ("edge-crio", 5 << 20), ("edge-reset", 4 << 20)];

/// Scripts that combine the utilities, which they find in ../bin.
pub(crate) const SCRIPTS: &[&str] =
    &["scripts/cloud-node.sh", "scripts/edge-node.sh", "scripts/settings.sh", "scripts/undo-node.sh"];

/// A built and checked binary.
pub(crate) struct Binary {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
    pub(crate) kind: elf::Kind,
}

/// The result of a build.
pub(crate) struct Built {
    pub(crate) binaries: Vec<Binary>,
    /// The unpacked tree, with bin/ in it.
    pub(crate) tree: PathBuf,
    pub(crate) archive: PathBuf,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    let toolchain = Toolchain::choose(args.target)?;
    println!("target    {}", toolchain.target());
    println!("toolchain {}", toolchain.described());
    let out = args.out.clone();
    let out = out.unwrap_or_else(|| workspace.target.join("dist"));
    let built = build(workspace, &toolchain, &out)?;
    if args.report {
        print!("{}", report(&built.binaries));
    }
    println!("tree      {}", built.tree.display());
    println!("archive   {}", built.archive.display());
    Ok(ExitCode::SUCCESS)
}

/// Builds every utility, checks each binary, and packs them into `out`.
pub(crate) fn build(workspace: &Workspace, toolchain: &Toolchain, out: &Path) -> Result<Built> {
    let stem = format!("edgeutils-{}-{}", workspace.version, toolchain.target());
    let tree = out.join(&stem);
    remove_tree(&tree)?;
    let binaries = compile(workspace, toolchain, &tree.join("bin"))?;
    man::write_all(&tree)?;
    for name in [&["LICENSE", "README.md"], SCRIPTS].concat() {
        write(&tree.join(name), read(&workspace.root.join(name))?)?;
    }
    archive::write_sums(&tree)?;
    let archive = out.join(format!("{stem}.tar"));
    archive::pack(&tree, &stem, &archive, archive::epoch()?)?;
    Ok(Built { binaries, tree, archive })
}

/// Builds every utility into `bin` and checks each.
pub(crate) fn compile(workspace: &Workspace, toolchain: &Toolchain, bin: &Path) -> Result<Vec<Binary>> {
    let profile_dir = toolchain.build(workspace)?;
    make_dir(bin)?;
    let mut binaries = Vec::new();
    for name in &workspace.utilities {
        let path = bin.join(name);
        std::fs::copy(profile_dir.join(name), &path)
            .with_context(|| format!("cannot copy {name} to {}", path.display()))?;
        binaries.push(checked(name, path, toolchain.target())?);
    }
    Ok(binaries)
}

fn checked(name: &str, path: PathBuf, target: Target) -> Result<Binary> {
    let bytes = read(&path)?;
    let kind = elf::parse(&bytes).with_context(|| format!("cannot read {name} as ELF"))?;
    if kind.machine != target.machine() {
        bail!("{name} is for {}, not {}", kind.machine, target.machine());
    }
    if let Some(need) = kind.needs.first() {
        bail!("{name} is not static: it needs {need}");
    }
    let size = bytes.len() as u64;
    let limit = limit(name, kind.machine);
    if size > limit {
        bail!("{name} has {size} bytes, the limit is {limit}");
    }
    Ok(Binary { name: name.to_owned(), path, size, kind })
}

/// x86-64 code is a fifth larger.
fn limit(name: &str, machine: elf::Machine) -> u64 {
    let special = SIZE_LIMITS.iter().find(|(special, _)| *special == name);
    let limit = special.map_or(SIZE_LIMIT, |(_, limit)| *limit);
    match machine {
        elf::Machine::Arm64 => limit,
        elf::Machine::Amd64 => limit + limit / 4,
    }
}

fn report(binaries: &[Binary]) -> String {
    let kib = |bytes: u64| format!("{} KiB", bytes.div_ceil(1024));
    let mut table = format!("{:<16} {:>9} {:>9}  {:<10}  machine\n", "binary", "size", "limit", "static");
    for binary in binaries {
        table.push_str(&format!(
            "{:<16} {:>9} {:>9}  {:<10}  {}\n",
            binary.name,
            kib(binary.size),
            kib(limit(&binary.name, binary.kind.machine)),
            if binary.kind.pie { "yes, pie" } else { "yes" },
            binary.kind.machine,
        ));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dynamic_binary_is_refused() {
        let me = std::env::current_exe().unwrap();
        let target = if cfg!(target_arch = "aarch64") { Target::Arm64Musl } else { Target::Amd64Musl };
        let error = checked("xtask", me, target).err().unwrap();
        assert!(error.to_string().contains("xtask is not static"), "{error}");
    }

    #[test]
    fn binary_for_another_machine_is_refused() {
        let me = std::env::current_exe().unwrap();
        let target = if cfg!(target_arch = "aarch64") { Target::Amd64Musl } else { Target::Arm64Musl };
        let error = checked("xtask", me, target).err().unwrap();
        assert!(error.to_string().contains("xtask is for "), "{error}");
    }
}
