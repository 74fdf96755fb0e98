//! Real swap: files with priorities and a zram device, off and on again, in a mount namespace with
//! an /etc, /run and /var of its own.
//!
//! Swap itself belongs to the kernel and knows no namespace: the tests use devices of their own,
//! one test at a time, and run nowhere that something else is swapped to.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs::{self, File};
use std::process::Command;

use edgeutils_tests::tool::{self, Ran};
use edgeutils_tests::{is_root, skip};
use nix::fcntl::{Flock, FlockArg};
use tempfile::TempDir;

const SWAPS: &str = "/proc/swaps";
const ZRAM_ADD: &str = "/sys/class/zram-control/hot_add";
const ZRAM_REMOVE: &str = "/sys/class/zram-control/hot_remove";
const GENERATOR: &str = "/lib/systemd/system-generators/systemd-fstab-generator";

/// What each script begins with: `$D` is a directory on a real file system.
const PRELUDE: &str = r#"
exec 2>&1
mount --bind "$D/etc" /etc || exit 99
for dir in /run /var; do mount -t tmpfs -o size=8m,mode=755 tmpfs "$dir" || exit 99; done
prep() { "$PREP" --force-namespace "$@"; echo "exit $?"; }
# Name and priority; the kernel's order is that of free places in its table.
swaps() { sed -n "s|^$D\([^ ]*\) .*[^-0-9]\([-0-9]*\)$|\1 \2|p; s|^\(/dev/zram[0-9]*\)[^0-9].*[^-0-9]\([-0-9]*\)$|\1 \2|p" /proc/swaps | sort; }
"#;

/// Swap files of our own, turned off when it is gone, whatever the test did.
struct Swaps {
    dir: TempDir,
    files: Vec<String>,
    zram: Option<String>,
    _lock: Flock<File>,
}

impl Swaps {
    /// Two files with priorities, one with a blank in its name and without.
    fn on(test: &str) -> Option<Swaps> {
        let lock = File::create(std::env::temp_dir().join("edgeutils-swap.lock")).unwrap();
        let lock = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, errno)| errno).unwrap();
        if !is_root() {
            skip(test, "not run as root");
            return None;
        }
        if fs::read_to_string(SWAPS).unwrap_or_default().lines().count() != 1 {
            skip(test, "this machine swaps, and that is not the test's to turn off");
            return None;
        }
        let dir = tempfile::Builder::new().prefix("edgeutils-swap-").tempdir().unwrap();
        fs::create_dir(dir.path().join("etc")).unwrap();
        let mut swaps = Swaps { dir, files: Vec::new(), zram: None, _lock: lock };
        let mut fstab = "# ours\n".to_owned();
        for (name, options) in [("one", "pri=5"), ("two", "pri=7"), ("th ree", "defaults")] {
            let path = swaps.at(name);
            sh(&format!("head -c 8M /dev/zero > '{path}' && chmod 600 '{path}' && mkswap -q '{path}'"));
            let priority = options.strip_prefix("pri=").map(|n| format!("-p {n}")).unwrap_or_default();
            if Command::new("sh").args(["-c", &format!("swapon {priority} '{path}'")]).status().unwrap().success() {
                swaps.files.push(path.clone());
            } else {
                skip(test, "the kernel takes no swap file here");
                return None;
            }
            fstab += &format!("{} none swap {options} 0 0\n", path.replace(' ', "\\040"));
        }
        fs::write(swaps.at("etc/fstab"), &fstab).unwrap();
        Some(swaps)
    }

    /// A zram device as well, where the kernel has them.
    fn with_zram(mut self) -> Swaps {
        let Ok(number) = fs::read_to_string(ZRAM_ADD) else { return self };
        let device = format!("/dev/zram{}", number.trim());
        self.zram = Some(number.trim().to_owned());
        let size = format!("/sys/block/zram{}/disksize", number.trim());
        sh(&format!("echo 16M > {size} && mkswap -q {device} && swapon -p 100 {device}"));
        self.files.push(device);
        self
    }

    fn at(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    fn script(&self, text: &str) -> Ran {
        let mut command = Command::new("timeout");
        command.args(["--kill-after=1", "240", "unshare", "-mnu", "--propagation", "private", "--", "sh", "-uc"]);
        command.arg(format!("{PRELUDE}{text}")).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("D", self.dir.path()).env("PREP", tool::path("edge-prep"));
        Ran::of(&command.output().unwrap())
    }

    /// What a script prints, with its own directory left out.
    #[track_caller]
    fn prints(&self, text: &str, want: &str) {
        let ran = self.script(text);
        let got = ran.stdout.replace(self.dir.path().to_str().unwrap(), "");
        let even = |text: &str| text.lines().map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join("\n");
        assert_eq!(even(&got), even(want), "the script printed:\n{}", ran.stdout);
    }
}

impl Drop for Swaps {
    fn drop(&mut self) {
        for file in &self.files {
            // What is off already says so, and that is all right.
            let _ = Command::new("swapoff").arg("--").arg(file).output();
        }
        if let Some(number) = &self.zram {
            let _ = fs::write(ZRAM_REMOVE, number);
        }
    }
}

