//! A real systemd: PID 1 of namespaces of its own, on an overlay of this host's files.
//!
//! It boots in a second, its units are real, and it is removed on drop. The utilities do not take it for a
//! container, so they are called with --force-namespace.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::tool::Ran;

const BOOT_WITHIN: Duration = Duration::from_secs(60);

/// Runs in new namespaces; $1 is a directory of our own, the rest are programs for /usr/local/bin.
/// No unit of the host is started: the boot target is one of the tests.
const BOOT: &str = r#"
set -e
base=$1; shift
echo $$ > "$base/cgroup/cgroup.procs" 2>/dev/null || true
exec unshare -C sh -ec '
base=$1; shift
mount -t tmpfs tmpfs "$base/tmp"
mkdir "$base/tmp/up" "$base/tmp/work" "$base/tmp/root"
root=$base/tmp/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$base/tmp/up,workdir=$base/tmp/work" "$root"
mkdir -p "$root/usr/local/bin"
for program in "$@"; do cp "$program" "$root/usr/local/bin/"; done
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
for dir in run tmp sys/fs/cgroup dev var/lib var/log; do mount -t tmpfs tmpfs "$root/$dir"; done
umount "$root/sys/fs/cgroup"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
for node in null zero full random urandom tty; do touch "$root/dev/$node"; mount --bind "/dev/$node" "$root/dev/$node"; done
mkdir "$root/dev/shm" "$root/dev/pts"
ln -s /proc/self/fd "$root/dev/fd"
rm -rf "$root/etc/systemd/system" "$root/etc/kubeedge"
mkdir -p "$root/etc/systemd/system" "$root/etc/kubeedge/config"
echo 0123456789abcdef0123456789abcdef > "$root/etc/machine-id"
printf "[Unit]\nRequires=systemd-journald.service\nAfter=systemd-journald.service\nAllowIsolate=yes\n" > "$root/etc/systemd/system/boot.target"
exec chroot "$root" /usr/bin/env -i container=edgeutils-test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=boot.target --log-target=journal --show-status=no
' sh "$base" "$@"
"#;

/// A running systemd.
#[derive(Debug)]
pub struct Systemd {
    child: Child,
    pid: u32,
    base: tempfile::TempDir,
    cgroup: PathBuf,
}

impl Systemd {
    /// Boots one with these programs in /usr/local/bin; says why where it cannot be done here.
    pub fn boot(programs: &[&Path]) -> Result<Systemd, String> {
        // Another one that ends at the same moment can take a directory away that this one looks at.
        Systemd::boot_once(programs).or_else(|_| Systemd::boot_once(programs))
    }

    fn boot_once(programs: &[&Path]) -> Result<Systemd, String> {
        if !crate::is_root() {
            return Err("not run as root".to_owned());
        }
        if !Path::new("/lib/systemd/systemd").exists() {
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
            .args([
                "-m",
                "-p",
                "-n",
                "-u",
                "-i",
                "--fork",
                "--kill-child",
                "--propagation",
                "private",
                "sh",
                "-c",
                BOOT,
                "sh",
            ])
            .arg(base.path())
            .args(programs)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(|cause| cause.to_string())?)
            .stderr(log)
            .spawn()
            .map_err(|cause| cause.to_string())?;
        let mut machine = Systemd { child, pid: 0, base, cgroup };
        let until = Instant::now() + BOOT_WITHIN;
        while Instant::now() < until {
            std::thread::sleep(Duration::from_millis(50));
            if let Ok(Some(status)) = machine.child.try_wait() {
                return Err(format!("systemd did not start: {status}: {}", machine.log()));
            }
            let own = machine.child.id();
            let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
            machine.pid = children.split_whitespace().next().and_then(|pid| pid.parse().ok()).unwrap_or(0);
            if machine.pid != 0 && machine.sh("systemctl is-system-running").stdout.trim() == "running" {
                return Ok(machine);
            }
        }
        Err(format!("systemd was not up within {} s: {}", BOOT_WITHIN.as_secs(), machine.log()))
    }

    /// Runs a shell command inside.
    pub fn sh(&self, script: &str) -> Ran {
        let output = Command::new("nsenter")
            .args(["-t", &self.pid.to_string(), "-m", "-p", "-n", "-u", "-i", "-r", "-w", "sh", "-c", script])
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
        // The end of PID 1 is the end of its namespace; --kill-child sees to the rest.
        if self.pid != 0 {
            let _ =
                nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.pid as i32), nix::sys::signal::Signal::SIGKILL);
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
