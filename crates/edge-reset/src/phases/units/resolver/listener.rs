//! Which process answers DNS queries at an address.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use edge_host::{Host, Result, State, processes};

const UDP: [&str; 2] = ["/proc/net/udp", "/proc/net/udp6"];
const PROC: &str = "/proc";
const PORT: u16 = 53;

/// A program that listens there and is not one of these; some program, if it is not found.
pub(super) fn other(host: &Host, address: IpAddr, programs: &[String]) -> Result<Option<String>> {
    let mut sockets = HashSet::new();
    for table in UDP {
        let text = host.root.read(Path::new(table))?.unwrap_or_default();
        sockets.extend(String::from_utf8_lossy(&text).lines().skip(1).filter_map(|line| socket(line, address)));
    }
    if sockets.is_empty() {
        return Ok(None);
    }
    for process in processes(&host.root)? {
        let dir = Path::new(PROC).join(process.pid().to_string()).join("fd");
        // A process may have ended meanwhile.
        let held: Vec<String> =
            host.root.list(&dir).unwrap_or_default().iter().filter_map(|fd| link(host, &dir.join(fd))).collect();
        if !held.iter().any(|one| sockets.contains(one)) {
            continue;
        }
        let program = process.executable().unwrap_or_else(|| PathBuf::from("another program"));
        let name = program.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !programs.iter().any(|own| own == name) {
            return Ok(Some(program.display().to_string()));
        }
        sockets.retain(|socket| !held.contains(socket));
    }
    Ok((!sockets.is_empty()).then(|| "another program".to_owned()))
}

fn link(host: &Host, path: &Path) -> Option<String> {
    match host.root.find_link(path).ok()?.state {
        State::Link { target } => Some(target),
        _ => None,
    }
}

/// The name of the socket of a line, if it receives queries to this address.
fn socket(line: &str, address: IpAddr) -> Option<String> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (local, port) = fields.get(1)?.split_once(':')?;
    let local = parse(local)?;
    let is_there = local.is_unspecified() || local == address;
    (is_there && u16::from_str_radix(port, 16).ok()? == PORT)
        .then(|| format!("socket:[{}]", fields.get(9).unwrap_or(&"")))
}

/// An address as the kernel prints it: words of 32 bits in the order of the machine.
fn parse(hex: &str) -> Option<IpAddr> {
    let words: Option<Vec<u8>> = (0..hex.len() / 8)
        .map(|at| u32::from_str_radix(hex.get(8 * at..8 * at + 8)?, 16).ok())
        .try_fold(Vec::new(), |mut all, word| {
            all.extend(word?.to_ne_bytes());
            Some(all)
        });
    let bytes = words?;
    <[u8; 4]>::try_from(bytes.as_slice())
        .map(|four| IpAddr::V4(Ipv4Addr::from(four)))
        .or_else(|_| <[u8; 16]>::try_from(bytes.as_slice()).map(|all| Ipv6Addr::from(all).to_canonical()))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn socket_is_that_of_the_address_or_of_all() {
        let address = IpAddr::V4(Ipv4Addr::new(172, 17, 0, 1));
        let word = |four: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(four));
        let line =
            |local: &str, port: &str| format!("  1: {local}:{port} 00000000:0000 07 0:0 00:0 0  0  0 4711 2 0 0");
        let of = |local: &str, port: &str| socket(&line(local, port), address);
        assert_eq!(of(&word([172, 17, 0, 1]), "0035").as_deref(), Some("socket:[4711]"));
        assert_eq!(of("00000000", "0035").as_deref(), Some("socket:[4711]"));
        assert_eq!(of(&"0".repeat(32), "0035").as_deref(), Some("socket:[4711]"));
        assert_eq!(of(&word([172, 17, 0, 2]), "0035"), None);
        assert_eq!(of(&word([172, 17, 0, 1]), "0036"), None);
        assert_eq!(socket("odd", address), None);
    }
}