fn sh(script: &str) {
    let output = Command::new("sh").args(["-c", script]).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn files_with_priorities_go_off_and_come_back() {
    let Some(swaps) = Swaps::on("prep_live_swap_files") else { return };
    swaps.prints(
        r#"
        cp /etc/fstab "$D/before"; before=$(swaps)
        prep status | grep "^swap $D"
        prep apply --swap off -n | grep swapoff
        prep apply --swap off | grep -v /var/lib
        swaps; cat /etc/fstab
        printf '%s\n' "$before"
        prep apply --swap off
        prep verify
        swapon -p 9 "$D/one"; prep verify --swap off; swapoff "$D/one"
        prep undo | grep -c .
        test "$before" = "$(swaps)" && cmp /etc/fstab "$D/before" && echo same
        prep undo
        "#,
        r"
        swap /one: active: file of 7 MiB, 0 KiB in use, priority 5; back after a reboot by fstab: turned on at each boot  (/etc/fstab:2)
        swap /two: active: file of 7 MiB, 0 KiB in use, priority 7; back after a reboot by fstab: turned on at each boot  (/etc/fstab:3)
        swap /th ree: active: file of 7 MiB, 0 KiB in use, priority -2; back after a reboot by fstab: turned on at each boot  (/etc/fstab:4)
        swap /one: back after a reboot: fstab: turned on at each boot  (/etc/fstab:2)
        swap /two: back after a reboot: fstab: turned on at each boot  (/etc/fstab:3)
        swap /th\040ree: back after a reboot: fstab: turned on at each boot  (/etc/fstab:4)
        would run swapoff -- /two: file of 7 MiB, 0 KiB in use, priority 7  [undo: inverse]
        would run swapoff -- /one: file of 7 MiB, 0 KiB in use, priority 5  [undo: inverse]
        would run swapoff -- /th ree: file of 7 MiB, 0 KiB in use, priority -2  [undo: inverse]
        wrote /etc/fstab: swap is not turned on at boot  [undo: exact]
        line 2 commented: /one
        line 3 commented: /two
        line 4 commented: /th\040ree
        ran swapoff -- /two: file of 7 MiB, 0 KiB in use, priority 7  [undo: inverse]
        ran swapoff -- /one: file of 7 MiB, 0 KiB in use, priority 5  [undo: inverse]
        ran swapoff -- /th ree: file of 7 MiB, 0 KiB in use, priority -2  [undo: inverse]
        5 changes
        exit 0
        # ours
        # edge-prep: /one none swap pri=5 0 0
        # edge-prep: /two none swap pri=7 0 0
        # edge-prep: /th\040ree none swap defaults 0 0
        /one 5
        /th\040ree -2
        /two 7
        already up to date
        exit 0
        no problems found
        exit 0
        /etc/fstab:2: error: swap is on: /one (fstab)
        hint: edge-prep apply --swap off
        1 problem found
        exit 3
        7
        same
        nothing to undo
        exit 0
        ",
    );
}

#[test]
fn zram_device_goes_off_and_comes_back() {
    let Some(swaps) = Swaps::on("prep_live_swap_zram").map(Swaps::with_zram) else { return };
    if swaps.zram.is_none() {
        return skip("prep_live_swap_zram", "the kernel has no zram");
    }
    swaps.prints(
        r#"
        before=$(swaps)
        prep apply --swap off | grep -c "ran swapoff"
        cat /proc/swaps | wc -l
        prep undo | tail -1
        test "$before" = "$(swaps)" && echo same
        swaps | grep -c "^/dev/zram.* 100$"
        "#,
        "4\n1\nexit 0\nsame\n1\n",
    );
}

#[test]
fn swap_stays_where_memory_would_not_suffice() {
    let Some(swaps) = Swaps::on("prep_live_swap_memory") else { return };
    swaps.prints(
        r#"
        cp /etc/fstab "$D/before"; before=$(swaps)
        printf 'MemAvailable: 102400 kB\n' > "$D/meminfo"; mount --bind "$D/meminfo" /proc/meminfo
        printf 'Filename Type Size Used Priority\n%s/one file 8188 81920 5\n' "$D" > "$D/swaps"
        mount --bind "$D/swaps" /proc/swaps
        prep apply --swap off
        umount /proc/swaps
        test "$before" = "$(swaps)" && cmp /etc/fstab "$D/before" && echo untouched
        test -e /var/lib/edgeutils/journal || echo no journal
        "#,
        "
        edge-prep: cannot turn swap off: 80 MiB of it are in use, and of 100 MiB available memory 80 MiB may be filled
        hint: stop what uses the memory and run again, or keep swap (--swap keep), which edgecore does not mind
        exit 4
        untouched
        no journal
        ",
    );
}

#[test]
fn kill_at_any_moment_leaves_what_can_go_on_and_come_back() {
    let Some(swaps) = Swaps::on("prep_live_swap_kill") else { return };
    if !edgeutils_tests::kill::can_kill() {
        return skip("prep_live_swap_kill", "strace cannot be used here");
    }
    // Its own calls, and those of the programs that it runs: before they act, and when they have.
    let ran = swaps.script(
        r#"
        cp /etc/fstab "$D/before"; before=$(swaps); kills=0; test -n "$before" || exit 1
        killed() { strace -f -qq -o /dev/null -e "inject=$1:signal=SIGKILL:when=$2" "$PREP" --force-namespace $3; test $? -ne 0; }
        off() { "$PREP" --force-namespace apply --swap off || echo "BAD apply, $1"; test -z "$(swaps)" || echo "BAD: on, $1"; }
        back() {
            "$PREP" --force-namespace undo || echo "BAD undo, $1"
            test "$before" = "$(swaps)" || echo "BAD priorities, $1: $(swaps)"
            cmp /etc/fstab "$D/before" || echo "BAD fstab, $1"
            rm -rf /var/lib/edgeutils
        }
        for call in write fsync renameat unlinkat swapoff; do
            n=1
            while killed $call $n "apply --swap off"; do
                kills=$((kills + 1)); off "$call $n" > "$D/log" || cat "$D/log"; back "$call $n" >> "$D/log"
                grep BAD "$D/log" && cat "$D/log"
                n=$((n + 1)); test $n -le 40 || break
            done >> "$D/out" 2>&1
            off "$call" > /dev/null; back "$call" > /dev/null
        done
        for call in write fsync renameat swapon exit_group; do
            n=1
            while off "undo $call $n" > "$D/log"; killed $call $n undo; do
                kills=$((kills + 1)); back "undo $call $n" >> "$D/log" 2>&1
                grep BAD "$D/log" && cat "$D/log"
                n=$((n + 1)); test $n -le 40 || break
            done >> "$D/out" 2>&1
            back "undo $call" > /dev/null
        done
        grep -a BAD "$D/out"; echo "$kills kills"
        "#,
    );
    let out = fs::read_to_string(swaps.at("out")).unwrap_or_default();
    let kills: u32 = ran.stdout.trim().strip_suffix(" kills").and_then(|n| n.parse().ok()).unwrap_or(0);
    assert!(kills > 20, "{}\n{out}", ran.stdout);
}

/// systemctl that keeps the books as systemd does for swap: a unit starts only while its file is
/// there, and a reload makes the files anew, with systemd's own generator.
const SYSTEMCTL: &str = r#"#!/bin/sh
echo "systemctl $*" >> "$D_LOG"
generate() {
    rm -rf /run/systemd/generator*; mkdir -p /run/systemd/generator /run/systemd/generator.early /run/systemd/generator.late
    unshare -pf env container= /lib/systemd/system-generators/systemd-fstab-generator \
        /run/systemd/generator /run/systemd/generator.early /run/systemd/generator.late
}
case $1 in
daemon-reload) generate ;;
stop) swapoff "$(systemd-escape -u -p "${3%.swap}")" ;;
start)
    unit=/run/systemd/generator/$3
    test -e "$unit" || { echo "Unit $3 not found." >&2; exit 5; }
    options=$(sed -n 's/^Options=//p' "$unit")
    swapon ${options:+-o "$options"} "$(systemd-escape -u -p "${3%.swap}")" ;;
