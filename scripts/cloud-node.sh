#!/bin/sh
# The cloud side of kubectl logs and exec: certificates, cloudcore.yaml, and the redirect where
# cloudcore does not keep one itself (up to 1.7). On the host of cloudcore and the API server.
#
#   KUBEEDGE_VERSION=1.7.2 sh cloud-node.sh [-n]    # -n only shows, and exits 3 if there is something to do
#   ROOT=/mnt/image … sh cloud-node.sh              # on a mounted image, with CA and CA_KEY
#
# KUBEEDGE_VERSION  the version of cloudcore, such as 1.7.2
# CLOUDCORE         cloudcore's address, several by commas; default: the first one that cloudcore.yaml advertises
# NAMES             its DNS names, several by commas; default: none
# CA, CA_KEY        the CA of the cluster; default: kubeadm's or k3s's
# Run again at any time: what is so already stays. The undo of each utility takes it back.
set -eu

# In an unpacked archive the utilities are beside the scripts.
PATH=$(cd "$(dirname "$0")/.." && pwd)/bin:$PATH
root=${ROOT:-}
version=${KUBEEDGE_VERSION:?set it to the version of cloudcore, such as 1.7.2}
cloudcore=${CLOUDCORE:-}
status=0

# Exit 3 is no failure: a dry run found changes, or a step is left to be done by hand.
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
    echo "cloud-node.sh: then, with the certificates there: cloudStream in cloudcore.yaml" >&2
else
    step edge-conf --kubeedge-version "$version" enable logs "$@"
fi
step edge-redirect add --cloudcore "${cloudcore%%,*}" --kubeedge-version "$version" --persist "$@"
exit "$status"
