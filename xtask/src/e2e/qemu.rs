//! QEMU's command line: the accelerator that works here, and the devices of the machine.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::arch::Arch;
use super::image::Image;
use crate::sh::Sh;

/// The accelerator of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accelerator {
    Kvm,
    /// Software, the same everywhere and ten times slower.
    Tcg,
}

/// The machine's only network: the test's server, a process on QEMU's pipe for each connection. No port is opened
/// on this computer, and `restrict` blocks everything else.
const SERVER: &str = "10.0.2.100:80";

/// How long a kernel without a disk takes to panic, if acceleration works.
const TRIAL: Duration = Duration::from_secs(10);

/// An emulated machine beside other work needs longer than systemd waits for a service or a device.
const TIMEOUTS: &str = "systemd.default_timeout_start_sec=600 systemd.default_device_timeout_sec=600";

/// An emulated processor has none of the faults that the kernel mitigates for its model, and switching page tables at each
/// system call takes a seventh of a boot.
const QUICKER: &str = "mitigations=off";

/// Memory in MiB.
const MEMORY: &str = "1024";

impl Accelerator {
    /// KVM if a kernel really boots with it: there are hosts with a /dev/kvm on which QEMU aborts, or its machine
    /// hangs.
    pub(super) fn find(arch: Arch, image: &Image) -> Accelerator {
        let is_offered = arch.is_native() && nix::unistd::access(KVM, nix::unistd::AccessFlags::W_OK).is_ok();
        if is_offered && boots_with_kvm(arch, image) { Accelerator::Kvm } else { Accelerator::Tcg }
    }

    /// How much longer than on real hardware everything may take.
    pub(super) fn patience(self) -> u32 {
        match self {
            Accelerator::Kvm => 1,
            Accelerator::Tcg => 10,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Accelerator::Kvm => "kvm",
            Accelerator::Tcg => "tcg",
        }
    }

    /// The options that choose it.
    fn options(self, arch: Arch) -> [&'static str; 4] {
        match self {
            Accelerator::Kvm => ["-accel", "kvm", "-cpu", "host"],
            Accelerator::Tcg => ["-accel", "tcg,thread=multi", "-cpu", arch.emulated_cpu()],
        }
    }
}

const KVM: &str = "/dev/kvm";

/// The kernel panics without a disk and reboots, which ends QEMU; anything else is a failure.
fn boots_with_kvm(arch: Arch, image: &Image) -> bool {
    let mut command = Command::new(arch.qemu());
    command.args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-m", "256"]);
    command.args(["-M", arch.board()]).args(Accelerator::Kvm.options(arch));
    command.arg("-kernel").arg(image.kernel()).args(["-append", "panic=-1"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else { return false };
    let until = Instant::now() + TRIAL;
    while Instant::now() < until {
        if let Ok(Some(status)) = child.try_wait() {
            return status.success();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let _ = child.kill();
    let _ = child.wait();
    false
}

/// How the machine reaches its disk.
#[derive(Debug)]
pub(super) enum Drive<'a> {
    /// Its file. Flushes are ignored, as they matter only if this computer fails: a reset of the machine loses what its
    /// kernel had not written either way.
    File(&'a Path),
    /// The socket of a server that decides what a flush means.
    Server(&'a Path),
}

impl Drive<'_> {
    fn option(&self) -> String {
        let (cache, file) = match self {
            Drive::File(path) => ("unsafe", path.display().to_string()),
            Drive::Server(socket) => ("writeback", format!("nbd:unix:{}", socket.display())),
        };
        format!("if=virtio,format=raw,cache={cache},file={}", escaped(&file))
    }
}

/// The files of one machine's run.
#[derive(Debug)]
pub(super) struct Wiring<'a> {
    pub(super) image: &'a Image,
    pub(super) drive: Drive<'a>,
    pub(super) console: &'a Path,
    pub(super) agent_socket: &'a Path,
    /// The command that answers one connection to the test's server.
    pub(super) server: &'a str,
}

/// The whole command line. The machine dies with the process that started it, and ends when it reboots.
pub(super) fn command(arch: Arch, accelerator: Accelerator, wiring: &Wiring<'_>) -> Sh {
    let processors = std::thread::available_parallelism().map_or(1, |count| count.get().min(4));
    let agent = escaped(&wiring.agent_socket.display().to_string());
    Sh::new("setpriv --pdeathsig KILL --")
        .arg(arch.qemu())
        .args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"])
        .args(["-M", arch.board(), "-m", MEMORY, "-smp", &processors.to_string()])
        .args(accelerator.options(arch))
        .args([
            "-chardev",
            &format!("file,id=console,append=on,path={}", escaped(&wiring.console.display().to_string())),
        ])
        .args(["-serial", "chardev:console"])
        .args(["-drive", &wiring.drive.option()])
        .args(["-device", "virtio-serial-pci"])
        .args(["-chardev", &format!("socket,id=agent,server=on,wait=off,path={agent}")])
        .args(["-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"])
        .args(["-device", "virtio-rng-pci"])
        .args(["-netdev", &format!("user,id=net,restrict=on,guestfwd=tcp:{SERVER}-cmd:{}", escaped(wiring.server))])
        .args(["-device", "virtio-net-pci,netdev=net,romfile="])
        .arg("-kernel")
        .arg(wiring.image.kernel())
        .arg("-initrd")
        .arg(wiring.image.initrd())
        .arg("-append")
        .arg(format!("root=/dev/vda rw console={} panic=-1 net.ifnames=0 {QUICKER} {TIMEOUTS}", arch.console()))
}

/// In QEMU's options a comma ends a value; a literal one is doubled.
fn escaped(value: &str) -> String {
    value.replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comma_in_a_path_is_no_option() {
        assert_eq!(escaped("/tmp/a,readonly=on"), "/tmp/a,,readonly=on");
    }
}
