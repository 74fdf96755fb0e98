#!/bin/sh
# Runs the README's test command in a Debian tree, in namespaces that end with it; see test/fresh.rs.
# fresh.sh TREE RUST GO LOGS 'PREREQUISITE...' 'PACKAGE...' NAME=VALUE... COMMAND...; GO may be empty.
set -eu
tree=$1 rust=$2 go=$3 logs=$4 prerequisites=$5 packages=$6
shift 6

# Every reading of a file leaves its time, so that at the end the unused packages are known.
mount --bind "$tree" "$tree"
mount -o remount,bind,strictatime "$tree"
mount -t proc proc "$tree/proc"
mount --rbind /sys "$tree/sys"
mount --rbind /dev "$tree/dev"
mount -t tmpfs -o mode=755 tmpfs "$tree/run"
mount_at() { mkdir -p "$tree$2" && mount --bind "$1" "$tree$2"; }
mount_at "$rust" /usr/local/rust
mount -o remount,bind,ro "$tree/usr/local/rust"
if [ -n "$go" ]; then
    mount_at "$go" /usr/local/go
    mount -o remount,bind,ro "$tree/usr/local/go"
fi
mount_at "$logs" /usr/src/edgeutils/target/xtask
cd "$tree"
mkdir .old
pivot_root . .old

# shellcheck disable=SC2016 # for the shell inside
exec /usr/bin/env -i PATH=/usr/local/rust/bin:/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/root PREREQUISITES="$prerequisites" PACKAGES="$packages" "$@"
