//! Unusual, damaged and hostile archives.

use std::io::Write as _;

use edge_host::Exit;
use flate2::Compression;
use flate2::write::GzEncoder;
use tar::Header;

use super::*;

const LIMITS: Limits = Limits { kind: "bundle", entries: 100, bytes: 64 << 20 };

/// An uncompressed archive, put together block by block.
#[derive(Default)]
struct Tar(Vec<u8>);

impl Tar {
    /// A header that claims this size, and these bytes.
    fn claim(mut self, name: &str, kind: u8, size: u64, bytes: &[u8]) -> Tar {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(EntryType::new(kind));
        header.set_mode(0o6755);
        header.set_uid(1000);
        header.set_size(size);
        if matches!(kind, b'1' | b'2') {
            header.set_link_name("/etc/shadow").unwrap();
        }
        header.set_cksum();
        self.0.extend(header.as_bytes());
        self.padded(bytes)
    }

    fn padded(mut self, bytes: &[u8]) -> Tar {
        self.0.extend(bytes);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn entry(self, name: &str, kind: u8, bytes: &[u8]) -> Tar {
        self.claim(name, kind, bytes.len() as u64, bytes)
    }

    fn file(self, name: &str) -> Tar {
        self.entry(name, b'0', b"content")
    }

    fn pax(self, records: &[(&str, &str)]) -> Tar {
        let text: String = records.iter().map(|(key, value)| record(key, value)).collect();
        self.entry("pax", b'x', text.as_bytes())
    }

    fn end(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        zipped(&self.0)
    }
}

fn record(key: &str, value: &str) -> String {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len() + 1;
    while length != rest.len() + length.to_string().len() {
        length += 1;
    }
    format!("{length}{rest}")
}

fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut file = GzEncoder::new(Vec::new(), Compression::fast());
    file.write_all(bytes).unwrap();
    file.finish().unwrap()
}

type Listed = Vec<(String, Kind, u64, bool)>;

fn list(mut archive: &[u8]) -> Result<(Listed, String)> {
    let mut all = Vec::new();
    let sum = read(&mut archive, "x.tgz", LIMITS, &|| Ok(()), &mut |mut entry| {
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let path = entry.path.to_str().unwrap().to_owned();
        all.push((path, entry.kind, content.len() as u64, entry.executable));
        Ok(())
    })?;
    Ok((all, sum))
}

#[test]
fn read_hands_over_files_and_directories() {
    let long = format!("{}/{}", "d".repeat(90), "f".repeat(90));
    let archive = Tar::default()
        .entry("pax_global_header", b'g', record("comment", "abc").as_bytes())
        .entry("./", b'5', b"")
        .file("./bin/crio")
        .entry("old/", b'0', b"")
        .entry("L", b'L', format!("{long}\0").as_bytes())
        .file("short")
        .pax(&[("path", "from/pax"), ("mtime", "1.5")])
        .file("short")
        .entry("empty", b'0', b"")
        .end();
    let (all, sum) = list(&archive).unwrap();
    let want: Listed = vec![
        (String::new(), Kind::Directory, 0, true),
        ("bin/crio".to_owned(), Kind::File, 7, true),
        ("old".to_owned(), Kind::Directory, 0, true),
        (long, Kind::File, 7, true),
        ("from/pax".to_owned(), Kind::File, 7, true),
        ("empty".to_owned(), Kind::File, 0, true),
    ];
    assert_eq!(all, want);
    assert_eq!(sum, crate::sum_of(&mut archive.as_slice()).unwrap().0);
    // Two members of gzip are one archive.
    let tar = Tar::default().file("a").file("b").0;
    let parts = [zipped(&tar[..700]), zipped(&tar[700..]), zipped(&[])].concat();
    assert_eq!(list(&parts).unwrap().0.len(), 2);
}

