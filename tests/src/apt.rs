//! A Debian host for apt's tests: a minimal tree made by mmdebstrap under an overlay, in namespaces of
//! its own, with the real apt and dpkg, no source of packages but the test's, and a signed repository.
//!
//! Neither gpg nor python3 is there, as on a node. What only a test needs comes from this machine, by
//! the way of /workshop. Nothing of the machine is changed, nothing outside can be reached, and all of
//! it ends with the value.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::tool::{self, Ran};
use crate::{debian, skip};

const BOOT_WITHIN: Duration = Duration::from_secs(20);

/// $1 is a directory of our own, $2 the tree, the rest are programs for /usr/local/bin.
const BOOT: &str = r#"
set -e
base=$1 tree=$2; shift 2
mount -t tmpfs -o size=400m tmpfs "$base"
mkdir "$base/up" "$base/work" "$base/root"
root=$base/root
mount -t overlay overlay -o "lowerdir=$tree,upperdir=$base/up,workdir=$base/work" "$root"
mkdir -p "$root/usr/local/bin" "$root/workshop"
for program in "$@"; do cp "$program" "$root/usr/local/bin/"; done
mount -t proc proc "$root/proc"
for dir in run tmp dev; do mount -t tmpfs -o mode=755 tmpfs "$root/$dir"; done
chmod 1777 "$root/tmp"
for node in null zero full random urandom tty; do touch "$root/dev/$node"; mount --bind "/dev/$node" "$root/dev/$node"; done
mkdir "$root/dev/shm" "$root/dev/pts"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
# This machine's programs, not its files to write to.
mount --bind / "$root/workshop"
mount -o remount,bind,ro "$root/workshop"
for dir in dev proc; do mount --bind "$root/$dir" "$root/workshop/$dir"; done
# Owned by the test from the beginning: a lock with another inode afterwards was removed by another process.
touch "$root/var/lib/dpkg/lock-frontend" "$root/var/lib/dpkg/lock" "$root/var/lib/apt/lists/lock" "$root/var/cache/apt/archives/lock"
ip link set lo up
cd "$root"
mkdir .old
pivot_root . .old
exec /usr/bin/env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin /bin/sh -c \
    'umount -l /.old; rmdir /.old; : > /run/up; while :; do wait; sleep 1; done' < /dev/null
"#;

/// For every script: calls of the programs, packages and repositories.
const PRELUDE: &str = r#"
fixture() { edge-apt-fixture --force-namespace "$@"; }
edge() { edge-apt --force-namespace "$@"; }
# A program of this machine; it sees the host below $here.
here=/proc/1/root
workshop() { chroot /workshop /usr/bin/env "$@"; }

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

# key NAME [EXPIRY] [TIME]: a key, unless it is there; its fingerprint in /keys/NAME.fpr, itself in /keys/NAME.asc and NAME.gpg
# Its agent may be too slow to start on a machine with much to do, so that has three tries. The script
# ends if a call fails, as whatever comes next would report something else.
agent() {
    for _ in 1 2 3; do
        workshop GNUPGHOME=$here/keys/home gpgconf --launch gpg-agent 2> /dev/null && return
        sleep 1
    done
}
pgp() {
    agent
    { said=$(workshop GNUPGHOME=$here/keys/home gpg --batch -q "$@" 2>&1 >&3); } 3>&1 && return
    printf '%s\n' "gpg $*: $said" >&2
    exit 70
}
key() {
    [ ! -e "/keys/$1.gpg" ] || return 0
    mkdir -p /keys; mkdir -p -m 700 /keys/home
    time=${3:-$(date +%Y%m%dT%H%M%S)}
    pgp --faked-system-time "$time" --passphrase '' --quick-gen-key "$1" ed25519 sign "${2:-never}"
    pgp --with-colons --list-keys "=$1" | awk -F: '/^fpr/ { print $10; exit }' > "/keys/$1.fpr"
    pgp --export --armor "$(cat /keys/$1.fpr)" > "/keys/$1.asc"
    pgp --export "$(cat /keys/$1.fpr)" > "/keys/$1.gpg"
}

