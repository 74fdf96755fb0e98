//! Tells by the first bytes of a file what it is, as the name of a downloaded file proves nothing.

use std::fs::File;
use std::io::{Read, Seek};

use edge_host::{Error, Result, ResultExt};

/// How many bytes decide: a tar has its magic behind the fields of the first header.
const HEAD: usize = 512;
const TAR_MAGIC: std::ops::Range<usize> = 257..262;

/// What a file is, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// An ELF file.
    Elf,
    /// Compressed by gzip, whatever is in it.
    Gzip,
    /// A tar that is not compressed.
    Tar,
    /// Compressed by another program, of this name.
    Compressed(&'static str),
    /// An HTML page, such as the login page of a proxy.
    Html,
    /// It has no bytes.
    Empty,
    /// Something else.
    Other,
}

impl Form {
    /// By the first bytes.
    pub fn of(head: &[u8]) -> Form {
        const MAGIC: [(&[u8], Form); 6] = [
            (b"\x7fELF", Form::Elf),
            (b"\x1f\x8b", Form::Gzip),
            (b"\x28\xb5\x2f\xfd", Form::Compressed("zstd")),
            (b"\xfd7zXZ\0", Form::Compressed("xz")),
            (b"BZh", Form::Compressed("bzip2")),
            (b"PK\x03\x04", Form::Compressed("zip")),
        ];
        if head.is_empty() {
            return Form::Empty;
        }
        if let Some((_, form)) = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)) {
            return *form;
        }
        if head.get(TAR_MAGIC).is_some_and(|magic| magic == b"ustar") {
            return Form::Tar;
        }
        let text = String::from_utf8_lossy(head).trim_start_matches('\u{feff}').trim_start().to_ascii_lowercase();
        if ["<!doctype html", "<html", "<head", "<?xml"].iter().any(|start| text.starts_with(start)) {
            return Form::Html;
        }
        Form::Other
    }

    /// Of an open file, which is rewound before and afterwards.
    pub fn of_file(file: &mut File, shown: &str) -> Result<Form> {
        let mut head = Vec::with_capacity(HEAD);
        file.rewind().on("read", shown)?;
        file.take(HEAD as u64).read_to_end(&mut head).on("read", shown)?;
        file.rewind().on("read", shown)?;
        Ok(Form::of(&head))
    }

    /// The error for a file that nothing can be taken from; `expected` says what it should be. None for the forms that
    /// have content.
    pub fn problem(self, shown: &str, expected: &str) -> Option<Error> {
        let cannot = |what: &str| Error::cannot("use", shown, what);
        Some(match self {
            Form::Elf | Form::Gzip | Form::Tar => return None,
            Form::Empty => cannot("it is empty").hint("copy or download it again"),
            Form::Html => cannot("it is an HTML page, such as that of a proxy or a login")
                .hint("check the address in a browser, and the proxy"),
            Form::Compressed(by) => cannot(&format!("it is compressed by {by}, which is not supported"))
                .hint(format!("decompress it first; expected {expected}")),
            Form::Other => cannot("it is of an unknown format").hint(format!("expected {expected}")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_is_known_by_the_first_bytes() {
        let mut tar = vec![b'a'; HEAD];
        tar[TAR_MAGIC].copy_from_slice(b"ustar");
        for (head, want) in [
            (b"".as_slice(), Form::Empty),
            (b"\x7fELF\x02\x01", Form::Elf),
            (b"\x1f\x8b\x08", Form::Gzip),
            (b"\x28\xb5\x2f\xfd\0", Form::Compressed("zstd")),
            (b"\xfd7zXZ\0", Form::Compressed("xz")),
            (&tar, Form::Tar),
            (&tar[..260], Form::Other),
            (b"\n <!DOCTYPE HTML><html>", Form::Html),
            (b"\xef\xbb\xbf<HTML lang=en>", Form::Html),
            (b"#!/bin/sh\n", Form::Other),
        ] {
            assert_eq!(Form::of(head), want, "{head:?}");
        }
    }

    #[test]
    fn problem_says_what_the_file_is() {
        for (form, what) in [
            (Form::Html, "it is an HTML page"),
            (Form::Empty, "it is empty"),
            (Form::Compressed("zstd"), "compressed by zstd"),
            (Form::Other, "of an unknown format"),
        ] {
            let error = form.problem("x.tar.gz", "an archive").unwrap();
            assert!(error.message().starts_with("cannot use x.tar.gz: ") && error.message().contains(what), "{error}");
            assert!(error.hint_text().is_some());
        }
        assert!(Form::Gzip.problem("x", "").is_none());
    }
}
