//! A real systemd: PID 1 of namespaces of its own, on an overlay of this host's files or of another tree.
//!
//! It boots in a second, its units are real, a reboot keeps its files and its network, and it is removed on drop.
//! The utilities do not take it for a container, so they are called with --force-namespace.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::tool::Ran;

const BOOT_WITHIN: Duration = Duration::from_secs(60);

/// Runs in new namespaces; $1 is a directory of our own, $2 the tree, $3 the units that are started, the rest are
/// programs for /usr/local/bin. No other unit is started: the boot target is one of the tests.
///
/// On this host's files the root's changes are lost with the memory, and it shows; on another tree nothing shows where
/// the upper layer is, as the tests need a host that keeps its changes.
const BOOT: &str = r#"
set -e
base=$1 tree=$2 units=$3; shift 3
echo $$ > "$base/cgroup/cgroup.procs" 2>/dev/null || true
mount -t proc proc /proc
mount -t tmpfs tmpfs "$base/tmp"
cd "$base/tmp"
mkdir up work root
layers=; [ "$tree" != / ] || layers=$PWD/
mount -t overlay overlay -o "lowerdir=$tree,upperdir=${layers}up,workdir=${layers}work" root
mkdir -p root/usr/local/bin
for program in "$@"; do cp "$program" root/usr/local/bin/; done
rm -rf root/etc/systemd/system root/etc/kubeedge
mkdir -p root/etc/systemd/system root/etc/kubeedge/config
# The modules are those of this host's kernel, and a tree may list one that it does not have.
ln -s /dev/null root/etc/systemd/system/systemd-modules-load.service
echo 0123456789abcdef0123456789abcdef > root/etc/machine-id
printf "[Unit]\nRequires=systemd-journald.service\nWants=$units\nAfter=systemd-journald.service $units\nAllowIsolate=yes\n" > root/etc/systemd/system/boot.target
if [ "$tree" = / ]; then for dir in var/lib var/log; do mount -t tmpfs tmpfs root/$dir; done; fi
ip link set lo up 2>/dev/null || true
while :; do
    code=0
    unshare -C -m -p --fork --kill-child --propagation private sh -ec "$MACHINE" || code=$?
    # The kernel ends PID 1 of a namespace that reboots with SIGHUP.
    [ "$code" = 129 ] || exit "$code"
done
"#;

/// One boot, from the directory with the root. The boot ID is its own, as in a container of systemd-nspawn; where
/// the tree has the boot partition of a Raspberry Pi, the command line is the one on it.
const MACHINE: &str = r#"
mount -t proc proc root/proc
mount -t sysfs sysfs root/sys
for dir in run tmp dev; do mount -t tmpfs tmpfs root/$dir; done
mount -t cgroup2 cgroup2 root/sys/fs/cgroup
for node in null zero full random urandom tty; do touch root/dev/$node; mount --bind /dev/$node root/dev/$node; done
mkdir root/dev/shm root/dev/pts
mount -t devpts -o newinstance,ptmxmode=666 devpts root/dev/pts
ln -s pts/ptmx root/dev/ptmx
ln -s /proc/self/fd root/dev/fd
cat /proc/sys/kernel/random/uuid > boot_id
mount --bind boot_id root/proc/sys/kernel/random/boot_id
if [ -e root/boot/firmware/cmdline.txt ]; then
    cp root/boot/firmware/cmdline.txt cmdline
    mount --bind cmdline root/proc/cmdline
fi
exec chroot root /usr/bin/env -i container=edgeutils-test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=boot.target --log-target=journal --show-status=no
"#;

/// A running systemd.
#[derive(Debug)]
pub struct Systemd {
    child: Child,
    base: tempfile::TempDir,
    cgroup: PathBuf,
}

impl Systemd {
    /// Boots one with these programs in /usr/local/bin; says why where it cannot be done here.
    pub fn boot(programs: &[&Path]) -> Result<Systemd, String> {
        Systemd::boot_tree(Path::new("/"), "", programs)
    }

    /// The same on another tree, with these units of it.
    pub fn boot_tree(tree: &Path, units: &str, programs: &[&Path]) -> Result<Systemd, String> {
        // Another one that ends at the same moment can take a directory away that this one looks at.
        let boot = || Systemd::boot_once(tree, units, programs);
        boot().or_else(|_| boot())
    }

