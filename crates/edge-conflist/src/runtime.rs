//! The container runtimes of a host, and which version of libcni each is built with.
//!
//! A plugin may read a newer version than the runtime that calls it: the network then looks ready,
//! and every pod fails. Go keeps the list of modules in each program, so nothing has to be run.

use std::io::{self, Read};
use std::path::Path;

use edge_host::{Host, Result, ResultExt};

use crate::known::Known;
use crate::version::{Cni, Release};

const PROGRAMS: [(&str, &str); 4] = [
    ("CRI-O", "/usr/bin/crio"),
    ("CRI-O", "/usr/local/bin/crio"),
    ("containerd", "/usr/bin/containerd"),
    ("containerd", "/usr/local/bin/containerd"),
];
/// How the module stands in the list inside a program.
const MODULE: &[u8] = b"\tgithub.com/containernetworking/cni\tv";
const PIECE: usize = 256 << 10;
/// Enough for any version behind it.
const TAIL: usize = 64;

/// A runtime that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runtime {
    name: &'static str,
    path: &'static str,
    libcni: Release,
    /// The newest CNI version that it reads.
    pub reads: Cni,
}

impl Runtime {
    /// What it is, for messages.
    pub fn shown(&self) -> String {
        format!("{} ({}, libcni {})", self.name, self.path, self.libcni)
    }
}

/// The runtimes of the host whose libcni is known.
pub fn runtimes(host: &Host) -> Result<Vec<Runtime>> {
    let table = Known::read()?;
    let mut found = Vec::new();
    for (name, path) in PROGRAMS {
        let Some(file) = host.root.open(Path::new(path))? else { continue };
        let libcni = libcni(file).on("read", host.root.display(Path::new(path)))?;
        let known = libcni.and_then(|libcni| Some((table.libcni(&libcni)?, libcni)));
        found.extend(known.map(|(reads, libcni)| Runtime { name, path, libcni, reads }));
    }
    Ok(found)
}

/// Looks through a program, in pieces.
fn libcni(mut program: impl Read) -> io::Result<Option<Release>> {
    let mut window: Vec<u8> = Vec::with_capacity(PIECE + MODULE.len() + TAIL);
    let mut piece = vec![0; PIECE];
    loop {
        let count = program.read(&mut piece)?;
        window.extend(&piece[..count]);
        let at = window.windows(MODULE.len()).position(|part| part == MODULE);
        if let Some(at) = at.filter(|at| count == 0 || at + MODULE.len() + TAIL <= window.len()) {
            let rest = &window[at + MODULE.len()..];
            let end = rest.iter().position(|byte| matches!(byte, b'\t' | b'\n')).unwrap_or(rest.len());
            return Ok(std::str::from_utf8(&rest[..end]).ok().and_then(|text| text.parse().ok()));
        }
        if count == 0 {
            return Ok(None);
        }
        // What may be the front of it stays.
        let keep = at.unwrap_or_else(|| window.len().saturating_sub(MODULE.len()));
        window.drain(..keep);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_found_wherever_the_pieces_end() {
        let line = b"dep\tgithub.com/containernetworking/cni\tv1.1.2\th1:x\n";
        for before in [0, 1, PIECE - line.len(), PIECE - 20, PIECE - 1, PIECE, 3 * PIECE + 7] {
            for after in [0, 1, TAIL, PIECE] {
                let program = [vec![b'x'; before], line.to_vec(), vec![b'y'; after]].concat();
                let found = libcni(program.as_slice()).unwrap().map(|release| release.to_string());
                assert_eq!(found.as_deref(), Some("v1.1.2"), "{before} {after}");
            }
        }
        assert_eq!(libcni(b"github.com/containernetworking/cni v1.1.2".as_slice()).unwrap(), None);
        assert_eq!(libcni(b"\tgithub.com/containernetworking/cni\tvnext".as_slice()).unwrap(), None);
    }
}
