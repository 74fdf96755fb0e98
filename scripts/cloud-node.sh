#!/bin/sh
# Sets up kubectl logs and exec on the host of cloudcore and the API server: certificates, cloudcore.yaml,
# and the redirect, where cloudcore does not manage it itself (from 1.8 it does, unless cloudcore.yaml turns that off).
# A cloudcore that was started by hand, such as with nohup, gets a unit.
#
#   KUBEEDGE_VERSION=1.7.2 sh cloud-node.sh -n
#   ROOT=/mnt/image … sh cloud-node.sh              # works on a mounted image, with CA and CA_KEY
#
# It is safe to run it again. `undo` of each utility reverts its part.
# It exits with 4 if cloudcore should manage the redirect and has not added it: restart cloudcore, then run it again.
#
# Options:
#   -n, --dry-run  show every step, change nothing; exit 3 if there are changes
#   -h, --help     show this help
#   others, such as --json and --lock-wait SECONDS, are passed to each utility
#
# Settings are environment variables, or lines NAME=VALUE of /etc/edgeutils/node.env (with ROOT, of the image):
#   KUBEEDGE_VERSION  the version of cloudcore, such as 1.7.2; required
#   CLOUDCORE         cloudcore's addresses, separated by commas; default: the first one that cloudcore.yaml advertises
#   NAMES             its DNS names, separated by commas; default: none
#   CA, CA_KEY        certificate and key of the cluster's CA; default: those of kubeadm, k3s, RKE2, k0s or MicroK8s
#   RESTART           yes: restart a running cloudcore if cloudcore.yaml was changed, and run one that was started by
#                     hand in its unit; default: no
set -eu
# shellcheck source=settings.sh
. "$(dirname "$(readlink -f "$0")")/settings.sh"

cloudcore=$root/etc/kubeedge/config/cloudcore.yaml at=${root:+ --root $root}
[ -n "$version" ] || fail 2 "KUBEEDGE_VERSION is required: the version of cloudcore, such as 1.7.2"
require edge-certgen edge-redirect
addresses=$(echo "${CLOUDCORE:-}" | tr -d '[]')
[ -n "$addresses" ] && [ -e "$cloudcore" ] ||
    advertised=$(edge-conf ${root:+--root "$root"} --kubeedge-version "$version" get 'modules.cloudHub.advertiseAddress[0]')
addresses=${addresses:-$advertised}
valid CLOUDCORE edge-redirect add --cloudcore "${addresses%%,*}" --kubeedge-version "$version" --help
# shellcheck disable=SC2317 # called by valid
config() {
    code=0
    edge-conf ${root:+--root "$root"} --kubeedge-version "$version" enable logs -n || code=$?
    # Refused without the certificates, which the first step makes.
    case $code in 3 | 4) ;; *) return "$code" ;; esac
}
valid cloudcore.yaml config
again=''
[ "${RESTART:-no}" = no ] || again=--restart

steps() {
    # A cloudcore that was started by hand gets a unit, which starts it again after every exit and at boot.
    [ -n "$root" ] || [ ! -d /run/systemd/system ] || step edge-conf $again unit cloudcore "$@"
    # The rehearsal does not read a key from standard input; nothing is changed before this step.
    [ "$rehearsal${CA_KEY:-}" = yes- ] ||
        step edge-certgen stream --ip "$addresses" ${NAMES:+--dns "$NAMES"} ${CA:+--ca "$CA"} ${CA_KEY:+--ca-key "$CA_KEY"} "$@"
    remember cloudcore "$cloudcore"
    if [ -n "$dry" ] && [ ! -e "$root/etc/kubeedge/certs/stream.crt" ]; then
        later "edge-conf$at --kubeedge-version $version enable logs" "once the certificates exist"
    else
        step edge-conf --kubeedge-version "$version" $restart enable logs "$@"
    fi
    # Refused until cloudcore has started with its stream.
    waits=4
    step edge-redirect add --cloudcore "${addresses%%,*}" --kubeedge-version "$version" --persist "$@"
    finish "$(restart_needed "$@")"
}

rehearse "$@"
steps "$@"
