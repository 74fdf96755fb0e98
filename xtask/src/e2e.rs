//! `xtask e2e`: real machines with systemd, prepared by cloud-init, rebooted, reset, and reverted.
//!
//! `image` makes a Debian once, for every suite; `disk` is a copy of it, `machine` runs it in `qemu` and talks to its
//! guest agent over a `channel`; `server` is the only host that the machine can reach. A suite prepares the files of its
//! machine, and then works with it as a `guest`; `node` has what several suites know of an edge node and of the host of
//! cloudcore. `look` compares inventories of the machine, and `allowed` lists what may differ.

mod allowed;
mod arch;
mod channel;
mod cloud_node;
mod container;
mod disk;
mod edge_node;
mod golden_image;
mod guest;
mod image;
mod joined;
mod look;
mod machine;
mod node;
mod power_cut;
mod qemu;
mod repository;
mod reset;
mod runtimes;
mod seed;
mod server;
mod swap;
mod write_cache;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::ValueEnum;

pub(crate) use self::arch::Arch;
use self::cloud_node::Backend;
use self::disk::{Disk, GuestFile, Keep};
use self::guest::Guest;
use self::image::Image;
use self::machine::Machine;
use crate::bench::cpu_of_children;
use crate::dist;
use crate::failure::hinted;
use crate::machine::on_path;
use crate::workspace::{Workspace, make_dir, remove_tree, write};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The machine's architecture; the other one is emulated, which takes several times as long
    #[arg(long, value_enum, value_name = "ARCH", default_value = "amd64")]
    arch: Arch,
    /// The suites to run, each on a machine of its own [default: all]
    #[arg(long, value_enum, value_name = "SUITE", value_delimiter = ',')]
    suite: Vec<Suite>,
    /// How often power-cut turns the machine off in the middle of a command
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    cuts: u32,
    /// Repeat the power cuts of the run that printed this seed [default: random]
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,
    /// Install this .deb instead of one that is built now
    #[arg(long, value_name = "FILE")]
    package: Option<PathBuf>,
    /// Keep the machines' disks when they are done
    #[arg(long)]
    keep: bool,
    /// Answer one connection of the machine on standard input and output
    #[arg(long, hide = true, value_name = "DIR")]
    serve: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Suite {
    /// From a bare image to a prepared edge node, a join and a reset, and back
    EdgeNode,
    /// Pods, networks, virtual services and a dead file server; a reset, also one that power cuts interrupt; undo and purge
    Reset,
    /// The host of cloudcore: certificates, cloudcore.yaml and a redirect that persists, and back
    CloudNode,
    /// The same with the legacy backend of iptables
    CloudNodeLegacy,
    /// An edge node and a host of cloudcore, and back, with power cuts at random moments
    PowerCut,
    /// Every source of swap that Debian has: off, also after a reboot, and on again
    Swap,
    /// Debian's containerd and Docker by edge-pkg: images from a mirror, pods and containers, across a reboot, and back
    Runtimes,
    /// An image that is prepared before its first boot, as an SD card is
    GoldenImage,
}

/// Where a suite prepares its machine.
struct Place<'w> {
    workspace: &'w Workspace,
    arch: Arch,
    /// A directory of its own.
    dir: PathBuf,
    /// The directory that the machine's server serves.
    served: PathBuf,
    /// The .deb for the machine.
    package: &'w Path,
    cuts: u32,
    seed: Option<u64>,
}

