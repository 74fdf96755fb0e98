#!/bin/bash
# install.sh of a release, from an HTTPS server and from a directory. RELEASED is the directory of dist, with the public
# key of gpg that has signed it; VERSION is set. This system has curl, wget, gpgv, minisign, man and rpm.
set -eu

at the server
mkdir -p /tls /srv/release
cp "/workshop$RELEASED"/edgeutils* "/workshop$RELEASED"/install.sh "/workshop$RELEASED"/SHA256SUMS* "/workshop$RELEASED"/key.asc \
    /srv/release/ 2> /dev/null || true
cd /srv/release
(grep -v /bin/ SHA256SUMS | sha256sum -c --quiet)
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
    -keyout /tls/key.pem -out /usr/local/share/ca-certificates/test.crt 2> /dev/null
update-ca-certificates > /dev/null 2>&1
chroot /workshop /usr/bin/python3 -c 'import functools, http.server, ssl, sys
root = sys.argv[1]
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=root + "/srv/release")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 8443), handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(root + "/usr/local/share/ca-certificates/test.crt", root + "/tls/key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()' /proc/1/root > /dev/null 2>&1 &
url=https://localhost:8443
curl -fsSL --retry 9 --retry-connrefused -o /install.sh "$url/install.sh"
cmp /install.sh install.sh
install() { sh /install.sh "$@"; }
hide() { for program; do mv "/usr/bin/$program" "/usr/bin/$program.hidden"; done; }
unhide() { for program; do mv "/usr/bin/$program.hidden" "/usr/bin/$program"; done; }
minisign -G -W -p /minisign.pub -s /minisign.key > /dev/null
minisign -S -s /minisign.key -m SHA256SUMS > /dev/null
minisign -G -W -p /other.pub -s /other.key > /dev/null

at what it refuses before it downloads
fails 'not run as root' setpriv --reuid 65534 --clear-groups sh /install.sh "$url"
fails 'usage: sh install.sh' install
fails 'cannot read the key "/none"' install --key /none "$url"
fails "cannot get SHA256SUMS from /none" install /none
fails "cannot get SHA256SUMS from $url/none" install "$url/none"
test ! -e /usr/bin/edge-conf

at a signature of gpg
install --key key.asc "$url"
edge-conf --version | grep -F "$VERSION"
dpkg-query -W -f '${db:Status-Status}' edgeutils | grep -x installed
install --key key.asc "$url" > /dev/null
install --uninstall
test ! -e /usr/bin/edge-conf
install --uninstall

at a signature of minisign, and without curl
hide curl
install --key /minisign.pub "$url" > /dev/null
install --uninstall > /dev/null
hide wget
fails 'wget is not installed' install "$url"
unhide curl wget

at signatures that are not valid
fails 'SHA256SUMS is not signed by /other.pub' install --key /other.pub "$url"
cp SHA256SUMS /sums
echo >> SHA256SUMS
fails 'SHA256SUMS is not signed by key.asc' install --key key.asc "$url"
fails 'SHA256SUMS is not signed by /minisign.pub' install --key /minisign.pub .
cp /sums SHA256SUMS
hide gpgv minisign
fails 'gpgv is not installed' install --key key.asc .
fails 'minisign is not installed' install --key /minisign.pub .
unhide gpgv minisign
mkdir /unsigned
cp edgeutils* SHA256SUMS /unsigned/
fails 'cannot get SHA256SUMS.asc from /unsigned' install --key key.asc /unsigned
test ! -e /usr/bin/edge-conf

at a file that was changed, and one that is not there
arch=$(dpkg --print-architecture)
name=$(ls edgeutils_*"_$arch.deb")
cp -p "$name" /kept.deb
echo >> "$name"
fails "$name does not match SHA256SUMS" install "$url"
rm "$name"
fails "cannot get $name from $url" install "$url"
cp -p /kept.deb "$name"
sed '/\.deb$/d' /sums > SHA256SUMS
install . > /tmp/printed
has /tmp/printed 'tar.gz in /usr/local/lib/edgeutils'
install --uninstall
sed '/\.\(deb\|tar\.gz\)$/d' /sums > SHA256SUMS
fails "$url has no package for $arch" install "$url"
cp /sums SHA256SUMS
test ! -e /usr/bin/edge-conf

at a directory
install . > /dev/null
edge-conf --version > /dev/null
install --uninstall > /dev/null

at a system without dpkg
hide dpkg dpkg-query
[ "$arch" != amd64 ] || fails 'there are no binaries for i686' setarch i686 sh /install.sh .
install --key key.asc "$url"
hash -r
test "$(readlink /usr/local/bin/edge-conf)" = /usr/local/lib/edgeutils/bin/edge-conf
edge-conf --version | grep -F "$VERSION"
for file in man/man8/edge-conf.8 man/man7/edgeutils.7 bash-completion/completions/edge-conf zsh/site-functions/_edge-conf \
    fish/vendor_completions.d/edge-conf.fish; do
    test -s "/usr/local/share/$file"
done
sh /usr/local/lib/edgeutils/scripts/undo-node.sh --help > /dev/null
# A link that someone else has made stays.
ln -sf /usr/bin/true /usr/local/bin/edge-prep
install . > /dev/null
ln -sf /usr/bin/true /usr/local/bin/edge-prep
install --uninstall
test ! -e /usr/local/lib/edgeutils
test "$(find /usr/local -name '*edge*')" = /usr/local/bin/edge-prep
rm /usr/local/bin/edge-prep
unhide dpkg dpkg-query

at the manual
install . > /dev/null
for page in /usr/share/man/man[78]/edge*; do
    name=$(basename "$page" .gz)
    MANWIDTH=80 man "${name%.*}" > /tmp/page 2> /tmp/printed
    test ! -s /tmp/printed || { cat /tmp/printed >&2; exit 1; }
    head -n 1 /tmp/page | grep -qi "^${name%.*}(${name##*.})" || { head /tmp/page >&2; exit 1; }
done
install --uninstall > /dev/null
