//! Real swap: files with priorities and a zram device, turned off and on again, in a mount namespace with
//! its own /etc, /run and /var.
//!
//! Swap has no namespaces: the tests use their own devices, run one at a time, and skip where other swap is
//! active.

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

/// The beginning of each script; `$D` is a directory on a real file system.
const PRELUDE: &str = r#"
exec 2>&1
mount --bind "$D/etc" /etc || exit 99
for dir in /run /var; do mount -t tmpfs -o size=8m,mode=755 tmpfs "$dir" || exit 99; done
prep() { "$PREP" --force-namespace "$@"; echo "exit $?"; }
# Name and priority, sorted: the kernel lists them in the order of its table.
swaps() { sed -n "s|^$D\([^ ]*\) .*[^-0-9]\([-0-9]*\)$|\1 \2|p; s|^\(/dev/zram[0-9]*\)[^0-9].*[^-0-9]\([-0-9]*\)$|\1 \2|p" /proc/swaps | sort; }
"#;

/// The test's own swap files, turned off when it is dropped.
struct Swaps {
    dir: TempDir,
    files: Vec<String>,
    zram: Option<String>,
    _lock: Flock<File>,
}

impl Swaps {
    /// Two files with priorities, and one with a blank in its name and without a priority.
    fn on(test: &str) -> Option<Swaps> {
        let lock = File::create(std::env::temp_dir().join("edgeutils-swap.lock")).unwrap();
        let lock = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, errno)| errno).unwrap();
        if !is_root() {
            skip(test, "not run as root");
            return None;
        }
        if fs::read_to_string(SWAPS).unwrap_or_default().lines().count() != 1 {
            skip(test, "this machine has active swap, which the test must not turn off");
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
                skip(test, "the kernel refuses swap files here");
                return None;
            }
            fstab += &format!("{} none swap {options} 0 0\n", path.replace(' ', "\\040"));
        }
        fs::write(swaps.at("etc/fstab"), &fstab).unwrap();
        Some(swaps)
    }

    /// Adds a zram device, where the kernel has them.
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

    /// What a script prints, without its own directory.
    #[track_caller]
    fn prints(&self, text: &str, expected: &str) {
        let ran = self.script(text);
        let got = ran.stdout.replace(self.dir.path().to_str().unwrap(), "");
        // A machine that is short of memory uses the test's swap.
        let unused = |part: &str| if part.ends_with(" in use") { "0 KiB in use".to_owned() } else { part.to_owned() };
        let unused = |line: &str| line.split(", ").map(unused).collect::<Vec<_>>().join(", ");
        let even = |text: &str| {
            text.lines().map(str::trim).filter(|l| !l.is_empty()).map(unused).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(even(&got), even(expected), "the script printed:\n{}", ran.stdout);
    }
}