/// What is done with a machine; the first error ends it.
type Story = Box<dyn FnOnce(&mut Guest<'_>) -> Result<()>>;

/// A suite before its machine exists.
struct Prepared {
    /// What is put on the disk before the first boot.
    files: Vec<GuestFile>,
    story: Story,
}

impl Suite {
    fn prepare(self, place: &Place<'_>) -> Result<Prepared> {
        match self {
            Suite::EdgeNode => edge_node::prepare(place),
            Suite::Reset => reset::prepare(place),
            Suite::CloudNode => cloud_node::prepare(place, Backend::Nft),
            Suite::CloudNodeLegacy => cloud_node::prepare(place, Backend::Legacy),
            Suite::PowerCut => power_cut::prepare(place),
            Suite::Swap => swap::prepare(place),
            Suite::Runtimes => runtimes::prepare(place),
            Suite::GoldenImage => golden_image::prepare(place),
        }
    }
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    let suites = if args.suite.is_empty() { Suite::value_variants() } else { &args.suite };
    needs(args.arch, suites)?;
    let package = match &args.package {
        Some(package) => package.clone(),
        None => dist::debian_package(workspace, args.arch.target())?,
    };
    for suite in suites {
        one(workspace, args, *suite, &package)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// One suite on a machine of its own.
fn one(workspace: &Workspace, args: &Args, suite: Suite, package: &Path) -> Result<()> {
    let name = suite.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    let dir = workspace.scratch("e2e")?.join(format!("{name}-{}", args.arch.debian()));
    remove_tree(&dir)?;
    let served = dir.join("served");
    make_dir(&served)?;
    let log = dir.join("build.log");
    write(&log, "")?;

    // A build beside this run replaces the program that QEMU starts for each connection.
    let program = dir.join("xtask");
    std::fs::copy("/proc/self/exe", &program).with_context(|| format!("cannot copy xtask to {}", program.display()))?;

    let (started, before) = (Instant::now(), cpu_of_children()?);
    let image = Image::get(args.arch, &log)?;
    let place = Place { workspace, arch: args.arch, dir, served, package, cuts: args.cuts, seed: args.seed };
    let Prepared { files, story } = suite.prepare(&place)?;
    let keep = if args.keep { Keep::Disk } else { Keep::Nothing };
    let disk = Disk::new(&image, &place.dir, &files, keep, &log)?;
    let console = place.dir.join("console.log");
    let mut machine = Machine::new(args.arch, image, disk, console.clone(), server(&program, &place.served))?;
    println!("machine   {}, {}; console in {}", args.arch.debian(), machine.accelerator().name(), console.display());
    let done = story(&mut Guest::new(&mut machine));
    if args.keep {
        println!("disk      {}", machine.disk().path().display());
    }
    done.map_err(|error| machine.failed(&error))?;
    drop(machine);
    let (seconds, cpu) = (started.elapsed().as_secs_f64(), cpu_of_children()? - before);
    println!("{name} on {}: ok in {seconds:.0} s, {cpu:.0} s of CPU", args.arch.debian());
    Ok(())
}

/// Answers one connection, if requested; the machine's QEMU starts a process for each.
pub(crate) fn serve(args: &Args) -> Option<ExitCode> {
    let dir = args.serve.as_deref()?;
    let served = server::serve(dir, std::io::stdin().lock(), std::io::stdout().lock());
    // A closed connection is not an error, and nobody would see the message.
    Some(if served.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The command line of [`serve`], as QEMU splits it.
fn server(program: &Path, dir: &Path) -> String {
    let quoted = |path: &Path| format!("'{}'", path.display().to_string().replace('\'', r"'\''"));
    format!("{} e2e --serve {}", quoted(program), quoted(dir))
}

/// Fails early, with the command that installs what is missing.
fn needs(arch: Arch, suites: &[Suite]) -> Result<()> {
    let mut needed = vec![
        (arch.qemu(), arch.qemu_package()),
        ("mmdebstrap", "mmdebstrap"),
        ("mkfs.ext4", "e2fsprogs"),
        ("debugfs", "e2fsprogs"),
        ("dpkg-deb", "dpkg"),
        ("go", "golang-go"),
        ("gpg", "gnupg"),
        ("openssl", "openssl"),
        ("setpriv", "util-linux"),
    ];
    if !arch.is_native() {
        // mmdebstrap uses it to check whether programs of the other architecture run here.
        needed.extend([("arch-test", "arch-test"), ("qemu-aarch64-static", "qemu-user-static")]);
    }
    if suites.contains(&Suite::PowerCut) {
        needed.push(("nbdkit", "nbdkit"));
    }
    let mut missing: Vec<&str> =
        needed.into_iter().filter(|(program, _)| on_path(program).is_none()).map(|(_, package)| package).collect();
    missing.dedup();
    if missing.is_empty() {
        return Ok(());
    }
    Err(hinted(
        format!("cannot make a machine: not installed: {}", missing.join(", ")),
        format!("apt-get install -y {}", missing.join(" ")),
    ))
}