#[test]
fn read_refuses_entries_that_programs_do_not_need() {
    let valid = || Tar::default().file("bin/crio");
    let deep = "d/".repeat(40) + "f";
    let long = "n".repeat(5000);
    for (said, tar) in [
        ("has .. in its path", valid().file("../escaped")),
        ("has .. in its path", valid().file("a/../../escaped")),
        ("has .. in its path", valid().entry("L", b'L', b"a/../../../etc/passwd\0").file("x")),
        ("has .. in its path", valid().pax(&[("path", "../x")]).file("x")),
        ("is an absolute path", valid().file("/etc/passwd")),
        ("is an absolute path", valid().pax(&[("path", "/etc/passwd")]).file("x")),
        ("is a link", valid().entry("l", b'2', b"")),
        ("is a link", valid().entry("l", b'1', b"")),
        ("is a device or pipe", valid().entry("d", b'3', b"")),
        ("is a device or pipe", valid().entry("d", b'4', b"")),
        ("is a device or pipe", valid().entry("d", b'6', b"")),
        ("is not a regular file", valid().entry("v", b'V', b"")),
        ("is not a regular file", valid().entry("m", b'M', b"")),
        ("is a sparse file", valid().pax(&[("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0")]).file("s")),
        ("is in the archive twice", valid().file("bin/crio")),
        ("is in the archive twice", valid().file("./bin//crio")),
        ("is not a valid file name", valid().file(".")),
        ("is not a regular file", valid().file("dir/")),
        ("directories deep", valid().file(&deep)),
        ("has a name of 5000 bytes", valid().entry("L", b'L', long.as_bytes()).file("x")),
        ("has a name that is not UTF-8", valid().entry("L", b'L', b"a\xff").file("x")),
        ("is forged\\u{202e} has invisible characters in its name", valid().file("a\nb is forged\u{202e}")),
        ("has invisible characters in its name", valid().entry("L", b'L', b"a\0b\0").file("x")),
        ("has two names or sizes", valid().pax(&[("path", "a"), ("path", "b")]).file("x")),
        ("follows after its end", valid().padded(&[0; 1024]).file("behind")),
        ("exceeds the 100 entries of any bundle", (0..101).fold(valid(), |tar, _| tar.entry("d/", b'5', b""))),
        ("makes it larger than any bundle", valid().claim("big", b'0', 65 << 20, b"")),
        ("makes it larger than any bundle", valid().claim("big", b'0', u64::MAX >> 1, b"")),
        ("makes it larger than any bundle", valid().pax(&[("size", "99999999999")]).file("x")),
        ("is too large for a header", valid().claim("g", b'g', 2 << 20, b"")),
    ] {
        let error = list(&tar.end()).unwrap_err();
        assert!(error.message().contains(said), "{said}: {error}");
        assert_eq!(error.exit(), Exit::Refused, "{said}: {error}");
        assert!(error.hint_text().is_some() && error.message().len() < 400, "{said}: {error}");
    }
}

#[test]
fn read_refuses_damaged_archives_and_bombs() {
    let valid = || Tar::default().file("bin/crio");
    let (zeros, huge) = (vec![0; 8 << 20], 4 << 30);
    let whole = valid().end();
    let mut sparse = valid().claim("s", b'S', 512, &[1; 512]).0;
    sparse[1024 + 386..1024 + 398].copy_from_slice(b"77777777777\0");
    for (said, archive) in [
        ("too long", valid().claim("L", b'L', huge, &zeros).end()),
        ("too long", valid().claim("K", b'K', huge, &zeros).end()),
        ("too long", valid().claim("x", b'x', huge, &zeros).end()),
        ("too long", valid().pax(&[("path", "a")]).claim("L", b'L', huge, &zeros).end()),
        ("too long", zipped(&[valid().0, zeros.clone()].concat())),
        ("not a valid gzipped tar archive", valid().pax(&[("path", "a")]).pax(&[("path", "b")]).file("x").end()),
        ("not a valid gzipped tar archive", valid().entry("L", b'L', b"a").entry("L", b'L', b"b").file("x").end()),
        ("not a valid gzipped tar archive", valid().pax(&[("path", "a")]).end()),
        // A record of another size than the header's.
        ("", valid().claim("x", b'x', 5, b"9999 path=y\n").end()),
        ("", zipped(&sparse)),
        ("", zipped(&Tar::default().claim("cut", b'0', 5000, b"cut").0)),
        ("", zipped(&valid().0[..600])),
        ("", [whole.clone(), b"garbage".to_vec()].concat()),
        ("", whole[..whole.len() - 4].to_vec()),
        ("", whole[..whole.len() / 2].to_vec()),
        ("", Vec::new()),
        ("", b"not gzip at all".to_vec()),
    ] {
        let error = list(&archive).unwrap_err();
        assert!(error.message().contains(said) && error.hint_text().is_some(), "{said}: {error}");
        assert_eq!(error.exit(), Exit::Failed, "{said}: {error}");
    }
}