# repo DIR KEY [TIME]: a flat repository of /debs, signed; KEY - for none
repo() {
    rm -rf "$1"; mkdir -p "$1"; cp /debs/*.deb "$1/"
    (
        cd "$1"
        for deb in *.deb; do
            dpkg-deb --field "$deb"
            printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$deb" "$(stat -c %s "$deb")" "$(sha256sum < "$deb" | cut -d' ' -f1)"
        done > Packages
        printf 'Origin: Test\nLabel: test\nDate: %s\nSHA256:\n %s %s Packages\n' \
            "$(date -Ru | sed 's/+0000/UTC/')" "$(sha256sum < Packages | cut -d' ' -f1)" "$(wc -c < Packages)" > Release
    )
    [ "$2" = - ] || sign "$@"
}
sign() {
    pgp --yes --faked-system-time "${3:-$(date +%Y%m%dT%H%M%S)}" -u "$(cat /keys/$2.fpr)" \
        --clearsign -o "$here$1/InRelease" "$here$1/Release"
}
serve() {  # serve DIR PORT
    chroot /workshop /usr/bin/python3 -m http.server --bind 127.0.0.1 --directory "$here$1" "$2" > /tmp/http.log 2>&1 &
    echo $! > /tmp/http.pid
    for _ in $(seq 50); do (exec 3<>/dev/tcp/127.0.0.1/"$2") 2>/dev/null && return; sleep 0.1; done
    return 1
}
serve_no_more() { kill "$(cat /tmp/http.pid)"; while kill -0 "$(cat /tmp/http.pid)" 2>/dev/null; do sleep 0.1; done; }
# call PACKAGE...: an install from /repo, signed by the key `good`
call() { fixture install --uri file:/repo/ --key-file /keys/good.asc --fingerprint "$(cat /keys/good.fpr)" "$@"; }
wait_for() { for _ in $(seq 300); do test -e "$1" && return; sleep 0.1; done; echo "no $1" >&2; return 1; }
# hold FILE SECONDS: a process of its own that holds a lock as apt does
hold() {
    rm -f /tmp/held
    chroot /workshop /usr/bin/python3 -c 'import fcntl, sys, time
file = open(sys.argv[1], "a"); fcntl.lockf(file, fcntl.LOCK_EX); open("/proc/1/root/tmp/held", "w"); time.sleep(float(sys.argv[2]))' "$here$1" "$2" > /dev/null 2>&1 &
    holder=$!
    wait_for /tmp/held
}
# look: all that an install may change, and all that one that failed may leave
look() {
    echo "audit: $(dpkg --audit)"
    ls /var/lib/dpkg/updates /var/lib/apt/lists/partial /var/cache/apt/archives/partial 2> /dev/null
    dpkg-query -W -f='${db:Status-Abbrev}${Package} ${Version}\n'
    find /etc/apt /usr/share/keyrings /var/lib/edgeutils -type f ! -path /var/lib/edgeutils/lock -exec sha256sum {} + 2> /dev/null | sort -k 2
    find /usr/share/edge-* /var/lib/apt/lists /var/cache/apt/archives /run /tmp ! -type d \
        ! -path '/tmp/http.*' ! -path /tmp/held 2> /dev/null | sort
    stat -c '%n %i' /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock
}
state() { dpkg-query -W -f='${db:Status-Abbrev}${Version}\n' "$1" 2>/dev/null || echo none; }
"#;

/// `kill_at PATH [power]`: the next dpkg that works for apt is killed before it renames this file; as
/// when the power goes, so are apt and our utility. apt runs dpkg by its path, so it is replaced there.
pub const KILL_AT: &str = r#"
kill_at() {
    test -e /usr/bin/dpkg.real || mv /usr/bin/dpkg /usr/bin/dpkg.real
    rm -f /usr/bin/dpkg
    cat > /usr/bin/dpkg <<END
#!/bin/bash
case " \$* " in *" --unpack "* | *" --configure "* | *" --install "*) ;; *) exec /usr/bin/dpkg.real "\$@" ;; esac
rm /usr/bin/dpkg; ln /usr/bin/dpkg.real /usr/bin/dpkg
set -- chroot /workshop /usr/bin/strace -qq -o /proc/1/root/killed -P "$1" \
    -e inject=rename,renameat,renameat2:signal=SIGKILL chroot $here /usr/bin/dpkg.real "\$@"
test -n "${2-}" || exec "\$@"
"\$@"
read -r _ utility < <(grep ^PPid: /proc/\$PPID/status)
kill -KILL \$utility \$PPID
END
    chmod 755 /usr/bin/dpkg
}
"#;

/// The running host.
#[derive(Debug)]
pub struct AptHost {
    child: Child,
    pid: u32,
    release: &'static str,
    _base: tempfile::TempDir,
}

impl AptHost {
    /// One with edge-apt and the fixture at this path; a test that can have none is skipped.
    pub fn for_test(test: &str, fixture: &str) -> Option<AptHost> {
        AptHost::for_test_on(debian::RELEASE, test, fixture)
    }

    /// The same of another Debian; the macro [`crate::on_each_debian`] is the way to it.
    pub fn for_test_on(release: &'static str, test: &str, fixture: &str) -> Option<AptHost> {
        let programs = [Path::new(fixture), &tool::path("edge-apt")];
        AptHost::boot_on(release, &programs).map_err(|reason| skip(test, &reason)).ok()
    }

    /// Makes one with these programs; says why where it cannot be done here.
    pub fn boot_on(release: &'static str, programs: &[&Path]) -> Result<AptHost, String> {
        AptHost::boot_in(release, &[], programs)
    }

    /// The same with these packages in its tree.
    pub fn boot_in(release: &'static str, packages: &[&str], programs: &[&Path]) -> Result<AptHost, String> {
        if !crate::is_root() {
            return Err("not run as root".to_owned());
        }
        for (program, package) in
            [("/usr/bin/mmdebstrap", "mmdebstrap"), ("/usr/bin/gpg", "gnupg"), ("/usr/bin/python3", "python3")]
        {
            if !Path::new(program).exists() {
                return Err(format!("{package} is not installed"));
            }
        }
        let tree = debian::tree_with(release, packages)?;
        let base = tempfile::Builder::new().prefix("edgeutils-apt-").tempdir().map_err(|cause| cause.to_string())?;
        let log = base.path().with_extension("log");
        let file = fs::File::create(&log).map_err(|cause| cause.to_string())?;
        let child = Command::new("unshare")
            .args(["-m", "-p", "-n", "-u", "-i", "--fork", "--kill-child", "--propagation", "private"])
            .args(["bash", "-c", BOOT, "sh"])
            .arg(base.path())
            .arg(tree)
            .args(programs)
            .stdin(Stdio::null())
            .stdout(file.try_clone().map_err(|cause| cause.to_string())?)
            .stderr(file)
            .spawn()
            .map_err(|cause| cause.to_string())?;
        let mut host = AptHost { child, pid: 0, release, _base: base };
        let text_of = |log: &PathBuf| {
            let text = fs::read_to_string(log).unwrap_or_default();
            let _ = fs::remove_file(log);
            text
        };
        let until = Instant::now() + BOOT_WITHIN;
        while Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
            if let Ok(Some(status)) = host.child.try_wait() {
                return Err(format!("the namespaces cannot be made: {status}: {}", text_of(&log)));
            }
            let own = host.child.id();
            let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
            host.pid = children.split_whitespace().next().and_then(|pid| pid.parse().ok()).unwrap_or(0);
            if host.pid != 0 && host.sh("test -e /run/up && test ! -e /.old").code == 0 {
                let _ = fs::remove_file(&log);
                return host.runs(programs);
            }
        }
        Err(format!("the namespaces were not up within {} s: {}", BOOT_WITHIN.as_secs(), text_of(&log)))
    }

    /// Fails before any test if a program needs a newer libc than the tree's.
    fn runs(self, programs: &[&Path]) -> Result<AptHost, String> {
        for program in programs {
            let name = program.file_name().unwrap_or_default().to_string_lossy();
            let ran = self.sh(&format!("{name} --version"));
            if ran.code != 0 {
                return Err(format!("{name} does not run on Debian {}: {}", self.release, ran.stderr.trim()));
            }
        }
        Ok(self)
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

impl AptHost {
    /// Packages, sources, keys, lists, archives, journals, the inodes of the locks, and what dpkg finds
    /// amiss: what is the same before and after a call that failed has nothing half-done in it.
    pub fn look(&self) -> String {
        let look = self.sh("look").expect(0).stdout;
        assert!(look.starts_with("audit: \n"), "{look}");
        look
    }

    /// Fails unless a look now is the same; shows the lines that are not.
    #[track_caller]
    pub fn looks_as(&self, before: &str, after_what: &str) {
        let now = self.look();
        let lines = |text: &str, other: &str| {
            let other: Vec<&str> = other.lines().collect();
            text.lines().filter(|line| !other.contains(line)).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(lines(before, &now), lines(&now, before), "{after_what}: gone, and new");
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

/// Stories, functions of a host, on each Debian whose apt speaks differently: a test of its own for each.
#[macro_export]
macro_rules! on_each_debian {
    ($($story:ident),+ $(,)?) => {
        mod bookworm {
            $(#[test]
            fn $story() {
                $crate::on_each_debian!(@on $crate::debian::RELEASE, $story)
            })+
        }
        mod trixie {
            $(#[test]
            fn $story() {
                $crate::on_each_debian!(@on $crate::debian::NEXT_RELEASE, $story)
            })+
        }
    };
    (@on $release:expr, $story:ident) => {{
        let test = format!("{}::{}", $release, stringify!($story));
        let host = $crate::apt::AptHost::for_test_on($release, &test, env!("CARGO_BIN_EXE_edge-apt-fixture"));
        if let Some(host) = host {
            super::$story(&host);
        }
    }};
}
