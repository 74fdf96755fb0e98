//! A Debian host for apt's tests: this machine's files under an overlay, in namespaces of its own,
//! with the real apt and dpkg, no source of packages but the test's, and a signed repository.
//!
//! Nothing of the machine is changed, nothing outside can be reached, and all of it ends with the value.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::tool::Ran;

const BOOT_WITHIN: Duration = Duration::from_secs(20);

/// $1 is a directory of our own, the rest are programs for /usr/local/bin.
const BOOT: &str = r#"
set -e
base=$1; shift
mount -t tmpfs -o size=400m tmpfs "$base"
mkdir "$base/up" "$base/work" "$base/root"
root=$base/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$base/up,workdir=$base/work" "$root"
mkdir -p "$root/usr/local/bin"
for program in "$@"; do cp "$program" "$root/usr/local/bin/"; done
mount -t proc proc "$root/proc"
for dir in run tmp dev; do mount -t tmpfs -o mode=755 tmpfs "$root/$dir"; done
chmod 1777 "$root/tmp"
for node in null zero full random urandom tty; do touch "$root/dev/$node"; mount --bind "/dev/$node" "$root/dev/$node"; done
mkdir "$root/dev/shm" "$root/dev/pts"
ln -s /proc/self/fd "$root/dev/fd"
rm -rf "$root/etc/apt/sources.list" "$root"/etc/apt/sources.list.d/* "$root"/etc/apt/preferences.d/* "$root"/etc/apt/keyrings
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* "$root/var/lib/edgeutils"
mkdir -p "$root/var/cache/apt/archives/partial" "$root/var/lib/apt/lists/partial"
printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"; chmod 755 "$root/usr/sbin/policy-rc.d"
# What a build host may have added for itself: proxies, mirrors, hooks.
rm -f "$root"/etc/apt/apt.conf "$root"/etc/apt/apt.conf.d/*
ip link set lo up
cd "$root"
exec chroot "$root" /usr/bin/env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin sh -c ': > /run/up; while :; do wait; sleep 1; done'
"#;

/// For every script: calls of the programs, packages and repositories.
const PRELUDE: &str = r#"
fixture() { edge-apt-fixture --force-namespace "$@"; }
edge() { edge-apt --force-namespace "$@"; }

# deb NAME VERSION [FIELD...]: a package in /debs; with files from /debs/NAME.files, maintainer scripts from /debs/NAME.control
deb() {
    name=$1 version=$2; shift 2
    dir=$(mktemp -d /tmp/deb.XXXXXX); chmod 755 "$dir"; mkdir -p "$dir/DEBIAN" "$dir/usr/share/$name" /debs
    echo "$version" > "$dir/usr/share/$name/version"
    printf 'Package: %s\nVersion: %s\nArchitecture: %s\nMaintainer: Test <test@example.invalid>\nDescription: a test\n' \
        "$name" "$version" "${ARCH:-all}" > "$dir/DEBIAN/control"
    for field in "$@"; do printf '%s\n' "$field" >> "$dir/DEBIAN/control"; done
    if [ -d "/debs/$name.files" ]; then cp -a "/debs/$name.files/." "$dir/"; fi
    if [ -d "/debs/$name.control" ]; then cp -a "/debs/$name.control/." "$dir/DEBIAN/"; fi
    dpkg-deb --root-owner-group -Znone --build "$dir" "/debs/${name}_$(echo "$version" | tr : -)_${ARCH:-all}.deb" > /dev/null
    rm -rf "$dir"
}

# key NAME [EXPIRY] [TIME]: a key; its fingerprint in /keys/NAME.fpr, itself in /keys/NAME.asc and NAME.gpg
key() {
    export GNUPGHOME=/keys/home; mkdir -p -m 700 "$GNUPGHOME"
    time=${3:-$(date +%Y%m%dT%H%M%S)}
    gpg --batch -q --faked-system-time "$time" --passphrase '' --quick-gen-key "$1" ed25519 sign "${2:-never}" 2>/dev/null
    gpg --batch --with-colons --list-keys "=$1" 2>/dev/null | awk -F: '/^fpr/ { print $10; exit }' > "/keys/$1.fpr"
    gpg --batch -q --export --armor "$(cat /keys/$1.fpr)" > "/keys/$1.asc"
    gpg --batch -q --export "$(cat /keys/$1.fpr)" > "/keys/$1.gpg"
}

# repo DIR KEY [TIME]: a flat repository of /debs, signed; KEY - for none
repo() {
    export GNUPGHOME=/keys/home
    rm -rf "$1"; mkdir -p "$1"; cp /debs/*.deb "$1/"
    (cd "$1" && dpkg-scanpackages -m . > Packages 2>/dev/null)
    (
        cd "$1"
        printf 'Origin: Test\nLabel: test\nDate: %s\nSHA256:\n %s %s Packages\n' \
            "$(date -Ru | sed 's/+0000/UTC/')" "$(sha256sum < Packages | cut -d' ' -f1)" "$(wc -c < Packages)" > Release
    )
    [ "$2" = - ] || sign "$@"
}
sign() {
    gpg --batch -q --yes --faked-system-time "${3:-$(date +%Y%m%dT%H%M%S)}" -u "$(cat /keys/$2.fpr)" \
        --clearsign -o "$1/InRelease" "$1/Release" 2>/dev/null
}
serve() {  # serve DIR PORT
    /usr/bin/python3 -m http.server --bind 127.0.0.1 --directory "$1" "$2" > /tmp/http.log 2>&1 &
    echo $! > /tmp/http.pid
    for _ in $(seq 50); do (exec 3<>/dev/tcp/127.0.0.1/"$2") 2>/dev/null && return; sleep 0.1; done
    return 1
}
serve_no_more() { kill "$(cat /tmp/http.pid)"; while kill -0 "$(cat /tmp/http.pid)" 2>/dev/null; do sleep 0.1; done; }
state() { dpkg-query -W -f='${db:Status-Abbrev}${Version}\n' "$1" 2>/dev/null || echo none; }
"#;

/// The running host.
#[derive(Debug)]
pub struct AptHost {
    child: Child,
    pid: u32,
    _base: tempfile::TempDir,
}

impl AptHost {
    /// Makes one with these programs; says why where it cannot be done here.
    pub fn boot(programs: &[&Path]) -> Result<AptHost, String> {
        if !crate::is_root() {
            return Err("not run as root".to_owned());
        }
        for (program, package) in
            [("/usr/bin/apt-get", "apt"), ("/usr/bin/gpg", "gnupg"), ("/usr/bin/dpkg-scanpackages", "dpkg-dev")]
        {
            if !Path::new(program).exists() {
                return Err(format!("{package} is not installed"));
            }
        }
        let base = tempfile::Builder::new().prefix("edgeutils-apt-").tempdir().map_err(|cause| cause.to_string())?;
        let log = base.path().with_extension("log");
        let file = fs::File::create(&log).map_err(|cause| cause.to_string())?;
        let child = Command::new("unshare")
            .args(["-m", "-p", "-n", "-u", "-i", "--fork", "--kill-child", "--propagation", "private"])
            .args(["bash", "-c", BOOT, "sh"])
            .arg(base.path())
            .args(programs)
            .stdin(Stdio::null())
            .stdout(file.try_clone().map_err(|cause| cause.to_string())?)
            .stderr(file)
            .spawn()
            .map_err(|cause| cause.to_string())?;
        let mut host = AptHost { child, pid: 0, _base: base };
        let said = |log: &PathBuf| {
            let text = fs::read_to_string(log).unwrap_or_default();
            let _ = fs::remove_file(log);
            text
        };
        let until = Instant::now() + BOOT_WITHIN;
        while Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
            if let Ok(Some(status)) = host.child.try_wait() {
                return Err(format!("the namespaces cannot be made: {status}: {}", said(&log)));
            }
            let own = host.child.id();
            let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
            host.pid = children.split_whitespace().next().and_then(|pid| pid.parse().ok()).unwrap_or(0);
            if host.pid != 0 && host.sh("test -e /run/up && test -e /usr/local/bin").code == 0 {
                let _ = fs::remove_file(&log);
                return Ok(host);
            }
        }
        Err(format!("the namespaces were not up within {} s: {}", BOOT_WITHIN.as_secs(), said(&log)))
    }

    /// Runs a script of bash inside, with the functions above.
    pub fn sh(&self, script: &str) -> Ran {
        let output = Command::new("timeout")
            .args(["--kill-after=1", "120", "nsenter", "-t", &self.pid.to_string()])
            .args(["-m", "-p", "-n", "-u", "-i", "-r", "-w", "bash", "-uc", &format!("{PRELUDE}{script}")])
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", "/root")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Ran::of(&output)
    }
}

impl Drop for AptHost {
    fn drop(&mut self) {
        // The end of PID 1 is the end of its namespaces.
        if self.pid != 0 {
            let _ =
                nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.pid as i32), nix::sys::signal::Signal::SIGKILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
