//! `xtask dist`: static binaries, checked and packed as .deb, .rpm and tar, with checksums and a bill of materials.

pub(crate) mod archive;
mod elf;
mod notices;
mod package;
mod sizes;
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
    /// Directory of the packages, the archive and its unpacked tree [default: target/dist]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print each binary's size, its growth since xtask/data/sizes.toml, its limit, linkage and machine
    #[arg(long)]
    report: bool,
    /// Record the sizes in xtask/data/sizes.toml
    #[arg(long)]
    save_sizes: bool,
    /// Sign SHA256SUMS: with this key of gpg, as SHA256SUMS.asc, or with this file, a secret key of
    /// minisign without a password, as SHA256SUMS.minisig
    #[arg(long, value_name = "KEY")]
    sign_key: Option<String>,
    /// If no Rust here can build for the target, run the line that installs what is missing
    #[arg(long)]
    install_toolchain: bool,
}

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
    if args.install_toolchain {
        toolchain::install(args.target)?;
    }
    let toolchain = Toolchain::choose(args.target)?;
    println!("target    {}", toolchain.target());
    println!("toolchain {}", toolchain.described());
    let out = args.out.clone();
    let out = out.unwrap_or_else(|| workspace.target.join("dist"));
    let built = build(workspace, &toolchain, &out)?;
    if args.report {
        print!("{}", sizes::report(workspace, &built.binaries, toolchain.target())?);
    }
    if args.save_sizes {
        sizes::save(workspace, &built.binaries, toolchain.target())?;
    }
    println!("tree      {}", built.tree.display());
    println!("archive   {}", built.archive.display());
    for name in publish(workspace, &toolchain, &built, &out)? {
        println!("package   {}", out.join(name).display());
    }
    archive::write_sums_of(&out, &released(&out, &workspace.version)?)?;
    println!("sums      {}", out.join(archive::SUMS).display());
    if let Some(key) = &args.sign_key {
        println!("signature {}", archive::sign(&out, key)?.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// What installs the packages; it is released with them.
const INSTALLER: &str = "scripts/install.sh";

/// Makes the packages, the compressed archive and the bill of materials of a build in `out`; their names.
fn publish(workspace: &Workspace, toolchain: &Toolchain, built: &Built, out: &Path) -> Result<Vec<String>> {
    let target = toolchain.target();
    let stem = format!("edgeutils-{}-{target}", workspace.version);
    let mut names = package::make(workspace, &built.tree, target, out, archive::epoch(workspace)?)?;
    let (archive, bill) = (format!("{stem}.tar.gz"), format!("{stem}.cdx.json"));
    write(&out.join(&archive), package::gzip(&read(&built.archive)?)?)?;
    let crates = notices::linked(workspace, &target.to_string())?;
    write(&out.join(&bill), notices::bill(&crates, &workspace.version))?;
    write(&out.join("install.sh"), read(&workspace.root.join(INSTALLER))?)?;
    names.extend([archive, bill, "install.sh".to_owned()]);
    Ok(names)
}

/// The files of this version in `out`, of every target that was built there.
fn released(out: &Path, version: &str) -> Result<Vec<PathBuf>> {
    let cannot = || format!("cannot list {}", out.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(out).with_context(cannot)? {
        let name = entry.with_context(cannot)?.file_name().to_string_lossy().into_owned();
        let is_ours =
            name.starts_with(&format!("edgeutils_{version}_")) || name.starts_with(&format!("edgeutils-{version}-"));
        let is_released = [".deb", ".rpm", ".tar.gz", ".cdx.json"].iter().any(|suffix| name.ends_with(suffix));
        if is_ours && is_released || name == "install.sh" {
            names.push(PathBuf::from(name));
        }
    }
    names.sort();
    Ok(names)
}

/// Builds every utility, checks each binary, and packs them into `out`.
pub(crate) fn build(workspace: &Workspace, toolchain: &Toolchain, out: &Path) -> Result<Built> {
    let stem = format!("edgeutils-{}-{}", workspace.version, toolchain.target());
    let tree = out.join(&stem);
    remove_tree(&tree)?;
    let binaries = compile(workspace, toolchain, &tree.join("bin"))?;
    sizes::check_total(&binaries, toolchain.target().machine())?;
    man::write_all(&tree)?;
    for name in ["CHANGELOG.md", "LICENSE", "README.md"].map(PathBuf::from) {
        write(&tree.join(&name), read(&workspace.root.join(&name))?)?;
    }
    for dir in ["docs", "scripts"] {
        for name in archive::files(&workspace.root.join(dir))? {
            // The hook is for a clone of the repository.
            if name != Path::new("pre-commit.sh") {
                write(&tree.join(dir).join(&name), read(&workspace.root.join(dir).join(&name))?)?;
            }
        }
    }
    let crates = notices::linked(workspace, &toolchain.target().to_string())?;
    write(&tree.join("copyright"), notices::copyright(&crates)?)?;
    archive::write_sums(&tree)?;
    let archive = out.join(format!("{stem}.tar"));
    archive::pack(&tree, &stem, &archive, archive::epoch(workspace)?)?;
    Ok(Built { binaries, tree, archive })
}

/// Builds the .deb of a target in target/dist, beside its tree; its path.
pub(crate) fn debian_package(workspace: &Workspace, target: Target) -> Result<PathBuf> {
    let out = workspace.target.join("dist");
    let toolchain = Toolchain::choose(Some(target))?;
    let built = build(workspace, &toolchain, &out)?;
    let names = package::make(workspace, &built.tree, target, &out, archive::epoch(workspace)?)?;
    let name = names.into_iter().find(|name| name.ends_with(".deb"));
    Ok(out.join(name.context("no .deb among the packages")?))
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
    let limit = sizes::limit(name, kind.machine);
    if size > limit {
        bail!("{name} has {size} bytes, the limit is {limit}");
    }
    Ok(Binary { name: name.to_owned(), path, size, kind })
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
