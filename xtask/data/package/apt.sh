#!/bin/bash
# apt and the package on a minimal system, first as a file and then from a signed repository: a new installation, an
# upgrade with open runs, a removal, and two purges. DEB and VERSION are set.
set -eu

at the installation of the file
if command -v man curl gpg > /dev/null; then echo "not a minimal system" >&2; exit 1; fi
mkdir -p /debs /srv
cp "/workshop$DEB" /srv/
TIMEFORMAT='%R %U %S'
{ time apt -y install /srv/edgeutils_*.deb > /tmp/printed 2>&1; } 2> /tmp/time || { cat /tmp/printed >&2; exit 1; }
read -r wall user system < /tmp/time
echo "apt install: $wall s, of which $user s of user and $system s of system CPU"
# Its CPU time: how long it takes depends on what else this machine does.
awk "BEGIN { exit !($user + $system <= 3) }"

at the files
test -z "$(dpkg-query -W -f '${Conffiles}' edgeutils)"
test -d /etc/edgeutils
test -z "$(ls -A /etc/edgeutils)"
for program in /usr/bin/edge-*; do
    name=${program##*/}
    section=8
    if [ "$name" = edge-manifest ]; then section=1; fi
    for file in "man/man$section/$name.$section.gz" "bash-completion/completions/$name" "zsh/vendor-completions/_$name" \
        "fish/vendor_completions.d/$name.fish"; do
        test -s "/usr/share/$file" || { echo "no $file" >&2; exit 1; }
    done
done
test -s /usr/share/man/man7/edgeutils.7.gz
test "$(readlink -f /usr/bin/kubectl-edge_manifest)" = /usr/bin/edge-manifest
test -s /usr/share/man/man1/kubectl-edge_manifest.1.gz
test -s /usr/share/doc/edgeutils/copyright
test -x /usr/share/edgeutils/scripts/edge-node.sh

at each utility
cat > /tmp/calls << 'END'
edge-apt wait|0|apt and dpkg are free
edge-certgen check|3|no KubeEdge certificate found
edge-check cluster|1|standard input: it is empty
edge-cni check|3|no network configuration found
edge-conf check|3|no configuration found
edge-crio check|3|CRI-O is not installed
edge-join check --version 2.1|2|is not a KubeEdge version
edge-manifest check|1|standard input: it is empty
edge-pkg check|3|Kubernetes, containerd and Docker are not installed
edge-prep status|0|boot command line
edge-redirect status|0|iptables is not installed
edge-reset scan|0|neither iptables nor nft is installed
edge-token ca-hash|1|cannot read /etc/kubernetes/pki/ca.crt: No such file or directory
END
test "$(cut -d ' ' -f 1 /tmp/calls)" = "$(cd /usr/bin && ls edge-*)"
failed=''
while IFS='|' read -r call expected text; do
    code=0
    $call > /tmp/printed 2>&1 < /dev/null || code=$?
    printf '%s: %s: %s\n' "$call" "$code" "$(cat /tmp/printed)"
    if [ "$code" != "$expected" ] || ! grep -qF -- "$text" /tmp/printed; then failed="$failed $call;"; fi
done < /tmp/calls
[ -z "$failed" ] || { echo "wrong:$failed" >&2; exit 1; }
apt-get -q -y purge edgeutils > /dev/null
test ! -e /var/lib/edgeutils

at an older version
mkdir /old
dpkg-deb -R /srv/edgeutils_*.deb /old
# nfpm's list of no conffiles has an empty line, which dpkg-deb itself does not write.
rm -f /old/DEBIAN/conffiles
sed -i 's/^Version: .*/Version: 0.0.1/' /old/DEBIAN/control
dpkg-deb --root-owner-group -Zgzip -z1 --build /old /debs/old.deb > /dev/null
key good
repo /repo good
echo 'deb [signed-by=/keys/good.asc] file:/repo ./' > /etc/apt/sources.list
apt-get -q update > /dev/null
apt-get -q -y install edgeutils
dpkg-query -W edgeutils | grep -q '0\.0\.1$'
two_runs

at the upgrade
mv /srv/edgeutils_*.deb /debs/
repo /repo good
apt-get -q update > /dev/null
apt-get -q -y upgrade
dpkg-query -W edgeutils | grep -qF "$VERSION"
edge-prep undo --list --force-namespace > /tmp/list
has /tmp/list 'apply --swap off'
edge-prep undo -n --force-namespace || [ $? = 3 ]

at the removal
echo 'NAMES=cloud.example.com' > /etc/edgeutils/node.env
enable_redirect
apt-get -q -y remove edgeutils > /tmp/printed 2>&1
has /tmp/printed 'edge-redirect.service is enabled'
test ! -e /usr/bin/edge-prep
rm /etc/systemd/system/multi-user.target.wants/edge-redirect.service

at the purge that keeps the journal
apt-get -q -y purge edgeutils > /tmp/printed 2>&1
has /tmp/printed 'kept /var/lib/edgeutils: it has runs that are not undone'
test -d /var/lib/edgeutils/journal
cp /tmp/printed /var/tmp/purge

at the undo, and the purge that removes it
apt-get -q -y install edgeutils > /tmp/printed 2>&1
if grep -F 'edge-redirect.service' /tmp/printed; then exit 1; fi
undo_as_printed /var/tmp/purge
apt-get -q -y remove edgeutils > /tmp/printed 2>&1
if grep -F 'edge-redirect.service' /tmp/printed; then exit 1; fi
apt-get -q -y purge edgeutils > /tmp/printed 2>&1
test ! -e /var/lib/edgeutils
test ! -e /usr/share/edgeutils
# What the administrator wrote is theirs.
test "$(ls /etc/edgeutils)" = node.env