impl Drop for Swaps {
    fn drop(&mut self) {
        for file in &self.files {
            // It fails where the file is already off.
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
fn files_with_priorities_are_turned_off_and_restored() {
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
        prep check
        swapon -p 9 "$D/one"; prep check --swap off; swapoff "$D/one"
        prep undo | grep -c .
        test "$before" = "$(swaps)" && cmp /etc/fstab "$D/before" && echo same
        prep undo
        "#,
        r"
        swap /one: active: file of 7 MiB, 0 KiB in use, priority 5; re-enabled at boot by fstab: active entry  (/etc/fstab:2)
        swap /two: active: file of 7 MiB, 0 KiB in use, priority 7; re-enabled at boot by fstab: active entry  (/etc/fstab:3)
        swap /th ree: active: file of 7 MiB, 0 KiB in use, priority -2; re-enabled at boot by fstab: active entry  (/etc/fstab:4)
        would run swapoff -- /two: file of 7 MiB, 0 KiB in use, priority 7  [undo: inverse]
        would run swapoff -- /one: file of 7 MiB, 0 KiB in use, priority 5  [undo: inverse]
        would run swapoff -- /th ree: file of 7 MiB, 0 KiB in use, priority -2  [undo: inverse]
        wrote /etc/fstab: turns swap off at boot  [undo: exact]
        line 2 commented out: /one
        line 3 commented out: /two
        line 4 commented out: /th\040ree
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
fn zram_device_is_turned_off_and_restored() {
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
        &format!(
            "edge-prep: warning: {} is on, and nothing was found that turns it on at boot: it may be on again after a reboot\n\
             4\n1\nexit 0\nsame\n1\n",
            swaps.files.last().unwrap()
        ),
    );
}

#[test]
fn swap_of_a_script_is_turned_off_and_left_as_a_manual_step() {
    let Some(swaps) = Swaps::on("prep_live_swap_script") else { return };
    swaps.prints(
        r#"
        echo > /etc/fstab; before=$(swaps)
        printf '#!/bin/sh\nFILE=%s/one\nswapon $FILE\n' "$D" > /etc/rc.local; chmod 755 /etc/rc.local
        printf '@reboot root swapon %s/two\n' "$D" > /etc/crontab
        prep status | grep "^swap $D"
        prep apply --swap off | grep -v /var/lib
        swaps
        prep apply --swap off
        prep check | grep error:
        prep undo | tail -1
        test "$before" = "$(swaps)" && echo same
        "#,
        "
        swap /one: active: file of 7 MiB, 0 KiB in use, priority 5; re-enabled at boot by rc.local: run at every boot  (/etc/rc.local:3)
        swap /two: active: file of 7 MiB, 0 KiB in use, priority 7; re-enabled at boot by cron: run at every boot  (/etc/crontab:1)
        swap /th ree: active: file of 7 MiB, 0 KiB in use, priority -2; no source found that enables it at boot: turned on manually or by a program
        edge-prep: warning: /th ree is on, and nothing was found that turns it on at boot: it may be on again after a reboot
        edge-prep: note: swap is re-enabled at boot by rc.local (/etc/rc.local:3); manual step: remove the command \"swapon $FILE\" from /etc/rc.local:3
        edge-prep: note: swap is re-enabled at boot by cron (/etc/crontab:1); manual step: remove the command \"swapon /two\" from /etc/crontab:1
        ran swapoff -- /two: file of 7 MiB, 0 KiB in use, priority 7  [undo: inverse]
        ran swapoff -- /one: file of 7 MiB, 0 KiB in use, priority 5  [undo: inverse]
        ran swapoff -- /th ree: file of 7 MiB, 0 KiB in use, priority -2  [undo: inverse]
        4 changes, manual step required
        exit 3
        edge-prep: note: swap is re-enabled at boot by rc.local (/etc/rc.local:3); manual step: remove the command \"swapon $FILE\" from /etc/rc.local:3
        edge-prep: note: swap is re-enabled at boot by cron (/etc/crontab:1); manual step: remove the command \"swapon /two\" from /etc/crontab:1
        no changes, manual step required
        exit 3
        /etc/rc.local:3: error: swap is enabled at boot: swapon $FILE (rc.local: run at every boot)
        /etc/crontab:1: error: swap is enabled at boot: swapon /two (cron: run at every boot)
        exit 0
        same
        ",
    );
}

#[test]
fn swap_stays_on_where_memory_is_too_small() {
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
        edge-prep: cannot turn swap off: 80 MiB of swap are in use, and only 80 MiB of 100 MiB available memory may be filled
        hint: stop programs that use memory, then run the command again, or use --swap keep for edgecore
        exit 4
        untouched
        no journal
        ",
    );
}

#[test]
fn kill_at_any_moment_can_be_resumed_and_undone() {
    let Some(swaps) = Swaps::on("prep_live_swap_kill") else { return };
    if !edgeutils_tests::kill::can_kill() {
        return skip("prep_live_swap_kill", "strace cannot be used here");
    }
    // Kills at its own system calls and those of the programs that it runs, before and after they act.
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

/// A systemctl that behaves as systemd does for swap: a unit starts only while its file exists, and a reload
/// generates the files again, with systemd's own generator.
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
fn units_are_stopped_and_started_after_their_files_are_restored() {
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
    // The names are systemd's own; the reload is after the stops and before the starts.
    let escape = |name: &str| {
        let output = Command::new("systemd-escape").args(["-p", "--suffix=swap", &swaps.at(name)]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let (one, two, three) = (escape("one"), escape("two"), escape("th ree"));
    let expected = [
        format!("stop -- {two}"),
        format!("stop -- {one}"),
        format!("stop -- {three}"),
        "daemon-reload".to_owned(),
        "daemon-reload".to_owned(),
        format!("start -- {three}"),
        format!("start -- {one}"),
        format!("start -- {two}"),
    ];
    let expected: String = expected.iter().map(|call| format!("systemctl {call}\n")).collect();
    assert_eq!(calls, expected);
}
