//! Reads the version of an edgecore or cloudcore program from its ELF file, without running it.
//!
//! KubeEdge is built with `-ldflags "-X github.com/kubeedge/kubeedge/pkg/version.gitVersion=v1.8.2"`.
//! The version is then in two places:
//!
//! 1. Go 1.18 and newer write the flags into the section `.go.buildinfo` (not with -trimpath).
//! 2. The linker makes each `-X` text a symbol in `.rodata`, terminated by a NUL and aligned by its
//!    size (four bytes for `v1.8.2`, eight for `v1.23.1`), which survives stripping. Texts in the code
//!    (`v1.19.3`, the Kubernetes version that KubeEdge reports) have neither NUL nor alignment.
//!
//! The second place is searched only where the first has no version, and all candidates in it must
//! agree, because a wrong version is worse than none. (A program packed by UPX has none.) Programs have
//! a hundred megabytes, so they are read in blocks.

use crate::Minor;
use std::io::{self, Read, Seek, SeekFrom};

mod elf;

use elf::Section;

const FLAG: &[u8] = b"github.com/kubeedge/kubeedge/pkg/version.gitVersion=";
/// Longest version text; real ones have about thirty characters at most.
const LONGEST: usize = 64;
const BLOCK: usize = 64 * 1024;

/// A version found in a binary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The whole text: `v1.8.2`.
    pub text: String,
    /// Its minor version.
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

/// The versions that were found so far.
#[derive(Default)]
enum Candidates {
    #[default]
    None,
    One(Version),
    Several,
}

impl Candidates {
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

/// Finds the KubeEdge version in an ELF file; none if it is not an ELF file, has no version, or has
/// several candidates.
///
/// # Errors
/// The beginning of the file cannot be read. Sections that cannot be read are absent.
pub fn from_elf<R: Read + Seek>(file: &mut R) -> io::Result<Option<Version>> {
    let sections = elf::sections(file)?;
    let mut flags = Candidates::None;
    for section in sections.iter().filter(|section| section.name == ".go.buildinfo") {
        scan(file, section, |block, _| in_flags(block, &mut flags))?;
    }
    if !matches!(flags, Candidates::None) {
        return Ok(flags.only());
    }
    let mut symbols = Candidates::None;
    for section in sections.iter().filter(|section| section.name == ".rodata") {
        scan(file, section, |block, address| in_symbols(block, address, &mut symbols))?;
    }
    Ok(symbols.only())
}

/// Passes a section block by block, with the address of each. Blocks overlap: a text that begins in the
/// first `BLOCK` bytes of a block is complete in it, and a later one is repeated in the next block.
fn scan<R: Read + Seek>(file: &mut R, section: &Section, mut look: impl FnMut(&[u8], u64)) -> io::Result<()> {
    let overlap = FLAG.len() + 2 * LONGEST;
    file.seek(SeekFrom::Start(section.offset))?;
    let mut rest = file.take(section.size);
    let mut block = Vec::with_capacity(BLOCK + overlap);
    let mut address = section.address;
    loop {
        let missing = (BLOCK + overlap).saturating_sub(block.len());
        let read = rest.by_ref().take(missing as u64).read_to_end(&mut block)?;
        look(&block, address);
        if read < missing || block.len() <= BLOCK {
            return Ok(());
        }
        block.drain(..BLOCK);
        address += BLOCK as u64;
    }
}

fn in_flags(block: &[u8], candidates: &mut Candidates) {
    for at in block.windows(FLAG.len()).enumerate().filter(|(_, w)| *w == FLAG).map(|(at, _)| at) {
        let text = block.get(at + FLAG.len()..).unwrap_or_default();
        let version = token(text);
        // A text that is cut off by the end of the block is repeated in the next one.
        if text.len() > version.len() {
            Version::read(version).into_iter().for_each(|version| candidates.add(version));
        }
    }
}

fn in_symbols(block: &[u8], address: u64, candidates: &mut Candidates) {
    // Go's rodata begins at a multiple of 32, and a block has a multiple of 4 bytes.
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
        // A text at the very start of a block was seen at the end of the one before.
        let apart = at.checked_sub(1).and_then(|at| block.get(at)).is_some_and(|byte| !in_token(*byte));
        if ended
            && eightfold
            && apart
            && let Some(version) = Version::read(text)
        {
            candidates.add(version);
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
