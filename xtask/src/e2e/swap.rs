//! Suite swap: every source of swap that Debian has, at once: off now and after a reboot, and on again by undo.

use anyhow::{Context, Result, bail};

use super::disk::GuestFile;
use super::guest::Guest;
use super::{Place, Prepared, node};

const OFF: &str = "edge-prep apply --swap off";

/// The active swap; the files of swapspace as one.
const ACTIVE: &str = "sed -n '2,$s/ .*//p' /proc/swaps | sed 's,^/var/lib/swapspace/.*,/var/lib/swapspace,' | sort -u";

/// A source of swap.
struct Source {
    name: &'static str,
    /// What it turns on.
    swap: &'static str,
    /// Where edge-prep leaves the change to the administrator: what it says, the change, and its opposite.
    manual: Option<[&'static str; 3]>,
}

const fn source(name: &'static str, swap: &'static str) -> Source {
    Source { name, swap, manual: None }
}

/// The first machine has all but zram-tools, which uses the same device as zram-generator.
const SOURCES: &[Source] = &[
    source("fstab", "/swapfile"),
    source("a .swap unit", "/swapfile2"),
    source("zram-generator", "/dev/zram0"),
    source("dphys-swapfile", "/var/swap"),
    Source {
        manual: Some([
            "systemctl disable --now swapspace.service",
            "systemctl disable --now swapspace.service",
            "systemctl enable --now swapspace.service",
        ]),
        ..source("swapspace", "/var/lib/swapspace")
    },
    Source {
        manual: Some([
            "systemctl disable site-swap.service",
            "systemctl disable site-swap.service",
            "systemctl enable site-swap.service",
        ]),
        ..source("a service", "/srv/service.swap")
    },
    Source {
        manual: Some([
            "remove the command \"/sbin/swapon /srv/cron.swap\" from /etc/cron.d/site-swap:1",
            "mv /etc/cron.d/site-swap /etc/site-swap.cron",
            "mv /etc/site-swap.cron /etc/cron.d/site-swap",
        ]),
        ..source("cron", "/srv/cron.swap")
    },
];

/// zram-tools instead of zram-generator.
const ZRAM_TOOLS: &str = "swapoff /dev/zram0 && mv /etc/systemd/zram-generator.conf /etc/zram-generator.old
systemctl --quiet enable zramswap.service";

pub(super) fn prepare(place: &Place<'_>) -> Result<Prepared> {
    let mut files = node::files(place)?;
    files.push(GuestFile::text("/opt/swap.sh", include_str!("../../data/e2e-swap.sh")));
    Ok(Prepared { files, story: Box::new(story) })
}

/// All steps; the first one that fails ends the suite.
fn story(guest: &mut Guest<'_>) -> Result<()> {
    guest.boot()?;
    node::install(guest)?;
    guest.run("sh /opt/swap.sh")?;
    guest.reboot()?;
    every_source_is_on(guest).context("with every source")?;
    off_and_on(guest)?;
    let names: Vec<&str> = SOURCES.iter().map(|source| source.name).collect();
    guest.report(&format!("off, and on again: {}", names.join(", ")));

    guest.run(ZRAM_TOOLS)?;
    guest.reboot()?;
    every_source_is_on(guest).context("with zram-tools")?;
    off_and_on(guest)?;
    guest.report("off, and on again: zram-tools in place of zram-generator");
    guest.shut_down()
}

/// Turns all off, looks before and after a reboot, undoes it, and looks after another one.
fn off_and_on(guest: &mut Guest<'_>) -> Result<()> {
    let printed = guest.ends(OFF, 3)?.output();
    for [step, change, _] in SOURCES.iter().filter_map(|source| source.manual) {
        if !printed.contains(step) {
            bail!("`{OFF}` did not print {step:?}:{printed}");
        }
        guest.run(change)?;
    }
    guest.run(OFF).context("after the manual steps")?;
    is_off(guest)?;
    guest.reboot()?;
    is_off(guest).context("after a reboot")?;

    guest.run(node::UNDO)?;
    for [_, _, opposite] in SOURCES.iter().filter_map(|source| source.manual) {
        guest.run(opposite)?;
    }
    guest.reboot()?;
    every_source_is_on(guest).context("after the undo and a reboot")
}

/// Services may take a while after the boot: cron, and swapspace, which looks from time to time.
fn every_source_is_on(guest: &mut Guest<'_>) -> Result<()> {
    let mut expected: Vec<&str> = SOURCES.iter().map(|source| source.swap).collect();
    expected.sort_unstable();
    let expected = expected.join("\n");
    guest.run(&format!("for i in $(seq 60); do [ \"$({ACTIVE})\" = '{expected}' ] && break; sleep 1; done"))?;
    guest.prints(ACTIVE, &expected)
}

/// Off, and off for longer than a source takes to turn it on.
fn is_off(guest: &mut Guest<'_>) -> Result<()> {
    guest.prints(&format!("sleep 15; {ACTIVE}"), "")?;
    guest.run("edge-prep check").map(drop)
}
