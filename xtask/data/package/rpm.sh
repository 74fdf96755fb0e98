#!/bin/bash
# The .rpm in rpm's own hands; its scripts report the same as those of the .deb. RPM, VERSION and MACHINE are set.
set -eu

at the package
rpm -qip "/workshop$RPM" > /tmp/info
cat /tmp/info
for line in 'Name : edgeutils' "Version : $VERSION" "Architecture: $MACHINE" 'License : Apache-2.0' \
    'Summary : Turn a Linux machine into a KubeEdge node'; do
    tr -s ' ' < /tmp/info | grep -xF -- "$line" || { echo "without: $line" >&2; exit 1; }
done
# It needs nothing but rpm itself.
rpm -qp --requires "/workshop$RPM" > /tmp/requires
if grep -v '^rpmlib(\|^/bin/sh$' /tmp/requires >&2; then exit 1; fi

at the installation
rpm --force-debian -i "/workshop$RPM"
rpm -V edgeutils
edge-conf --version | grep -F "$VERSION"
test -s /usr/share/man/man8/edge-prep.8.gz
test -s /usr/share/zsh/site-functions/_edge-prep
test -d /etc/edgeutils

at the removal with open runs
two_runs
enable_redirect
rpm --force-debian -e edgeutils > /tmp/printed 2>&1
cat /tmp/printed
has /tmp/printed 'edge-redirect.service is enabled'
has /tmp/printed 'kept /var/lib/edgeutils: it has runs that are not undone'
test ! -e /usr/bin/edge-conf
cp /tmp/printed /var/tmp/removal
rm /etc/systemd/system/multi-user.target.wants/edge-redirect.service

at the undo, and a removal without open runs
rpm --force-debian -i "/workshop$RPM"
undo_as_printed /var/tmp/removal
rpm --force-debian -e edgeutils > /tmp/printed 2>&1
test ! -s /tmp/printed || { cat /tmp/printed >&2; exit 1; }
test ! -e /usr/share/edgeutils
