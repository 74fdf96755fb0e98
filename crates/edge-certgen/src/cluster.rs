//! What this host knows of the cluster: its CA, and whether its apiserver checks the certificates of nodes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use edge_host::{Host, Result};
use edge_pki::cert::{Certificate, bundle_from_pem};
use edge_pki::names::{self, Name};
use edge_yaml::Value;

use crate::apiserver::{self, Dials, Flags};
use crate::catalog::{ClusterCa, cluster_cas};
use crate::facts::Read;

const IPV4_ROUTES: &str = "/proc/net/fib_trie";
const IPV6_ADDRESSES: &str = "/proc/net/if_inet6";

/// The facts of the cluster.
#[derive(Debug, Default)]
pub struct Cluster {
    /// The CA of each distribution whose CA is on this host.
    pub authorities: Vec<ClusterAuthority>,
    /// The apiserver, if it checks the certificates of nodes.
    pub verifier: Option<Verifier>,
    /// Addresses and names of the control plane: those that its apiserver serves.
    pub control_plane: Vec<Name>,
    /// Files that could not be read, and why: what they would say is unknown.
    pub unknown: Vec<(String, String)>,
}

/// The CA of a cluster.
#[derive(Debug)]
pub struct ClusterAuthority {
    /// The distribution.
    pub cluster: String,
    /// Its certificate's path, as it is on the host.
    pub file: String,
    /// The certificates in it.
    pub read: Read<Vec<Certificate>>,
}

/// An apiserver that checks the certificates of nodes.
#[derive(Debug)]
pub struct Verifier {
    /// Where that is set: `/etc/kubernetes/manifests/kube-apiserver.yaml: --kubelet-certificate-authority`, `k3s`.
    pub by: String,
    /// The path of the CAs that it accepts.
    pub file: String,
    /// The CAs that it accepts.
    pub authorities: Read<Vec<Certificate>>,
    /// Whether it reaches nodes by address or by name.
    pub dials: Dials,
}

/// The distributions, each with its data directory in use.
pub fn distributions(host: &Host) -> Result<Vec<ClusterCa>> {
    let moved = |place: ClusterCa| {
        let dir = place.data.as_ref().and_then(|(_, config)| data_dir(host, config));
        dir.map_or_else(|| place.clone(), |dir| place.clone().moved_to(&dir))
    };
    Ok(cluster_cas()?.into_iter().map(moved).collect())
}

/// `data-dir` in a configuration of k3s or RKE2.
fn data_dir(host: &Host, config: &Path) -> Option<PathBuf> {
    let bytes = host.root.read(config).ok()??;
    let value = edge_yaml::read(std::str::from_utf8(&bytes).ok()?).ok()?;
    value.get("data-dir").and_then(Value::as_str).map(PathBuf::from).filter(|dir| dir.is_absolute())
}

/// Reads all of it; a file that cannot be read is reported in [`Cluster::unknown`].
pub fn read(host: &Host) -> Result<Cluster> {
    let (mut cluster, mut is_answered) = (Cluster::default(), false);
    for place in distributions(host)? {
        let file = place.options.as_deref().map(|path| options_file(host, path));
        let options = file.as_deref().map(|path| (path, flags(host, path)));
        let flags = match options {
            Some((path, Err(why))) => {
                cluster.unknown.push((path.display().to_string(), why));
                None
            }
            Some((path, Ok(Some(flags)))) => Some((path, flags)),
            _ => None,
        };
        let read = bundle(host, &place.certificate);
        let is_here = !matches!(read, Read::Absent);
        if let (true, Read::Valid(serving)) = (is_here || flags.is_some(), bundle(host, &place.serving)) {
            cluster.control_plane.extend(serving.into_iter().take(1).flat_map(|certificate| certificate.names));
        }
        if let Some((_, flags)) = &flags {
            let advertised = flags.value("advertise-address").and_then(|text| names::address("", text).ok());
            cluster.control_plane.extend(advertised);
        }
        // The first apiserver that is found answers; others are leftovers.
        if !is_answered {
            is_answered = is_here || flags.is_some();
            cluster.verifier = verifier(host, &place, is_here, flags);
        }
        if is_here {
            let file = place.certificate.display().to_string();
            cluster.authorities.push(ClusterAuthority { cluster: place.cluster, file, read });
        }
    }
    if host.root.is_live() {
        cluster.control_plane.extend(own_addresses(host));
    }
    Ok(cluster)
}

