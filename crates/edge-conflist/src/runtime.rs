//! The container runtimes of a host, and the libcni release that each is built with.
//!
//! Where the plugins support a newer CNI version than the runtime, the network is reported ready and every pod
//! fails. A Go program contains the list of its modules, so nothing has to be run.

use std::io::{self, Read};
use std::path::Path;

use edge_host::{Host, Result, ResultExt};

use crate::catalog::Catalog;
use crate::version::{Cni, Release};

const PROGRAMS: [(&str, &str); 4] = [
    ("CRI-O", "/usr/bin/crio"),
    ("CRI-O", "/usr/local/bin/crio"),
    ("containerd", "/usr/bin/containerd"),
    ("containerd", "/usr/local/bin/containerd"),
];
/// The module's line in the list inside a program.
const MODULE: &[u8] = b"\tgithub.com/containernetworking/cni\tv";
const PIECE: usize = 256 << 10;
/// Longer than any version.
const TAIL: usize = 64;

/// An installed runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runtime {
    name: &'static str,
    path: &'static str,
    libcni: Release,
    /// The newest CNI version that it supports.
    pub newest: Cni,
}

impl Runtime {
    /// Its name, path and libcni, for messages.
    pub fn shown(&self) -> String {
        format!("{} ({}, libcni {})", self.name, self.path, self.libcni)
    }
}

/// The runtimes of the host whose libcni is in the catalog.
pub fn runtimes(host: &Host) -> Result<Vec<Runtime>> {
    let catalog = Catalog::read()?;
    let mut found = Vec::new();
    for (name, path) in PROGRAMS {
        let Some(file) = host.root.open(Path::new(path))? else { continue };
        let libcni = libcni(file).on("read", host.root.display(Path::new(path)))?;
        let known = libcni.and_then(|libcni| Some((catalog.libcni(&libcni)?, libcni)));
        found.extend(known.map(|(newest, libcni)| Runtime { name, path, libcni, newest }));
    }
    Ok(found)
}

/// Searches a program for its libcni, piece by piece.
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
        // The end may be the beginning of a match.
        let keep = at.unwrap_or_else(|| window.len().saturating_sub(MODULE.len()));
        window.drain(..keep);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libcni_is_found_across_pieces() {
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
