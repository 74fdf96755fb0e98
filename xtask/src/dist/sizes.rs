//! How large the binaries may be, and how they have grown since the sizes in `data/sizes.toml`.

use anyhow::{Context, Result, bail};
use toml_edit::DocumentMut;

use super::elf::Machine;
use super::{Binary, Target};
use crate::workspace::{Workspace, read, write};

const FILE: &str = "xtask/data/sizes.toml";

/// The size limit of an arm64 binary, in bytes.
const LIMIT: u64 = 2 << 20;

/// Higher limits for binaries that link cryptography, TLS, gRPC or netlink: name and limit.
const LIMITS: &[(&str, u64)] = &[
    ("edge-certgen", 3 << 20),
    ("edge-check", 3 << 20),
    ("edge-cni", 3 << 20),
    ("edge-crio", 4 << 20),
    ("edge-join", 4 << 20),
    ("edge-pkg", 4 << 20),
    ("edge-reset", 4 << 20),
    ("edge-token", 3 << 20),
];

/// x86-64 code is about a quarter larger.
pub(super) fn limit(name: &str, machine: Machine) -> u64 {
    let special = LIMITS.iter().find(|(special, _)| *special == name);
    let limit = special.map_or(LIMIT, |(_, limit)| *limit);
    match machine {
        Machine::Arm64 | Machine::Armv7 => limit,
        Machine::Amd64 => limit + limit / 4,
    }
}

/// The limit of all binaries together.
fn total_limit(machine: Machine) -> u64 {
    match machine {
        Machine::Arm64 | Machine::Armv7 => 29 << 20,
        Machine::Amd64 => 36 << 20,
    }
}

/// Fails if all binaries together are too large; each alone was checked before.
pub(super) fn check_total(binaries: &[Binary], machine: Machine) -> Result<()> {
    let (size, limit) = (binaries.iter().map(|binary| binary.size).sum::<u64>(), total_limit(machine));
    if size > limit {
        bail!("all binaries together have {size} bytes, the limit is {limit}");
    }
    Ok(())
}

/// A table of the sizes, in KiB.
pub(super) fn report(workspace: &Workspace, binaries: &[Binary], target: Target) -> Result<String> {
    let earlier = recorded(workspace)?;
    let earlier = |name: &str| earlier.get(&target.to_string())?.get(name)?.as_integer();
    let mut table =
        format!("{:<16} {:>10} {:>8} {:>10}  {:<8}  machine\n", "binary", "size", "growth", "limit", "static");
    let mut row = |name: &str, size: u64, limit: u64, rest: &str| {
        let size = size.div_ceil(1024);
        let growth = earlier(name).map_or_else(|| "new".to_owned(), |old| format!("{:+}", size as i64 - old));
        table.push_str(&format!("{name:<16} {size:>6} KiB {growth:>8} {:>6} KiB  {rest}\n", limit / 1024));
    };
    for binary in binaries {
        let linked = if binary.kind.pie { "yes, pie" } else { "yes" };
        let machine = binary.kind.machine;
        row(&binary.name, binary.size, limit(&binary.name, machine), &format!("{linked:<8}  {machine}"));
    }
    let total = binaries.iter().map(|binary| binary.size).sum();
    row("total", total, total_limit(target.machine()), "");
    Ok(table.lines().map(|line| format!("{}\n", line.trim_end())).collect())
}

/// Records the sizes as those that later reports compare with.
pub(super) fn save(workspace: &Workspace, binaries: &[Binary], target: Target) -> Result<()> {
    let mut document = recorded(workspace)?;
    let table = document.entry(&target.to_string()).or_insert(toml_edit::table());
    let total = binaries.iter().map(|binary| binary.size).sum();
    let sizes = binaries.iter().map(|binary| (binary.name.as_str(), binary.size)).chain([("total", total)]);
    for (name, size) in sizes {
        table[name] = toml_edit::value(size.div_ceil(1024) as i64);
    }
    write(&workspace.root.join(FILE), document.to_string())
}

fn recorded(workspace: &Workspace) -> Result<DocumentMut> {
    let text = String::from_utf8(read(&workspace.root.join(FILE))?).with_context(|| format!("cannot read {FILE}"))?;
    text.parse().with_context(|| format!("cannot read {FILE}"))
}
