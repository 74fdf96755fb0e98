#!/bin/sh
# Sets up kubectl logs and exec on the host of cloudcore and the API server: certificates, cloudcore.yaml,
# and the redirect, where cloudcore does not manage it itself (from 1.8 it does, unless cloudcore.yaml turns that off).
#
#   KUBEEDGE_VERSION=1.7.2 sh cloud-node.sh [-n]    # -n is a dry run; exits 3 if there are changes
#   ROOT=/mnt/image … sh cloud-node.sh              # on a mounted image, with CA and CA_KEY
#
# KUBEEDGE_VERSION  the version of cloudcore, such as 1.7.2
# CLOUDCORE         cloudcore's addresses, separated by commas; default: the first one that cloudcore.yaml advertises
# NAMES             its DNS names, separated by commas; default: none
# CA, CA_KEY        certificate and key of the cluster's CA; default: those of kubeadm or k3s
# It is safe to run it again. `undo` of each utility reverts its part.
# It exits with 4 if cloudcore should manage the redirect and has not added it: restart cloudcore, then run it again.
set -eu

# In the archive, the utilities are in ../bin.
PATH=$(cd "$(dirname "$0")/.." && pwd)/bin:$PATH
root=${ROOT:-}
version=${KUBEEDGE_VERSION:?set it to the version of cloudcore, such as 1.7.2}
cloudcore=${CLOUDCORE:-}
status=0

# Exit 3 is not a failure: a dry run found changes, or a manual step remains.
step() {
    tool=$1
    shift
    code=0
    "$tool" ${root:+--root "$root"} "$@" || code=$?
    case $code in
        0) ;;
        3) status=3 ;;
        *) exit "$code" ;;
    esac
}

[ -n "$cloudcore" ] || cloudcore=$(edge-conf ${root:+--root "$root"} get 'modules.cloudHub.advertiseAddress[0]')
step edge-certgen stream --ip "$cloudcore" ${NAMES:+--dns "$NAMES"} ${CA:+--ca "$CA"} ${CA_KEY:+--ca-key "$CA_KEY"} "$@"
if [ "$status" = 3 ]; then
    echo "cloud-node.sh: the next step needs the certificates: edge-conf enable logs" >&2
else
    step edge-conf --kubeedge-version "$version" enable logs "$@"
fi
step edge-redirect add --cloudcore "${cloudcore%%,*}" --kubeedge-version "$version" --persist "$@"
exit "$status"
