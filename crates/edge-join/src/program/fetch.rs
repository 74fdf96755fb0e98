//! Downloads a release archive, and the checksum that is published beside it.

use std::io::{self, Write};

use edge_fetch::{Download, Form, download, is_sha512};
use edge_host::{Error, Host, Result, shown_url};

/// The file with a checksum has one line.
const MAX_SUM: usize = 4096;

/// The address of the checksum of an archive: KubeEdge's releases have `checksum_NAME.txt` beside NAME.
fn sum_address(url: &str) -> Option<String> {
    let (directory, name) = url.rsplit_once('/')?;
    // A query belongs to the archive alone.
    (!name.is_empty() && !name.contains(['?', '#'])).then(|| format!("{directory}/checksum_{name}.txt"))
}

/// Downloads the SHA-512 that is published beside an archive. It detects damage; who can replace the archive can replace
/// it too.
///
/// Errors: exit 1 where it cannot be downloaded or is not a checksum.
pub fn published_sum(host: &mut Host, url: &str) -> Result<String> {
    const GIVE: &str = "get the checksum from a trusted source, and specify it with --sha512 HEX";
    let address = sum_address(url)
        .ok_or_else(|| Error::failed(format!("cannot use {}: its SHA-512 is unknown", shown_url(url))).hint(GIVE))?;
    let mut text = Small(Vec::new());
    let file = Download {
        url: &address,
        proxy: None,
        missing: GIVE,
        instead: "copy the archive to this host, and use --archive FILE",
    };
    download(host, file, &mut text)?;
    let words = String::from_utf8_lossy(&text.0).into_owned();
    let sum = words.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
    if is_sha512(&sum) {
        return Ok(sum);
    }
    let what = match Form::of(&text.0) {
        Form::Empty => "it is empty",
        Form::Html => "it is an HTML page",
        _ => "it does not contain a SHA-512",
    };
    Err(Error::cannot("use", shown_url(&address), what).hint(GIVE))
}

/// Downloads an archive.
pub fn fetch_to(host: &mut Host, url: &str, to: &mut dyn Write) -> Result<()> {
    let file = Download {
        url,
        proxy: None,
        missing: "check the version; for another server, use --mirror URL or --archive URL",
        instead: "copy the file to this host, and use --archive FILE or --offline DIR",
    };
    host.report.note(&format!("downloading {}", shown_url(url)));
    download(host, file, to).map(|_| ())
}

/// A text of limited length.
struct Small(Vec<u8>);

impl Write for Small {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_SUM {
            return Err(io::Error::other("it is too long for a checksum"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_is_beside_the_archive() {
        let of = |url: &str| sum_address(url).unwrap_or_default();
        assert_eq!(of("https://a/b/x.tar.gz"), "https://a/b/checksum_x.tar.gz.txt");
        assert_eq!((of("https://a/b/"), of("https://a/x?y=1")), (String::new(), String::new()));
    }
}