    fn boot_once(tree: &Path, units: &str, programs: &[&Path]) -> Result<Systemd, String> {
        if !crate::is_root() {
            return Err("not run as root".to_owned());
        }
        if !tree.join("lib/systemd/systemd").exists() {
            return Err("systemd is not installed".to_owned());
        }
        let base =
            tempfile::Builder::new().prefix("edgeutils-systemd-").tempdir().map_err(|cause| cause.to_string())?;
        fs::create_dir(base.path().join("tmp")).map_err(|cause| cause.to_string())?;
        // A control group of its own, so that what systemd makes there can be removed again.
        let hierarchy = cgroup2().ok_or("no cgroup v2 hierarchy is mounted")?;
        let cgroup = hierarchy.join(base.path().file_name().unwrap());
        fs::create_dir(&cgroup).map_err(|cause| format!("{}: {cause}", cgroup.display()))?;
        std::os::unix::fs::symlink(&cgroup, base.path().join("cgroup")).map_err(|cause| cause.to_string())?;
        let log = fs::File::create(base.path().join("log")).map_err(|cause| cause.to_string())?;
        let child = Command::new("unshare")
            .args(["-m", "-p", "-n", "-u", "-i", "--fork", "--kill-child", "--propagation", "private"])
            .args(["sh", "-c", BOOT, "sh"])
            .arg(base.path())
            .arg(tree)
            .arg(units)
            .args(programs)
            .env("MACHINE", MACHINE)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(|cause| cause.to_string())?)
            .stderr(log)
            .spawn()
            .map_err(|cause| cause.to_string())?;
        let mut machine = Systemd { child, base, cgroup };
        let until = Instant::now() + BOOT_WITHIN;
        while Instant::now() < until {
            std::thread::sleep(Duration::from_millis(50));
            if let Ok(Some(status)) = machine.child.try_wait() {
                return Err(format!("systemd did not start: {status}: {}", machine.log()));
            }
            if machine.pid().is_some() && machine.sh("systemctl is-system-running").stdout.trim() == "running" {
                return Ok(machine);
            }
        }
        let state = machine.sh("systemctl is-system-running; systemctl list-jobs; systemctl --failed").stdout;
        Err(format!("systemd was not up within {} s: {state}{}", BOOT_WITHIN.as_secs(), machine.log()))
    }

    /// The process whose network is the machine's, whether it runs or is about to boot again.
    pub fn holder(&self) -> Option<u32> {
        child_of(self.child.id())
    }

    /// Its PID 1, another one after each reboot.
    fn pid(&self) -> Option<u32> {
        self.holder().and_then(child_of).and_then(child_of)
    }

    /// Runs a shell command inside.
    pub fn sh(&self, script: &str) -> Ran {
        let pid = self.pid().unwrap_or_default();
        let output = Command::new("nsenter")
            .args(["-t", &pid.to_string(), "-m", "-p", "-n", "-u", "-i", "-r", "-w", "sh", "-c", script])
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Ran::of(&output)
    }

    /// Writes a file inside.
    pub fn write(&self, path: &str, text: &str, mode: &str) {
        let code = format!(
            "mkdir -p \"$(dirname {path})\" && cat > {path} <<'END_OF_FILE'\n{text}END_OF_FILE\nchmod {mode} {path}"
        );
        self.sh(&code).expect(0);
    }

    /// Reads a file inside.
    pub fn read(&self, path: &str) -> String {
        self.sh(&format!("cat {path}")).expect(0).stdout
    }

    fn log(&self) -> String {
        fs::read_to_string(self.base.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Systemd {
    fn drop(&mut self) {
        // The end of the first process is the end of its namespaces and of those in them.
        if let Some(pid) = self.holder() {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid as i32), nix::sys::signal::Signal::SIGKILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        for _ in 0..50 {
            remove_cgroups(&self.cgroup);
            if !self.cgroup.exists() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The only child of a process.
fn child_of(pid: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

/// Where cgroup v2 is mounted, alone or beside v1.
fn cgroup2() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let line = mounts.lines().find(|line| line.contains(" - cgroup2 "))?;
    line.split(' ').nth(4).map(PathBuf::from)
}

/// Removes an empty control group and those below it, innermost first.
fn remove_cgroups(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove_cgroups(&entry.path());
        }
    }
    let _ = fs::remove_dir(dir);
}