#[test]
fn read_counts_all_headers_together() {
    // Each pax header is short enough, but not all of them together.
    let comment = "c".repeat(1 << 19);
    let tar = (0..60).fold(Tar::default(), |tar, n| tar.pax(&[("comment", &comment)]).file(&format!("f{n}")));
    let small = Limits { bytes: 1 << 20, ..LIMITS };
    let error = read(&mut tar.end().as_slice(), "x", small, &|| Ok(()), &mut |_| Ok(())).unwrap_err();
    assert!(error.message().ends_with("the headers of all entries are too long"), "{error}");
}

#[test]
fn read_stops_on_request() {
    let archive = Tar::default().entry("big", b'0', &vec![0; 8 << 20]).end();
    let calls = Cell::new(0);
    let stop = || {
        calls.set(calls.get() + 1);
        if calls.get() > 10 { Err(Error::interrupted("stopped")) } else { Ok(()) }
    };
    let error = read(&mut archive.as_slice(), "x", LIMITS, &stop, &mut |_| Ok(())).unwrap_err();
    assert_eq!((error.exit(), error.message()), (Exit::Interrupted, "stopped"));
}

#[test]
fn contents_are_those_of_the_entries() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let bytes = Tar::default().entry("a", b'0', &[7; 9000]).entry("b", b'0', b"bee").end();
    std::fs::write(file.path(), &bytes).unwrap();
    let mut places = Vec::new();
    read(&mut bytes.as_slice(), "x", LIMITS, &|| Ok(()), &mut |entry| {
        places.push((entry.offset, entry.size));
        Ok(())
    })
    .unwrap();
    let mut contents = Contents::of(crate::open(file.path()).unwrap());
    // In order, again, and backwards.
    for index in [0, 1, 1, 0] {
        let mut got = Vec::new();
        contents.copy(places[index].0, places[index].1, &mut got).unwrap();
        assert_eq!(got, [vec![7; 9000], b"bee".to_vec()][index]);
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(256))]

    /// It does not panic, and every path is relative and without `..`.
    #[test]
    fn read_survives_any_damage(damage in proptest::collection::vec((0usize..4096, 0u8..=255), 0..8)) {
        let mut bytes = Tar::default().pax(&[("path", "a/b")]).file("x").entry("L", b'L', b"long\0").file("y").file("z").0;
        for (at, byte) in damage {
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
        if let Ok((all, _)) = list(&zipped(&bytes)) {
            for (path, ..) in all {
                assert!(!path.starts_with('/') && !path.split('/').any(|name| name == ".."), "{path:?}");
            }
        }
    }
}

#[test]
fn interrupt_within_an_entry_is_an_interrupt() {
    let bytes = Tar::default().entry("large", b'0', &vec![7; 1 << 20]).end();
    let calls = Cell::new(0);
    let stop = || {
        calls.set(calls.get() + 1);
        if calls.get() > 3 { Err(Error::failed("interrupted").with_exit(Exit::Interrupted)) } else { Ok(()) }
    };
    // The caller describes a read that fails as a damaged archive.
    let mut take = |mut entry: Entry<'_>| {
        let copied = io::copy(&mut entry, &mut io::sink());
        copied.map(|_| ()).map_err(|cause| Error::failed(format!("cannot unpack large: {}", describe(&cause))))
    };
    let error = read(&mut bytes.as_slice(), "x.tgz", LIMITS, &stop, &mut take).unwrap_err();
    assert_eq!((error.exit(), error.message()), (Exit::Interrupted, "interrupted"));
}