is-active) exit 3 ;;
esac
"#;

#[test]
fn units_are_stopped_and_started_when_their_files_are_back() {
    let Some(swaps) = Swaps::on("prep_live_swap_units") else { return };
    if !fs::exists(GENERATOR).unwrap_or(false) {
        return skip("prep_live_swap_units", "systemd's generators are not installed");
    }
    fs::write(swaps.at("systemctl"), SYSTEMCTL.replace("$D_LOG", &swaps.at("calls"))).unwrap();
    sh(&format!("chmod 755 {}", swaps.at("systemctl")));
    let ran = swaps.script(
        r#"
        mount --bind "$D/systemctl" /usr/bin/systemctl; mkdir -p /run/systemd/system
        cp /etc/fstab "$D/before"; before=$(swaps)
        systemctl daemon-reload
        ls /run/systemd/generator/*.swap | wc -l; : > "$D/calls"
        prep apply --swap off | tail -1; swaps
        prep apply --swap off
        prep undo | tail -1
        test "$before" = "$(swaps)" && cmp /etc/fstab "$D/before" && echo same
        "#,
    );
    let calls = fs::read_to_string(swaps.at("calls")).unwrap();
    assert_eq!(ran.stdout, "3\nexit 0\nalready up to date\nexit 0\nexit 0\nsame\n", "systemctl was called:\n{calls}");
    // The names are systemd's own; the reload comes after the stops, and before the starts.
    let escape = |name: &str| {
        let output = Command::new("systemd-escape").args(["-p", "--suffix=swap", &swaps.at(name)]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let (one, two, three) = (escape("one"), escape("two"), escape("th ree"));
    let want = [
        format!("stop -- {two}"),
        format!("stop -- {one}"),
        format!("stop -- {three}"),
        "daemon-reload".to_owned(),
        "daemon-reload".to_owned(),
        format!("start -- {three}"),
        format!("start -- {one}"),
        format!("start -- {two}"),
    ];
    let want: String = want.iter().map(|call| format!("systemctl {call}\n")).collect();
    assert_eq!(calls, want);
}
