//! Differences between the machines of two architectures.

use clap::ValueEnum;

use crate::dist::Target;

/// An architecture, by its Debian name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Arch {
    Amd64,
    Arm64,
}

impl Arch {
    /// Debian's name for it.
    pub(super) fn debian(self) -> &'static str {
        match self {
            Arch::Amd64 => "amd64",
            Arch::Arm64 => "arm64",
        }
    }

    /// The target of the utilities in the machine.
    pub(super) fn target(self) -> Target {
        match self {
            Arch::Amd64 => Target::Amd64Musl,
            Arch::Arm64 => Target::Arm64Musl,
        }
    }

    /// True if this computer has the same processors.
    pub(super) fn is_native(self) -> bool {
        self.target().machine() == Target::native().machine()
    }

    /// The emulator of the whole machine.
    pub(super) fn qemu(self) -> &'static str {
        match self {
            Arch::Amd64 => "qemu-system-x86_64",
            Arch::Arm64 => "qemu-system-aarch64",
        }
    }

    /// The Debian package that has it.
    pub(super) fn qemu_package(self) -> &'static str {
        match self {
            Arch::Amd64 => "qemu-system-x86",
            Arch::Arm64 => "qemu-system-arm",
        }
    }

    /// The board.
    pub(super) fn board(self) -> &'static str {
        match self {
            Arch::Amd64 => "q35",
            Arch::Arm64 => "virt",
        }
    }

    /// The processor where it is emulated: one without what is expensive to emulate and never used, such as pointer
    /// authentication of arm64, and without features for which the kernel loads a dozen modules at boot.
    pub(super) fn emulated_cpu(self) -> &'static str {
        match self {
            Arch::Amd64 => "Nehalem",
            Arch::Arm64 => "cortex-a72",
        }
    }

    /// The kernel's name of the first serial port.
    pub(super) fn console(self) -> &'static str {
        match self {
            Arch::Amd64 => "ttyS0",
            Arch::Arm64 => "ttyAMA0",
        }
    }

    /// The kernel for virtual machines: a third of the modules, half of the time to build and boot.
    pub(super) fn kernel_package(self) -> &'static str {
        match self {
            Arch::Amd64 => "linux-image-cloud-amd64",
            Arch::Arm64 => "linux-image-cloud-arm64",
        }
    }
}
