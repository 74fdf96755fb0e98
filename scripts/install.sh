#!/bin/sh
# Installs edgeutils from a URL or a directory that has the files of `cargo xtask dist`, as root.
#   sh install.sh [--key FILE] URL|DIRECTORY     # --key: public key of gpg or minisign that must have signed SHA256SUMS
#   sh install.sh --uninstall
# A host with dpkg gets the .deb, if there is one, others the archive in /usr/local/lib/edgeutils with links in /usr/local.
set -eu; lib=/usr/local/lib/edgeutils key='' arch='' download='curl -fsSL --retry 3 -o'
fail() { echo "install.sh: $*" >&2 && exit 1; }
need() { command -v "$1" > /dev/null || fail "cannot $2: $1 is not installed"; }
each_link() { # each_link COMMAND: calls it with each program, page and completion, and the path of its link
    for pair in bin:bin man/man1:share/man/man1 man/man7:share/man/man7 man/man8:share/man/man8 completions/zsh:share/zsh/site-functions \
        completions/bash:share/bash-completion/completions completions/fish:share/fish/vendor_completions.d; do
        for file in "$lib/${pair%:*}"/*; do [ ! -e "$file" ] || "$1" "$file" "/usr/local/${pair#*:}/${file##*/}"; done
    done
}
add_link() { mkdir -p "${2%/*}" && ln -sf "$1" "$2"; }
remove_link() { [ "$(readlink "$2")" != "$1" ] || rm "$2"; }
remove_tree() { [ ! -d "$lib" ] || { each_link remove_link && rm -rf "$lib"; }; }
[ "$(id -u)" = 0 ] || fail "cannot install or uninstall: not run as root"
if [ "${1:-}" = --uninstall ]; then
    remove_tree
    case $(dpkg-query -W -f '${db:Status-Status}' edgeutils 2> /dev/null) in installed) dpkg --remove edgeutils ;; esac; exit 0
fi
if [ "${1:-}" = --key ]; then key=${2:-} && [ -r "$key" ] || fail "cannot read the key \"$key\"" && shift 2; fi
[ $# = 1 ] || fail "usage: sh install.sh [--key FILE] URL|DIRECTORY, or sh install.sh --uninstall"
base=${1%/} dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
case $base in *://*) command -v curl > /dev/null || { need wget "download from $base"; download='wget -q -O'; } ;; *) download='' ;; esac
get() { if [ -n "$download" ]; then $download "$dir/$1" "$base/$1"; else cp "$base/$1" "$dir/$1"; fi || fail "cannot get $1 from $base"; }
case ${arch:=$(dpkg --print-architecture 2> /dev/null || uname -m)} in
    arm64 | aarch64) deb=arm64 machine=aarch64 ;;
    amd64 | x86_64) deb=amd64 machine=x86_64 ;;
    armhf | armv7l | armv8l) deb=armhf machine=armv7 ;;
    *) fail "there are no binaries for $arch" ;; esac
get SHA256SUMS
if [ -n "$key" ] && grep -q '^untrusted comment:' "$key"; then
    need minisign "verify the signature"; get SHA256SUMS.minisig
    minisign -Vqp "$key" -m "$dir/SHA256SUMS" || fail "SHA256SUMS is not signed by $key"
elif [ -n "$key" ]; then
    need gpgv "verify the signature"; get SHA256SUMS.asc
    { sed '1,/^$/d; /^[=-]/,$d' "$key" | base64 -d > "$dir/key"; } || fail "$key is not an ASCII-armored key: export it with gpg --armor --export"
    gpgv -q --keyring "$dir/key" "$dir/SHA256SUMS.asc" "$dir/SHA256SUMS" || fail "SHA256SUMS is not signed by $key"
fi
pick() { sed -n "s/^[0-9a-f]\\{64\\}  \\(edgeutils[^/]*$1\\)\$/\\1/p" "$dir/SHA256SUMS" | tail -n 1; }
name=$(! command -v dpkg > /dev/null || pick "_$deb\\.deb"); [ -n "$name" ] || name=$(pick "-$machine-.*\\.tar\\.gz")
[ -n "$name" ] || fail "$base has no package for $arch"
get "$name"
(cd "$dir" && grep "  $name\$" SHA256SUMS | sha256sum -c > /dev/null) || fail "$name does not match SHA256SUMS"
case $name in *.deb) dpkg --install "$dir/$name" || fail "cannot install $name"; exit ;; esac
rm -rf "$lib.new"; mkdir -p "$lib.new"; tar -xzf "$dir/$name" -C "$lib.new" --strip-components=1 --no-same-owner
remove_tree && mv "$lib.new" "$lib" && each_link add_link && echo "installed $name in $lib"
