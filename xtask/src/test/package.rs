//! The package of this machine's architecture, installed by apt from a local repository in a minimal Debian:
//! every utility, an upgrade with an open run, a removal and two purges.

use std::path::Path;

use anyhow::{Result, anyhow};
use edgeutils_tests::apt::AptHost;

use super::{Outcome, SuiteContext};
use crate::dist::Target;
use crate::sh::Sh;
use crate::workspace::{read, remove_tree, write};

/// The throw-away key that signs the sums.
const KEY: &str = "package-test";

/// $1 is the package, $2 its version, $3 the directory of all that is released, $4 install.sh.
const STORY: &str = r#"
set -eu
at() { step=$*; }
trap 'code=$?; [ "$code" = 0 ] || echo "FAILED at: $step" >&2' EXIT
has() { grep -qF -- "$2" "$1" || { cat "$1" >&2; echo "without: $2" >&2; exit 1; }; }

at an older version
mkdir /debs /old
cp "/workshop$1" /debs/new.deb
dpkg-deb -R /debs/new.deb /old
# nfpm's list of no conffiles has an empty line, which dpkg-deb itself does not write.
rm -f /old/DEBIAN/conffiles
sed -i 's/^Version: .*/Version: 0.0.1/' /old/DEBIAN/control
dpkg-deb --root-owner-group -Zgzip -z1 --build /old /debs/old.deb > /dev/null
mv /debs/new.deb /new.deb
repo /repo -
echo 'deb [trusted=yes] file:/repo ./' > /etc/apt/sources.list
apt-get -q update > /dev/null
apt-get -q -y install edgeutils
dpkg-query -W edgeutils | grep -q '0\.0\.1$'
test -d /etc/edgeutils
test -z "$(ls -A /etc/edgeutils)"

at each utility
failed=''
for call in 'edge-prep status' 'edge-certgen check' 'edge-cni check' 'edge-crio check' 'edge-apt wait' 'edge-redirect status' \
    'edge-reset scan'; do
    code=0
    $call --force-namespace > /tmp/printed 2>&1 || code=$?
    printf '%s: %s: %s\n' "$call" "$code" "$(cat /tmp/printed)"
    case $code in 0 | 3) ;; *) failed="$failed $call: $code;" ;; esac
done
[ -z "$failed" ] || { echo "$failed" >&2; exit 1; }
# A host without KubeEdge has no configuration to check.
if edge-conf check --force-namespace > /tmp/printed 2>&1; then exit 1; fi
has /tmp/printed 'cannot find a configuration'

at an open run
echo '/dev/sda9 none swap sw 0 0' >> /etc/fstab
edge-prep apply --swap off --force-namespace || true
ls /var/lib/edgeutils/journal

at the upgrade
mv /new.deb /debs/
repo /repo -
apt-get -q update > /dev/null
apt-get -q -y install edgeutils
dpkg-query -W edgeutils | grep -qF "$2"
edge-prep undo --list --force-namespace > /tmp/list
cat /tmp/list
test -s /tmp/list

at the removal
mkdir -p /etc/systemd/system/multi-user.target.wants
ln -s ../edge-redirect.service /etc/systemd/system/multi-user.target.wants/
apt-get -q -y remove edgeutils > /tmp/remove 2>&1
has /tmp/remove 'edge-redirect.service is enabled'
test ! -e /usr/bin/edge-prep

at the purge that keeps the journal
apt-get -q -y purge edgeutils > /tmp/purge 2>&1
has /tmp/purge 'edge-prep undo --id 1'
test -d /var/lib/edgeutils/journal

at the undo, and the purge that removes it
apt-get -q -y install edgeutils > /dev/null
edge-prep undo --id 1 --force-namespace
apt-get -q -y purge edgeutils > /tmp/purge 2>&1
test ! -e /var/lib/edgeutils
test ! -e /etc/edgeutils
test ! -e /usr/share/edgeutils

