//! TCP sockets of the running system: who listens on a port, and who is connected to where.
//!
//! The kernel lists sockets with an inode number, and the descriptors of a process name the same number. The descriptors
//! of other users' processes cannot be read without root, so an owner that is not found there is unknown, not absent.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use crate::error::Result;
use crate::process::processes;
use crate::root::{Root, State};

const TCP4: &str = "/proc/thread-self/net/tcp";
const TCP6: &str = "/proc/thread-self/net/tcp6";
const PROCESSES: &str = "/proc";
/// States of the kernel (`include/net/tcp_states.h`).
const ESTABLISHED: u8 = 0x01;
const LISTENING: u8 = 0x0a;

/// A TCP socket of this network namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Socket {
    /// Its own address; an IPv4 address within an IPv6 one is that.
    pub local: SocketAddr,
    /// The address that it is connected to; unspecified if it listens.
    pub remote: SocketAddr,
    /// What it does.
    pub state: SocketState,
    /// The user who opened it.
    pub uid: u32,
    /// The number by which descriptors name it; 0 for one without an owner.
    pub inode: u64,
}

/// What a socket does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketState {
    /// It waits for connections.
    Listening,
    /// It is connected.
    Established,
    /// It is being opened or closed.
    Other,
}

/// Who has a socket open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SocketOwner {
    /// A process: its number, and its program if that can be read, else its name.
    Process {
        /// Its number.
        pid: u32,
        /// The path of its program, or its name.
        program: String,
    },
    /// Not found, and the descriptors of some processes could not be read.
    Unknown,
    /// No process of this PID namespace: a process in a container, or the kernel.
    Outside,
}

impl fmt::Display for SocketOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SocketOwner::Process { pid, program } => write!(f, "{program} (process {pid})"),
            SocketOwner::Unknown => f.write_str("a process of another user"),
            SocketOwner::Outside => f.write_str("a program outside of this PID namespace"),
        }
    }
}

impl Socket {
    /// Whether it listens on this port.
    pub fn listens_on(&self, port: u16) -> bool {
        self.state == SocketState::Listening && self.local.port() == port
    }

    /// Whether it is connected to this port of this address.
    pub fn is_connected_to(&self, remote: SocketAddr) -> bool {
        let (ip, port) = (remote.ip().to_canonical(), remote.port());
        self.state == SocketState::Established && self.remote == SocketAddr::new(ip, port)
    }
}

/// All TCP sockets of the running system, IPv4 first.
///
/// # Errors
/// The kernel's tables cannot be read or are not understood. A kernel without IPv6 has no table for it.
pub fn sockets(root: &Root) -> Result<Vec<Socket>> {
    let mut all = Vec::new();
    for path in [TCP4, TCP6] {
        let Some(bytes) = root.read(Path::new(path))? else { continue };
        let table = parse(&String::from_utf8_lossy(&bytes));
        all.extend(table.ok_or_else(|| crate::Error::cannot("read", path, "it is not a table of sockets"))?);
    }
    Ok(all)
}

/// Who has these sockets open, by inode.
///
/// # Errors
/// /proc cannot be listed.
pub fn socket_owners(root: &Root, wanted: &[Socket]) -> Result<BTreeMap<u64, SocketOwner>> {
    let mut open: BTreeMap<String, u64> =
        wanted.iter().map(|one| (format!("socket:[{}]", one.inode), one.inode)).collect();
    let mut found = BTreeMap::new();
    let processes = processes(root)?;
    // With hidepid=2 those of other users are not even listed.
    let mut are_all_read = processes.iter().any(|process| process.pid() == 1);
    for process in processes {
        if open.is_empty() {
            break;
        }
        let dir = Path::new(PROCESSES).join(process.pid().to_string()).join("fd");
        let Ok(names) = root.list(&dir) else {
            are_all_read = false;
            continue;
        };
        for name in names {
            // It may be closed meanwhile.
            let Ok(State::Link { target }) = root.find_link(&dir.join(name)).map(|link| link.state) else { continue };
            if let Some(inode) = open.remove(&target) {
                let program = process.executable().map(|path| path.display().to_string());
                let program = program.or_else(|| process.name()).unwrap_or_default();
                found.insert(inode, SocketOwner::Process { pid: process.pid(), program });
            }
        }
    }
    let other = if are_all_read { SocketOwner::Outside } else { SocketOwner::Unknown };
    found.extend(open.into_values().map(|inode| (inode, other.clone())));
    Ok(found)
}

