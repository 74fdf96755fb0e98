#!/bin/sh
# Installs edgeutils from a URL or a directory that has the files of `cargo xtask dist`, as root.
#   sh install.sh [--key FILE] URL|DIRECTORY     # --key: public key of gpg or minisign that must have signed SHA256SUMS
#   sh install.sh --uninstall
# A host with dpkg gets the .deb, if there is one, others the archive in /usr/local/lib/edgeutils with links in /usr/local.
set -eu; lib=/usr/local/lib/edgeutils key=''
fail() { echo "install.sh: $*" >&2 && exit 1; }
links() { (cd "$lib" && find bin man -type f) | while read -r file; do echo "$file /usr/local/${file#man/}"; done | sed 's, /usr/local/\(man[0-9]\), /usr/local/share/man/\1,'; }
need() { command -v "$1" > /dev/null || fail "cannot verify the signature: $1 is not installed"; }
unlink_all() { links | while read -r file to; do [ "$(readlink "$to")" != "$lib/$file" ] || rm "$to"; done; rm -rf "$lib"; }
[ "$(id -u)" = 0 ] || fail "cannot install or uninstall: not run as root"
if [ "${1:-}" = --uninstall ]; then
    [ ! -d "$lib" ] || unlink_all
    case $(dpkg-query -W -f '${db:Status-Status}' edgeutils 2> /dev/null) in installed) dpkg --remove edgeutils ;; esac; exit 0
fi
if [ "${1:-}" = --key ]; then key=${2:-} && [ -r "$key" ] || fail "cannot read the key \"$key\"" && shift 2; fi
[ $# = 1 ] || fail "usage: sh install.sh [--key FILE] URL|DIRECTORY, or sh install.sh --uninstall"
base=${1%/} dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
get() {
    case $base in
        *://*) if command -v curl > /dev/null; then curl -fsSL --retry 3 -o "$dir/$1" "$base/$1"; else wget -q -O "$dir/$1" "$base/$1"; fi ;;
        *) cp "$base/$1" "$dir/$1" ;;
    esac || fail "cannot get $1 from $base"
}
case $(uname -m) in
    aarch64 | arm64) deb=arm64 machine=aarch64 ;;
    x86_64 | amd64) deb=amd64 machine=x86_64 ;;
    *) fail "there are no binaries for $(uname -m)" ;;
esac
get SHA256SUMS
if [ -n "$key" ] && grep -q '^untrusted comment:' "$key"; then
    need minisign; get SHA256SUMS.minisig
    minisign -Vqp "$key" -m "$dir/SHA256SUMS" || fail "SHA256SUMS is not signed by $key"
elif [ -n "$key" ]; then
    need gpgv; get SHA256SUMS.asc
    { sed '1,/^$/d; /^[=-]/,$d' "$key" | base64 -d > "$dir/key"; } || fail "$key is not an ASCII-armored key: export it with gpg --armor --export"
    gpgv -q --keyring "$dir/key" "$dir/SHA256SUMS.asc" "$dir/SHA256SUMS" || fail "SHA256SUMS is not signed by $key"
fi
pick() { sed -n "s/^[0-9a-f]\\{64\\}  \\(edgeutils[^/]*$1\\)\$/\\1/p" "$dir/SHA256SUMS" | tail -n 1; }
name=$(! command -v dpkg > /dev/null || pick "_$deb\\.deb"); [ -n "$name" ] || name=$(pick "-$machine-.*\\.tar\\.gz")
[ -n "$name" ] || fail "$base has no package for $machine"
get "$name"
(cd "$dir" && grep "  $name\$" SHA256SUMS | sha256sum -c > /dev/null) || fail "$name does not match SHA256SUMS"
case $name in *.deb) dpkg --install "$dir/$name" || fail "cannot install $name"; exit ;; esac
rm -rf "$lib.new"; mkdir -p "$lib.new"
tar -xzf "$dir/$name" -C "$lib.new" --strip-components=1 --no-same-owner
[ ! -d "$lib" ] || unlink_all; mv "$lib.new" "$lib"
links | while read -r file to; do mkdir -p "${to%/*}"; ln -sf "$lib/$file" "$to"; done
echo "installed $name in $lib"