at install.sh
mkdir /tls /served
cp "/workshop$3"/* /served/ 2> /dev/null || true
cp "/workshop$4" /install.sh
workshop openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
    -keyout "$here/tls/key.pem" -out "$here/tls/cert.pem" 2> /dev/null
chroot /workshop /usr/bin/python3 -c 'import functools, http.server, ssl, sys
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1] + "/served")
server = http.server.HTTPServer(("127.0.0.1", 8443), handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1] + "/tls/cert.pem", sys.argv[1] + "/tls/key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()' "$here" > /dev/null 2>&1 &
# This machine's curl, which sees only its own files: what install.sh names after -o is written from here.
cat > /usr/local/bin/curl <<'END'
#!/bin/sh
while [ "$1" != -o ]; do shift; done
exec chroot /workshop /usr/bin/curl -fsSL --retry 5 --retry-connrefused --cacert /proc/1/root/tls/cert.pem "$3" > "$2"
END
chmod 755 /usr/local/bin/curl
sh /install.sh --key /served/key.asc https://localhost:8443
edge-conf --version
sh /install.sh --uninstall
test ! -e /usr/bin/edge-conf

at install.sh with a file that was changed
name=$(ls /served | grep 'amd64\.deb\|arm64\.deb')
cp -p "/served/$name" /kept.deb
echo >> "/served/$name"
if sh /install.sh https://localhost:8443 > /tmp/printed 2>&1; then exit 1; fi
has /tmp/printed "$name does not match SHA256SUMS"
cp -p /kept.deb "/served/$name"

at install.sh with sums that were changed
echo >> /served/SHA256SUMS
if sh /install.sh --key /served/key.asc https://localhost:8443 > /tmp/printed 2>&1; then exit 1; fi
has /tmp/printed 'SHA256SUMS is not signed by /served/key.asc'

at install.sh without dpkg
mv /usr/bin/dpkg /usr/bin/dpkg.away
sh /install.sh /served
hash -r
test "$(readlink /usr/local/bin/edge-conf)" = /usr/local/lib/edgeutils/bin/edge-conf
edge-conf --version
test -e /usr/local/share/man/man8/edge-conf.8
sh /usr/local/lib/edgeutils/scripts/undo-node.sh --help > /dev/null
sh /install.sh /served > /dev/null
sh /install.sh --uninstall
test ! -e /usr/local/lib/edgeutils
test ! -L /usr/local/bin/edge-conf
test ! -L /usr/local/share/man/man8/edge-conf.8
"#;

/// Builds the package as a release does, and installs it.
pub(super) fn run(context: &SuiteContext<'_>) -> Result<Outcome> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(Outcome::skipped("package", "not run as root"));
    }
    let target = Target::native();
    // Directories of its own: e2e builds for the same target in the usual one, at the same time.
    let [out, again] = ["package-test", "package-test-again"].map(|name| context.workspace.target.join(name));
    let mut built = Outcome::default();
    // A short path: gpg-agent's socket is in it.
    let home = tempfile::Builder::new().prefix("edgeutils-key-").tempdir()?;
    let gpg = || Sh::new("gpg --batch --quiet").env("GNUPGHOME", home.path());
    gpg().args(["--passphrase", "", "--quick-gen-key", KEY, "ed25519", "sign", "never"]).capture()?;
    for out in [&out, &again] {
        remove_tree(out)?;
        let dist = ["dist", "--report", "--sign-key", KEY, "--target", &target.to_string()];
        let dist = Sh::program(&context.xtask).dir(&context.workspace.root).args(dist).arg("--out").arg(out);
        built = built.and(Outcome::of(dist.env("GNUPGHOME", home.path()).logged(&context.log)?));
    }
    write(&out.join("key.asc"), gpg().args(["--export", "--armor", KEY]).capture()?)?;
    Sh::new("gpgconf --kill gpg-agent").env("GNUPGHOME", home.path()).capture()?;
    if built.tally.failed > 0 {
        return Ok(built);
    }
    let sums = |dir: &Path| read(&dir.join("SHA256SUMS"));
    let is_reproduced = sums(&out)? == sums(&again)?;
    remove_tree(&again)?;
    let built = built.and(Outcome::of(is_reproduced));
    let version = &context.workspace.version;
    let package = out.join(format!("edgeutils_{version}_{}.deb", target.debian()));
    Ok(built.and(lintian(context, &package)?).and(story(context, &package)?))
}

fn lintian(context: &SuiteContext<'_>, package: &Path) -> Result<Outcome> {
    let lintian = Sh::new("lintian --fail-on error,warning --allow-root").arg(package);
    Ok(Outcome::of(lintian.logged(&context.log)?))
}

fn story(context: &SuiteContext<'_>, package: &Path) -> Result<Outcome> {
    let host = AptHost::boot(&[]).map_err(|reason| anyhow!(reason))?;
    let (dir, install) = (package.parent().unwrap_or(package), context.workspace.root.join("scripts/install.sh"));
    let words =
        [package, Path::new(&context.workspace.version), dir, &install].map(|word| format!("'{}'", word.display()));
    let args = format!("set -- {}\n", words.join(" "));
    let ran = host.sh(&format!("{args}{STORY}"));
    let mut log = String::from_utf8_lossy(&read(&context.log)?).into_owned();
    log.push_str(&format!("{}{}", ran.stdout, ran.stderr));
    write(&context.log, log)?;
    Ok(Outcome::of(ran.code == 0))
}
