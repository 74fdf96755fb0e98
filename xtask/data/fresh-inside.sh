#!/bin/sh
# Inside the tree: installs the README's packages, runs its test command, and reports unused packages.
# fresh-inside.sh ARGUMENT...; PREREQUISITES and PACKAGES are in the environment.
set -eu
umount -l /.old
rmdir /.old
cd /usr/src/edgeutils
log=target/xtask/prerequisites.log
# shellcheck disable=SC2086 # a list of words
if ! { apt-get -q update && apt-get -q install -y --no-install-recommends $PREREQUISITES; } > "$log" 2>&1; then
    tail -n 20 "$log"
    exit 1
fi
code=0
cargo --quiet xtask "$@" || code=1

# Nothing is installed after the last line of dpkg's log, so what was read later was read by a suite.
used() {
    dpkg -L "$1" | grep -v '^/usr/share/\(doc\|man\)' | xargs -r -d '\n' realpath -e | sort -u |
        xargs -r -d '\n' sh -c 'find "$@" -maxdepth 0 -type f -anewer /var/log/dpkg.log' sh | grep -q .
}
for package in $PACKAGES; do
    if ! dpkg -s "$package" > /dev/null 2>&1; then
        echo "note: $package was not installed: its program was there without it"
    elif ! used "$package"; then
        echo "FAILED packages: $package is installed for these suites, but none of them used it"
        code=1
    fi
done
exit "$code"
