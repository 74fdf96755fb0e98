//! Our order of versions against dpkg's, and our reading of keys against gpg's.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::process::Command;

use edge_apt::{Version, openpgp};
use edgeutils_tests::skip;
use proptest::prelude::*;

fn dpkg_says(a: &str, relation: &str, b: &str) -> bool {
    Command::new("dpkg").args(["--compare-versions", a, relation, b]).status().unwrap().success()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Short texts of few characters, so that equal fronts and ties come up.
    #[test]
    fn version_order_is_that_of_dpkg(
        a in "([0-2]:)?[0-9][0-2a~+.-]{0,6}(-[0-2a~+.]{1,3})?",
        b in "([0-2]:)?[0-9][0-2a~+.-]{0,6}(-[0-2a~+.]{1,3})?",
    ) {
        if !Path::new("/usr/bin/dpkg").exists() {
            skip("version_order_is_that_of_dpkg", "dpkg is not installed");
            return Ok(());
        }
        if let (Ok(ours_a), Ok(ours_b)) = (Version::parse(&a), Version::parse(&b)) {
            for (relation, ours) in [("lt", ours_a < ours_b), ("eq", ours_a == ours_b), ("gt", ours_a > ours_b)] {
                prop_assert_eq!(dpkg_says(&a, relation, &b), ours, "{} {} {}", a, relation, b);
            }
        }
    }

    #[test]
    fn key_reader_does_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = openpgp::parse(&bytes);
        let mut key = vec![0x98, 60];
        key.extend(&bytes);
        let _ = openpgp::parse(&key);
    }
}

/// Keys of every kind that repositories have.
const KEYS: &str = r#"
set -e
export GNUPGHOME=$1; cd "$1"
make() { gpg --batch -q --faked-system-time "$4" --passphrase '' --quick-gen-key "$1" "$2" "$3" "$5" 2>/dev/null; }
print() { gpg --batch --with-colons --list-keys "=$1" 2>/dev/null | awk -F: '/^fpr/ { print $10; exit }'; }
make never ed25519 sign 20250211T000000 never
make rsa rsa2048 sign 20250211T000000 800d
make prolonged ed25519 sign 20200101T000000 1y
gpg --batch -q --faked-system-time 20250601T000000 --passphrase '' --quick-set-expire $(print prolonged) 10y 2>/dev/null
make subkey ed25519 cert 20250101T000000 never
gpg --batch -q --faked-system-time 20250102T000000 --passphrase '' --quick-add-key $(print subkey) ed25519 sign 3y 2>/dev/null
gpg --batch -q --faked-system-time 20250103T000000 --passphrase '' --quick-add-key $(print subkey) cv25519 encr 1y 2>/dev/null
make revoked ed25519 sign 20250101T000000 never
sed -i 's/^:-----/-----/' openpgp-revocs.d/$(print revoked).rev && gpg --batch -q --import openpgp-revocs.d/$(print revoked).rev 2>/dev/null
make two-names ed25519 sign 20250101T000000 5y
gpg --batch -q --faked-system-time 20250301T000000 --passphrase '' --quick-add-uid $(print two-names) 'second name' 2>/dev/null
make sha1 rsa2048 sign 20250101T000000 never
gpg --batch -q --faked-system-time 20250301T000000 --cert-digest-algo SHA1 --passphrase '' --quick-set-expire $(print sha1) 4y 2>/dev/null
for name in never rsa prolonged subkey revoked two-names sha1; do
    gpg --batch -q --export "$(print $name)" > "$name.gpg"
    gpg --batch -q --export --armor "$(print $name)" > "$name.asc"
done
cat never.asc rsa.asc > both.asc
gpgconf --kill all
"#;

#[test]
fn keys_are_read_as_gpg_reads_them() {
    let test = "keys_are_read_as_gpg_reads_them";
    if !Path::new("/usr/bin/gpg").exists() {
        return skip(test, "gnupg is not installed");
    }
    let home = tempfile::Builder::new().prefix("edgeutils-gpg-").tempdir_in("/tmp").unwrap();
    let made = Command::new("bash").args(["-c", KEYS, "keys"]).arg(home.path()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut read = 0;
    for name in ["never", "rsa", "prolonged", "subkey", "revoked", "two-names", "sha1", "both"] {
        for end in ["gpg", "asc"] {
            let file = home.path().join(format!("{name}.{end}"));
            let Ok(bytes) = std::fs::read(&file) else { continue };
            let (_, ours) = openpgp::parse(&bytes).unwrap_or_else(|cause| panic!("{name}.{end}: {cause}"));
            let ours: Vec<(String, Option<u64>, bool)> =
                ours.iter().map(|key| (key.fingerprint.to_string(), key.expires, key.revoked)).collect();
            assert_eq!(ours, gpgs_view(home.path(), &file), "{name}.{end}");
            read += 1;
        }
    }
    assert_eq!(read, 15);
    let read = |name: &str| openpgp::parse(&std::fs::read(home.path().join(name)).unwrap()).unwrap().1.remove(0);
    assert_eq!(read("sha1.asc").self_signature, openpgp::SelfSignature::Sha1);
    assert_eq!(read("never.asc").self_signature, openpgp::SelfSignature::Sound);
    assert_eq!((read("two-names.asc").created, read("rsa.gpg").user.as_str()), (1_735_689_600, "rsa"));
}

/// Fingerprint, end and revocation of each key; where only subkeys sign, the end is theirs.
fn gpgs_view(home: &Path, file: &Path) -> Vec<(String, Option<u64>, bool)> {
    let output = Command::new("gpg")
        .args(["--batch", "--with-colons", "--show-keys"])
        .arg(file)
        .env("GNUPGHOME", home)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut all: Vec<(String, Option<u64>, bool, bool)> = Vec::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let end = || fields[6].parse().ok();
        match fields[0] {
            "pub" => all.push((String::new(), end(), fields[1] == "r", fields[11].contains('s'))),
            "fpr" if all.last().unwrap().0.is_empty() => all.last_mut().unwrap().0 = fields[9].to_owned(),
            "sub" if fields[11].contains('s') && !all.last().unwrap().3 => all.last_mut().unwrap().1 = end(),
            _ => {}
        }
    }
    all.into_iter().map(|(print, end, revoked, _)| (print, end, revoked)).collect()
}
