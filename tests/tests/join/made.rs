//! Programs, archives and images that the tests make, and a tree to install them in.

use std::io::Write;
use std::path::{Path, PathBuf};

use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::Tree;
use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

pub(crate) const RELEASE: &str = "1.23.1";
pub(crate) const ARCHIVE: &str = "kubeedge-v1.23.1-linux-amd64.tar.gz";
pub(crate) const INSTALLED: &str = "usr/local/bin/edgecore";
pub(crate) const YAML: &str = "etc/kubeedge/config/edgecore.yaml";
/// Numbers of machines in ELF headers.
pub(crate) const AMD64: u8 = 62;
pub(crate) const ARM64: u8 = 183;

/// A static ELF program of this machine with the flags of a build in Go, from which its version is read.
pub(crate) fn program(machine: u8, version: &str) -> Vec<u8> {
    let info = format!(
        "\u{0} Go buildinf:build\t-ldflags=\"-s -w -X github.com/kubeedge/kubeedge/pkg/version.gitVersion={version} -X a.b=c\"\n"
    );
    elf(machine, None, &[(".go.buildinfo", info.as_bytes())])
}

/// An ELF program with these sections, and a loader if it needs one.
pub(crate) fn elf(machine: u8, loader: Option<&str>, sections: &[(&str, &[u8])]) -> Vec<u8> {
    let mut file = vec![0; 64 + 56];
    let mut names = vec![0_u8];
    let mut headers = vec![vec![0_u8; 64]];
    let mut section = |file: &mut Vec<u8>, names: &mut Vec<u8>, name: &str, content: &[u8]| {
        let start = names.len() as u32;
        names.extend(name.bytes().chain([0]));
        let content = if name == ".shstrtab" { names.clone() } else { content.to_vec() };
        file.resize(file.len().next_multiple_of(64), 0);
        let offset = file.len() as u64;
        let mut header = Vec::new();
        header.extend(start.to_le_bytes());
        header.extend(1_u32.to_le_bytes());
        for number in [0, 0x40_0000 + offset, offset, content.len() as u64] {
            header.extend(number.to_le_bytes());
        }
        header.resize(64, 0);
        headers.push(header);
        file.extend(content);
    };
    for (name, content) in sections {
        section(&mut file, &mut names, name, content);
    }
    section(&mut file, &mut names, ".shstrtab", b"");
    let interpreter = file.len() as u64;
    if let Some(loader) = loader {
        file.extend(loader.bytes().chain([0]));
    }
    file.resize(file.len().next_multiple_of(64), 0);
    let table = file.len() as u64;
    let count = headers.len() as u16;
    file.extend(headers.concat());
    file[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1]);
    (file[16], file[18], file[20]) = (2, machine, 1);
    file[0x28..0x30].copy_from_slice(&table.to_le_bytes());
    for (at, number) in [(0x34, 64), (0x3a, 64), (0x3c, count), (0x3e, count - 1)] {
        file[at..at + 2].copy_from_slice(&u16::to_le_bytes(number));
    }
    if let Some(loader) = loader {
        // One program header, PT_INTERP, behind the ELF header.
        file[0x20] = 64;
        (file[0x36], file[0x38]) = (56, 1);
        file[64..68].copy_from_slice(&3_u32.to_le_bytes());
        file[72..80].copy_from_slice(&interpreter.to_le_bytes());
        file[96..104].copy_from_slice(&(loader.len() as u64 + 1).to_le_bytes());
    }
    file
}

pub(crate) type Entry<'e> = (&'e str, EntryType, &'e [u8]);

pub(crate) fn tar(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, entry_type, content) in entries {
        let mut header = Header::new_gnu();
        header.set_entry_type(*entry_type);
        header.set_mode(0o755);
        header.set_size(0);
        if matches!(entry_type, EntryType::Symlink | EntryType::Link) {
            builder.append_link(&mut header, name, std::str::from_utf8(content).unwrap()).unwrap();
        } else {
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, name, *content).unwrap();
        }
    }
    builder.into_inner().unwrap()
}

pub(crate) fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
    gz.write_all(bytes).unwrap();
    gz.finish().unwrap()
}

/// A release archive with this program.
pub(crate) fn release(program: &[u8], version: &str) -> Vec<u8> {
    let top = format!("kubeedge-{version}-linux-amd64");
    let (edge, text) = (format!("{top}/edge/edgecore"), format!("{top}/version"));
    zipped(&tar(&[
        (&top, EntryType::Directory, b""),
        (&text, EntryType::Regular, format!("{version}\n").as_bytes()),
        (&edge, EntryType::Regular, program),
    ]))
}

/// An image as `docker save` writes it, whose layers are these.
pub(crate) fn image(layers: &[Vec<u8>]) -> Vec<u8> {
    let names: Vec<String> = (0..layers.len()).map(|at| format!("{at}/layer.tar")).collect();
    let list = serde_json::json!([{"Config": "c.json", "RepoTags": ["kubeedge/installation-package:v1.23.1"], "Layers": names}]);
    let list = list.to_string();
    let mut entries: Vec<Entry<'_>> =
        names.iter().zip(layers).map(|(name, layer)| (name.as_str(), EntryType::Regular, layer.as_slice())).collect();
    entries.push(("manifest.json", EntryType::Regular, list.as_bytes()));
    tar(&entries)
}

/// An image of a system for amd64 in which edge-join is installed.
pub(crate) fn system() -> Tree {
    let tree = Tree::new();
    tree.write("usr/bin/env", elf(AMD64, None, &[]));
    tree.write("usr/bin/edge-join", "installed");
    tree
}

/// A file beside the tree.
pub(crate) fn beside(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// `edge-join apply` on a tree.
pub(crate) fn apply(tree: &Tree, args: &[&str]) -> Ran {
    let call = ["apply", "--cloudcore", "192.0.2.1", "--version", RELEASE];
    Tool::new("edge-join").arg("--root").arg(tree.path()).args(call).args(args).run()
}

/// The same with a file.
pub(crate) fn apply_file(tree: &Tree, file: &Path, args: &[&str]) -> Ran {
    let words: Vec<&str> = ["--archive", file.to_str().unwrap()].iter().chain(args).copied().collect();
    apply(tree, &words)
}