/// The addresses of the running host, as the kernel's routing tables have them.
fn own_addresses(host: &Host) -> Vec<Name> {
    let text = |path: &str| {
        let bytes = host.root.read(Path::new(path)).ok().flatten().unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let (v4, v6) = (text(IPV4_ROUTES), text(IPV6_ADDRESSES));
    ipv4(&v4).map(IpAddr::from).chain(ipv6(&v6).map(IpAddr::from)).map(Name::Ip).collect()
}

/// `|-- 192.0.2.1` with `/32 host LOCAL` below it.
fn ipv4(fib_trie: &str) -> impl Iterator<Item = Ipv4Addr> {
    let lines = fib_trie.lines().zip(fib_trie.lines().skip(1));
    lines.filter_map(|(line, next)| {
        let address = line.trim_start_matches([' ', '|', '-']);
        next.contains("/32 host LOCAL").then(|| address.parse().ok())?
    })
}

/// 32 hexadecimal digits at the beginning of each line.
fn ipv6(if_inet6: &str) -> impl Iterator<Item = Ipv6Addr> {
    if_inet6.lines().filter_map(|line| Some(u128::from_str_radix(line.split(' ').next()?, 16).ok()?.into()))
}

/// The file with the apiserver's options. The kubelet reads every file in the directory of static pods, so the manifest
/// may have another name.
fn options_file(host: &Host, usual: &Path) -> PathBuf {
    let is_there = |path: &Path| host.root.find(path).is_ok_and(|found| found.exists());
    let Some(dir) = usual.parent().filter(|_| is_manifest(usual) && !is_there(usual)) else {
        return usual.to_path_buf();
    };
    let names = host.root.list(dir).unwrap_or_default().into_iter();
    let mut others = names.filter(|name| !name.as_encoded_bytes().starts_with(b".")).map(|name| dir.join(name));
    others
        .find(|path| is_manifest(path) && matches!(flags(host, path), Ok(Some(_))))
        .unwrap_or_else(|| usual.to_path_buf())
}

fn is_manifest(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| ["yaml", "yml", "json", "manifest"].iter().any(|known| extension == *known))
}

fn verifier(host: &Host, place: &ClusterCa, is_here: bool, flags: Option<(&Path, Flags)>) -> Option<Verifier> {
    let dials = flags.as_ref().map_or(Dials::Either, |(_, flags)| flags.dials());
    if let Some((path, flags)) = flags {
        let authority = flags.value(apiserver::AUTHORITY).filter(|path| !path.is_empty())?;
        let file = flags.host_path(Path::new(authority));
        let by = format!("{}: --{}", path.display(), apiserver::AUTHORITY);
        let authorities = bundle(host, &file);
        return Some(Verifier { by, file: file.display().to_string(), authorities, dials });
    }
    (is_here && place.verifies).then(|| Verifier {
        by: format!("{} always does", place.cluster),
        file: place.certificate.display().to_string(),
        authorities: bundle(host, &place.certificate),
        dials,
    })
}

fn flags(host: &Host, path: &Path) -> std::result::Result<Option<Flags>, String> {
    let Some(bytes) = host.root.read(path).map_err(|error| error.cause().to_owned())? else { return Ok(None) };
    let text = std::str::from_utf8(&bytes).map_err(|_| "it is not valid UTF-8".to_owned())?;
    if is_manifest(path) { Flags::of_manifest(text).map(Some) } else { Ok(Some(Flags::of_list(text))) }
}

fn bundle(host: &Host, path: &Path) -> Read<Vec<Certificate>> {
    match host.root.read(path) {
        Ok(None) => Read::Absent,
        Ok(Some(bytes)) => bundle_from_pem(&bytes).map_or_else(Read::Invalid, Read::Valid),
        Err(error) => Read::Invalid(error.cause().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_addresses_are_parsed() {
        let trie = "Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 127.0.0.1\n        /32 host LOCAL\n     |-- 192.0.2.255\n        /32 link BROADCAST\n           |-- 192.0.2.7\n              /32 host LOCAL\n";
        assert_eq!(ipv4(trie).map(|ip| ip.to_string()).collect::<Vec<_>>(), ["127.0.0.1", "192.0.2.7"]);
        let six = "fd000000000000000000000000000007 02 40 20 80     eth0\nx\n";
        assert_eq!(ipv6(six).map(|ip| ip.to_string()).collect::<Vec<_>>(), ["fd00::7"]);
    }
}
