#!/bin/sh
# The edge side of a KubeEdge node, as far as the utilities are there: host preparation, then the
# configuration where keadm join has made it.
#
#   CLOUDCORE=192.0.2.1 sh edge-node.sh [-n]     # on the node; -n only shows, and exits 3 if there is something to do
#   ROOT=/mnt/image … sh edge-node.sh            # on a mounted image
#
# CLOUDCORE  address of cloudcore; default: the one that edgecore.yaml names
# RUNTIME    crio (default), or keep: leave the container runtime as it is
# Run again at any time: what is so already stays. `edge-conf undo` and `edge-prep undo` take it back.
set -eu

# In an unpacked archive the utilities are beside the scripts.
PATH=$(cd "$(dirname "$0")/.." && pwd)/bin:$PATH
root=${ROOT:-}
cloudcore=${CLOUDCORE:-}
runtime=${RUNTIME:-crio}
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

case $runtime in
    crio | keep) ;;
    *) echo "edge-node.sh: RUNTIME is crio or keep, not $runtime" >&2; exit 2 ;;
esac
step edge-prep apply --for edgecore "$@"
if [ ! -e "$root/etc/kubeedge/config/edgecore.yaml" ]; then
    echo "edge-node.sh: no edgecore.yaml yet: keadm join makes it; then run this again" >&2
    exit "$status"
fi
step edge-conf enable logs ${cloudcore:+--server "$cloudcore:10004"} "$@"
if [ "$runtime" = crio ]; then
    step edge-conf enable crio "$@"
fi
exit "$status"
