//! The files of a release as `cargo xtask dist` makes them, with the programs of the build under test.

use std::path::{Path, PathBuf};
use std::process::Command;

use edgeutils_tests::tool;

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts");
const UTILITIES: [&str; 5] = ["edge-certgen", "edge-cni", "edge-conf", "edge-prep", "edge-redirect"];

/// $1 is the directory, $2 has the scripts, the rest are programs.
const MAKE: &str = r#"
dir=$1 scripts=$2; shift 2
mkdir -p "$dir/tree/bin" "$dir/tree/scripts" "$dir/deb/DEBIAN" "$dir/deb/usr/bin" "$dir/deb/usr/share/edgeutils/scripts"
cd "$dir"
for program; do strip -o "tree/bin/${program##*/}" "$program"; done
cp "$scripts"/*.sh tree/scripts/
(cd tree && find bin scripts -type f -exec sha256sum {} + > SHA256SUMS)
cp tree/bin/* deb/usr/bin/
cp tree/scripts/* deb/usr/share/edgeutils/scripts/
arch=$(dpkg --print-architecture) stem=edgeutils-0.1.0-$(uname -m)-unknown-linux-musl
printf 'Package: edgeutils\nVersion: 0.1.0\nArchitecture: %s\nMaintainer: Test <test@example.invalid>\nDescription: a test\n' "$arch" > deb/DEBIAN/control
(cd deb && find usr -type f -exec md5sum {} + > DEBIAN/md5sums)
dpkg-deb --root-owner-group -Zgzip -z1 --build deb "edgeutils_0.1.0_$arch.deb" > /dev/null
mv tree "$stem"
tar -cf - "$stem" | gzip -1 > "$stem.tar.gz"
rm -r deb "$stem"
sha256sum edgeutils* > SHA256SUMS
"#;

/// Makes the .deb, the .tar.gz and the sums for this machine's architecture.
pub(crate) fn make(dir: &Path) {
    let mut command = Command::new("sh");
    command.args(["-euc", MAKE, "sh"]).arg(dir).arg(SCRIPTS).args(UTILITIES.map(tool::path));
    assert!(command.status().unwrap().success(), "the release cannot be made");
}

/// The file of a release with this extension.
pub(crate) fn file(dir: &Path, extension: &str) -> PathBuf {
    let mut files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    files.find(|path| path.extension().is_some_and(|found| found == extension)).unwrap()
}
