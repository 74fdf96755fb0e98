//! Programs that contain only what shows their version: they are read, and never run.

/// A 64-bit little-endian ELF file of one kilobyte with one section, as Go's linker lays it.
pub fn elf(name: &str, content: &[u8]) -> Vec<u8> {
    let names = format!("\0{name}\0.shstrtab\0");
    let mut file = vec![0; 64];
    file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    file.extend(content);
    file.resize(512, 0);
    file.extend(names.bytes());
    file.resize(640, 0);
    let sections = [(0, 0, 0, 0), (1, 1, 64, content.len()), (2 + name.len(), 3, 512, names.len())];
    for (name, kind, offset, size) in sections {
        let mut header = [0; 64];
        header[..4].copy_from_slice(&u32::try_from(name).unwrap().to_le_bytes());
        header[4..8].copy_from_slice(&u32::to_le_bytes(kind));
        header[0x10..0x18].copy_from_slice(&u64::to_le_bytes(0x40_0000 + offset));
        header[0x18..0x20].copy_from_slice(&u64::to_le_bytes(offset));
        header[0x20..0x28].copy_from_slice(&u64::try_from(size).unwrap().to_le_bytes());
        file.extend(header);
    }
    file[0x28..0x30].copy_from_slice(&640_u64.to_le_bytes());
    for (at, value) in [(0x3a, 64_u16), (0x3c, 3), (0x3e, 2)] {
        file[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }
    file
}

/// A program of KubeEdge, with the flags of the build as Go 1.18 and newer write them.
pub fn with_flags(version: &str) -> Vec<u8> {
    let flags = format!("build\t-ldflags=\"-X github.com/kubeedge/kubeedge/pkg/version.gitVersion={version} -s\"\n");
    elf(".go.buildinfo", flags.as_bytes())
}
