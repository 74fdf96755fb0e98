//! The sysctl with which kube-proxy makes 127.0.0.1 reachable from other hosts: KUBE-FIREWALL closes that again, so it
//! must not stay without it (CVE-2020-8558).

use std::path::Path;

use edge_host::action::SetValue;
use edge_host::{Host, Result};

use super::Part;
use crate::creator::Creator;
use crate::item::Item;
use crate::phase::Phase;

pub(super) const PROXY: &str = "kube-proxy";
pub(super) const GUARD: &str = "KUBE-FIREWALL";

const VALUE: &str = "/proc/sys/net/ipv4/conf/all/route_localnet";
const KEY: &str = "net.ipv4.conf.all.route_localnet";
const FILE: &str = "/etc/sysctl.conf";
const DIRS: [&str; 4] = ["/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d"];

/// The value, where it is on: `has_proxy` says that chains of kube-proxy are removed, `has_guard` that KUBE-FIREWALL is.
pub(super) fn read(host: &Host, has_proxy: bool, has_guard: bool) -> Result<Part> {
    let now = host.root.read(Path::new(VALUE))?.unwrap_or_default();
    let now = String::from_utf8_lossy(&now).trim().to_owned();
    if now != "1" || !(has_proxy || has_guard) {
        return Ok(Part::new());
    }
    let item = Item::new(Phase::Firewall, "sysctl", KEY, &[KEY.as_bytes()]);
    if let Some(file) = asked(host)? {
        return Ok(vec![(item.kept(format!("{file} sets it to 1")), None)]);
    }
    if !has_proxy {
        let why = format!("it is 1, and without {GUARD} other hosts can reach 127.0.0.1");
        let item = Item { hint: Some(format!("sysctl -w {KEY}=0")), ..item.kept(why) };
        return Ok(vec![(item, None)]);
    }
    let (creators, proofs) = (vec![Creator::from(PROXY)], vec!["set with its chains".to_owned()]);
    let item = Item { creators, proofs, ..item };
    let set = SetValue { path: VALUE.into(), was: now, value: "0".to_owned() };
    Ok(vec![(item, Some(Box::new(move |plan, item| item.tag(plan.set(set, item.why())))))])
}

/// The file that sets it to 1, if there is one.
fn asked(host: &Host) -> Result<Option<String>> {
    let mut files = vec![Path::new(FILE).to_path_buf()];
    for dir in DIRS.map(Path::new) {
        files.extend(host.root.list(dir)?.into_iter().map(|name| dir.join(name)));
    }
    for file in files {
        // A dangling link or a directory sets nothing.
        let Ok(Some(bytes)) = host.root.read(&file) else { continue };
        if sets(&String::from_utf8_lossy(&bytes)) {
            return Ok(Some(file.display().to_string()));
        }
    }
    Ok(None)
}

/// Whether a file of sysctl.d sets it to 1.
fn sets(text: &str) -> bool {
    text.lines()
        .filter_map(|line| line.trim_start_matches([' ', '\t', '-']).split_once('='))
        .any(|(key, value)| key.trim().replace('/', ".") == KEY && value.trim() == "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_reads_both_spellings() {
        for text in ["net.ipv4.conf.all.route_localnet = 1\n", "x=1\n-net/ipv4/conf/all/route_localnet=1"] {
            assert!(sets(text), "{text}");
        }
        for text in [
            "#net.ipv4.conf.all.route_localnet=1",
            "net.ipv4.conf.all.route_localnet=0",
            "net.ipv4.conf.eth0.route_localnet=1",
            "",
        ] {
            assert!(!sets(text), "{text}");
        }
    }
}
