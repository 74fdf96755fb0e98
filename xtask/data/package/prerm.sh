#!/bin/sh
# Before edgeutils is removed, warns of what stays on the host. dpkg calls it with `remove`, rpm with 0.
set -eu
case ${1:-} in remove | 0) ;; *) exit 0 ;; esac
if [ -L /etc/systemd/system/multi-user.target.wants/edge-redirect.service ]; then
    echo "edgeutils: warning: edge-redirect.service is enabled, and the redirect stays"
    echo "hint: to remove it, install edgeutils again and run: edge-redirect remove"
fi >&2
