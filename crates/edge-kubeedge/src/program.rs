//! The version of an edgecore or cloudcore binary, read from its ELF data; it is never run.
//!
//! KubeEdge is built with `-ldflags "-X github.com/kubeedge/kubeedge/pkg/version.gitVersion=v1.8.2"`.
//! That leaves two traces:
//!
//! 1. Go 1.18 and newer write the flags into the section `.go.buildinfo` (not with -trimpath).
//! 2. The linker makes a symbol of its own of each `-X` text: in `.rodata`, ended by a NUL, and
//!    aligned by its size (four bytes for `v1.8.2`, eight for `v1.23.1`). Stripping does not touch
//!    it. Texts in the code (`v1.19.3`, the Kubernetes version that KubeEdge reports) have
//!    neither a NUL nor an alignment: they lie in one heap, each against the next.
//!
//! The second is looked for only where the first is missing, and counts only if all of its finds
//! agree: a wrong version is worse than none. (A binary packed by UPX has none.) Binaries have a hundred megabytes, so they are read
//! a block at a time.

use crate::Minor;
use std::io::{self, Read, Seek, SeekFrom};

mod elf;

use elf::Section;

const FLAG: &[u8] = b"github.com/kubeedge/kubeedge/pkg/version.gitVersion=";
/// Longest version text that is looked at; real ones have some thirty characters at most.
const LONGEST: usize = 64;
const BLOCK: usize = 64 * 1024;

/// A version found in a binary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// As it stands there: `v1.8.2`.
    pub text: String,
    /// What the key table knows it by.
    pub minor: Minor,
}

impl Version {
    fn read(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        // The linker's text always has the v; a bare 1.8.2 is something else.
        let minor = text.starts_with("v1.").then(|| text.parse().ok())??;
        (text.matches('.').count() >= 2).then(|| Self { text: text.to_owned(), minor })
    }
}

/// What has been found so far.
#[derive(Default)]
enum Finds {
    #[default]
    None,
    One(Version),
    Several,
}

impl Finds {
    fn add(&mut self, version: Version) {
        *self = match std::mem::take(self) {
            Self::None => Self::One(version),
            Self::One(known) if known == version => Self::One(known),
            _ => Self::Several,
        };
    }

    fn only(self) -> Option<Version> {
        match self {
            Self::One(version) => Some(version),
            Self::None | Self::Several => None,
        }
    }
}

/// Finds the KubeEdge version in an ELF file; none if it is no ELF file, has no version, or has
/// several that could be it.
///
/// # Errors
/// The file cannot be read.
pub fn from_elf<R: Read + Seek>(file: &mut R) -> io::Result<Option<Version>> {
    let sections = elf::sections(file)?;
    let mut flags = Finds::None;
    for section in sections.iter().filter(|section| section.name == ".go.buildinfo") {
        scan(file, section, |block, _| in_flags(block, &mut flags))?;
    }
    if !matches!(flags, Finds::None) {
        return Ok(flags.only());
    }
    let mut symbols = Finds::None;
    for section in sections.iter().filter(|section| section.name == ".rodata") {
        scan(file, section, |block, address| in_symbols(block, address, &mut symbols))?;
    }
    Ok(symbols.only())
}

/// Shows a section block by block, with the address of each. Blocks overlap, so that what begins
/// in the first `BLOCK` bytes of one is whole in it; what begins later comes again in the next.
fn scan<R: Read + Seek>(file: &mut R, section: &Section, mut look: impl FnMut(&[u8], u64)) -> io::Result<()> {
    let overlap = FLAG.len() + 2 * LONGEST;
    file.seek(SeekFrom::Start(section.offset))?;
    let mut rest = file.take(section.size);
    let mut block = Vec::with_capacity(BLOCK + overlap);
    let mut address = section.address;
    loop {
        let wanted = (BLOCK + overlap).saturating_sub(block.len());
        let read = rest.by_ref().take(wanted as u64).read_to_end(&mut block)?;
        look(&block, address);
        if read < wanted || block.len() <= BLOCK {
            return Ok(());
        }
        block.drain(..BLOCK);
        address += BLOCK as u64;
    }
}

fn in_flags(block: &[u8], finds: &mut Finds) {
    for at in block.windows(FLAG.len()).enumerate().filter(|(_, w)| *w == FLAG).map(|(at, _)| at) {
        let text = block.get(at + FLAG.len()..).unwrap_or_default();
        let version = token(text);
        // Cut off by the end of the block, it comes again in the next one.
        if text.len() > version.len() {
            Version::read(version).into_iter().for_each(|version| finds.add(version));
        }
    }
}

fn in_symbols(block: &[u8], address: u64, finds: &mut Finds) {
    // Go's rodata begins on a page's multiple of 32, a block has a multiple of 4 bytes.
    let skew = ((4 - address % 4) % 4) as usize;
    let aligned = block.get(skew..).unwrap_or_default();
    for (position, word) in aligned.chunks_exact(4).enumerate() {
        if !matches!(word, [b'v', b'1', b'.', b'0'..=b'9']) {
            continue;
        }
        let at = skew + position * 4;
        let text = token(block.get(at..).unwrap_or_default());
        let ended = block.get(at + text.len()) == Some(&0);
        let eightfold = text.len() + 1 < 8 || (address + at as u64).is_multiple_of(8);
        // At the very start of a block it was seen before, at the end of the one before.
        let apart = at.checked_sub(1).and_then(|at| block.get(at)).is_some_and(|byte| !in_token(*byte));
        if ended
            && eightfold
            && apart
            && let Some(version) = Version::read(text)
        {
            finds.add(version);
        }
    }
}

fn token(text: &[u8]) -> &[u8] {
    let length = text.iter().take(LONGEST).take_while(|byte| in_token(**byte)).count();
    text.get(..length).unwrap_or_default()
}

fn in_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".-+_/".contains(&byte)
}

#[cfg(test)]
mod tests;
