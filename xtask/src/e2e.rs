//! `xtask e2e`: real machines with systemd, prepared by cloud-init, rebooted, reset, and reverted.
//!
//! `image` makes a Debian once, `disk` a copy of it, `machine` runs it in `qemu` and talks to its guest agent over
//! a `channel`; `server` is the only host that the machine can reach; `look` compares inventories of the machine.

mod allowed;
mod arch;
mod channel;
mod disk;
mod edge_node;
mod image;
mod look;
mod machine;
mod qemu;
mod repository;
mod seed;
mod server;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use clap::ValueEnum;

pub(crate) use self::arch::Arch;
use self::disk::{Disk, Keep};
use self::image::Image;
use self::machine::Machine;
use crate::failure::hinted;
use crate::machine::on_path;
use crate::workspace::{Workspace, make_dir, remove_tree, write};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The machine's architecture; the other one is emulated, which takes several times as long
    #[arg(long, value_enum, value_name = "ARCH", default_value = "amd64")]
    arch: Arch,
    /// The suite to run
    #[arg(long, value_enum, value_name = "SUITE", default_value = "edge-node")]
    suite: Suite,
    /// Keep the machine's disk when it is done
    #[arg(long)]
    keep: bool,
    /// Answer one connection of the machine on standard input and output
    #[arg(long, hide = true, value_name = "DIR")]
    serve: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Suite {
    /// From a bare image to a prepared edge node and back
    EdgeNode,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    needs(args.arch)?;
    let name = args.suite.to_possible_value().map(|value| value.get_name().to_owned());
    let name = name.ok_or_else(|| anyhow!("the suite has no name"))?;
    let dir = workspace.scratch("e2e")?.join(format!("{name}-{}", args.arch.debian()));
    remove_tree(&dir)?;
    make_dir(&dir)?;
    let log = dir.join("build.log");
    write(&log, "")?;

    // A build beside this run replaces the program that QEMU starts for each connection.
    let program = dir.join("xtask");
    std::fs::copy("/proc/self/exe", &program).with_context(|| format!("cannot copy xtask to {}", program.display()))?;

    let started = Instant::now();
    let image = Image::get(args.arch, &log)?;
    let served = dir.join("served");
    make_dir(&served)?;
    let prepared = match args.suite {
        Suite::EdgeNode => edge_node::prepare(workspace, args.arch, &dir, &served)?,
    };
    let keep = if args.keep { Keep::Disk } else { Keep::Nothing };
    let disk = Disk::new(&image, &dir, &prepared.files, keep, &log)?;
    let console = dir.join("console.log");
    let mut machine = Machine::new(args.arch, image, disk, console.clone(), server(&program, &served))?;
    println!("machine   {}, {}; console in {}", args.arch.debian(), machine.accelerator().name(), console.display());
    let done = match args.suite {
        Suite::EdgeNode => edge_node::run(&mut machine, &prepared),
    };
    if args.keep {
        println!("disk      {}", machine.disk().display());
    }
    done.map_err(|error| machine.failed(&error))?;
    println!("{name} on {}: ok in {:.0} s", args.arch.debian(), started.elapsed().as_secs_f64());
    Ok(ExitCode::SUCCESS)
}

/// Answers one connection, if requested; the machine's QEMU starts a process for each.
pub(crate) fn serve(args: &Args) -> Option<ExitCode> {
    let dir = args.serve.as_deref()?;
    let served = server::serve(dir, std::io::stdin().lock(), std::io::stdout().lock());
    // A closed connection is not an error, and nobody would see the message.
    Some(if served.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The command line of [`serve`], as QEMU splits it.
fn server(program: &std::path::Path, dir: &std::path::Path) -> String {
    let quoted = |path: &std::path::Path| format!("'{}'", path.display().to_string().replace('\'', r"'\''"));
    format!("{} e2e --serve {}", quoted(program), quoted(dir))
}

/// Fails early, with the command that installs what is missing.
fn needs(arch: Arch) -> Result<()> {
    let mut needed = vec![
        (arch.qemu(), arch.qemu_package()),
        ("mmdebstrap", "mmdebstrap"),
        ("mkfs.ext4", "e2fsprogs"),
        ("debugfs", "e2fsprogs"),
        ("dpkg-deb", "dpkg"),
        ("go", "golang-go"),
        ("gpg", "gnupg"),
        ("setpriv", "util-linux"),
    ];
    if !arch.is_native() {
        // mmdebstrap uses it to check whether programs of the other architecture run here.
        needed.extend([("arch-test", "arch-test"), ("qemu-aarch64-static", "qemu-user-static")]);
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
