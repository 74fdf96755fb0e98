#!/bin/bash
# Read before each story of the suite package: the story ends at the first step that fails, which is named.
set -eu
step='' status=0
# Trees with more than the minimal packages are made without manuals.
rm -f /etc/dpkg/dpkg.cfg.d/99mmdebstrap
at() { step=$*; }
trap 'status=$?; [ "$status" = 0 ] || echo "FAILED at: $step" >&2' EXIT
# has FILE TEXT
has() { grep -qF -- "$2" "$1" || { cat "$1" >&2; echo "without: $2" >&2; exit 1; }; }
# fails TEXT COMMAND...: it fails with this in its output
fails() {
    text=$1
    shift
    if "$@" > /tmp/printed 2>&1; then echo "$* did not fail" >&2; exit 1; fi
    has /tmp/printed "$text"
}
# Two open runs, of two utilities; what they changed is kept for `undone`.
two_runs() {
    mkdir -p /etc/kubeedge/config
    echo '/dev/sda9 none swap sw 0 0' >> /etc/fstab
    printf 'kind: EdgeCore\nmodules:\n  edgeHub:\n    heartbeat: 15\n' > /etc/kubeedge/config/edgecore.yaml
    cp -a /etc/fstab /etc/kubeedge/config/edgecore.yaml /var/tmp/
    edge-prep apply --swap off --force-namespace || [ $? = 3 ]
    edge-conf set modules.edgeHub.heartbeat=20 --force-namespace
    if cmp -s /etc/fstab /var/tmp/fstab; then echo "fstab was not changed" >&2; exit 1; fi
}
# undo_as_printed FILE: runs the commands that a purge or a removal has printed, the newest run first.
undo_as_printed() {
    tr -d '\r' < "$1" | sed -n 's/^    \(edge-.*\)$/\1/p' > /var/tmp/undo
    test "$(cut -d ' ' -f 1 /var/tmp/undo | xargs)" = 'edge-conf edge-prep'
    while read -r line; do
        # shellcheck disable=SC2086 # a command
        $line --force-namespace < /dev/null
    done < /var/tmp/undo
    cmp /etc/fstab /var/tmp/fstab
    cmp /etc/kubeedge/config/edgecore.yaml /var/tmp/edgecore.yaml
}
# The link that edge-redirect itself makes, in an image: the warning of a removal must find it.
enable_redirect() {
    mkdir -p /image/etc /image/usr
    cp /etc/os-release /image/etc/
    edge-redirect --root /image add 10351=192.0.2.1:10003 --persist
    mkdir -p /etc/systemd/system
    cp -a /image/etc/systemd/system/. /etc/systemd/system/
}