/// The rows of a table; none if it is not one.
fn parse(text: &str) -> Option<Vec<Socket>> {
    let mut lines = text.lines();
    lines.next()?.contains("local_address").then_some(())?;
    lines.map(row).collect()
}

/// `0: 0100007F:2742 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 …`.
fn row(line: &str) -> Option<Socket> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [_, local, remote, state, _, _, _, uid, _, inode, ..] = fields.as_slice() else { return None };
    let state = match u8::from_str_radix(state, 16).ok()? {
        LISTENING => SocketState::Listening,
        ESTABLISHED => SocketState::Established,
        _ => SocketState::Other,
    };
    let (local, remote) = (address(local)?, address(remote)?);
    Some(Socket { local, remote, state, uid: uid.parse().ok()?, inode: inode.parse().ok()? })
}

/// `0100007F:2742`: each four bytes of the address are a number of this machine's byte order.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| Some(u32::from_str_radix(ip.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    let ip: IpAddr = match ip.len() {
        8 => Ipv4Addr::from(word(0)?).into(),
        32 => {
            let mut bytes = [0; 16];
            for (number, four) in bytes.chunks_exact_mut(4).enumerate() {
                four.copy_from_slice(&word(number * 8)?);
            }
            Ipv6Addr::from(bytes).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    const HEAD: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    #[test]
    #[cfg(target_endian = "little")]
    fn parse_reads_both_tables() {
        let v4 = "   0: 0100007F:2742 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 12345 1 0 100 0 0 10 0\n   1: 020000C0:8D2A 010000C0:2710 01 00000000:00000000 02:0 0 0 0 99 2 0\n";
        let all = parse(&format!("{HEAD}{v4}")).unwrap();
        assert_eq!(all[0].local, "127.0.0.1:10050".parse().unwrap());
        assert_eq!((all[0].state, all[0].uid, all[0].inode), (SocketState::Listening, 1000, 12345));
        assert!(all[0].listens_on(10050) && !all[0].listens_on(10051) && !all[1].listens_on(36138));
        assert!(all[1].is_connected_to("192.0.0.1:10000".parse().unwrap()));
        assert!(all[1].is_connected_to("[::ffff:192.0.0.1]:10000".parse().unwrap()));
        assert!(!all[1].is_connected_to("192.0.0.1:10001".parse().unwrap()));
        let v6 = "  0: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 7 1\n  1: 0000000000000000FFFF00000100007F:1F90 B80D0120000000000000000001000000:01BB 06 0:0 0:0 0 0 0 0 1\n";
        let all = parse(&format!("{HEAD}{v6}")).unwrap();
        assert_eq!(all[0].local, "[::1]:8080".parse().unwrap());
        assert_eq!(
            (all[1].local, all[1].remote),
            ("127.0.0.1:8080".parse().unwrap(), "[2001:db8::1]:443".parse().unwrap())
        );
        assert_eq!(all[1].state, SocketState::Other);
    }

    #[test]
    fn parse_takes_no_other_text_for_a_table() {
        assert_eq!(parse(HEAD), Some(Vec::new()));
        for odd in ["", "x\n", &format!("{HEAD} 0: x\n"), &format!("{HEAD}0: 0100007F:2742 00:0 0A 0 0 0 0 0 1\n")] {
            assert_eq!(parse(odd), None, "{odd}");
        }
    }

    #[test]
    fn sockets_of_this_process_are_found_with_their_owner() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let client = TcpStream::connect(at).unwrap();
        let root = Root::live().unwrap();
        let all = sockets(&root).unwrap();
        let listening: Vec<Socket> = all.iter().filter(|one| one.listens_on(at.port())).copied().collect();
        assert_eq!(listening.len(), 1);
        let own = all.iter().find(|one| one.is_connected_to(at)).unwrap();
        assert_eq!(own.local, client.local_addr().unwrap());
        let program = std::env::current_exe().unwrap().canonicalize().unwrap().display().to_string();
        let process = SocketOwner::Process { pid: std::process::id(), program };
        let owners = socket_owners(&root, &[listening[0], *own]).unwrap();
        assert_eq!((owners.len(), owners.values().all(|owner| *owner == process)), (2, true), "{owners:?}");
        let absent = Socket { inode: u64::MAX, ..listening[0] };
        assert!(matches!(
            socket_owners(&root, &[absent]).unwrap()[&u64::MAX],
            SocketOwner::Outside | SocketOwner::Unknown
        ));
    }
}
