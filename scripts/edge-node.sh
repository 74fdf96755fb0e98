#!/bin/sh
# Prepares a KubeEdge edge node: host, CNI plugins, CRI-O, edgecore.yaml. Before the join it prints the keadm command.
#
#   CLOUDCORE=192.0.2.1 CRIO_VERSION=1.34 sh edge-node.sh [-n]     # -n is a dry run; exits 3 if there are changes
#   ROOT=/mnt/image … sh edge-node.sh                              # on a mounted image
#
# CLOUDCORE     address of cloudcore; default: the one in edgecore.yaml
# SWAP          keep (default), off or limited: edge-prep apply --swap
# CNI_PLUGINS   output directory of `edge-cni build`; POD_SUBNET: CIDR of a bridge network to configure
# CRIO_VERSION  install this CRI-O, with CRIO_OPTIONS; RUNTIME=keep: do not change the container runtime
# KUBEEDGE_VERSION  version that will join, for the keadm command
# It is safe to run it again. `undo` of each utility reverts its part.
set -eu
# In the archive, the utilities are in ../bin.
PATH=$(cd "$(dirname "$0")/.." && pwd)/bin:$PATH
root=${ROOT:-} cloudcore=${CLOUDCORE:-} runtime=${RUNTIME:-crio} release=${KUBEEDGE_VERSION:-} flags='' status=0

# Exit 3 is not a failure: a dry run found changes, or a manual step remains.
step() {
    tool=$1 code=0
    shift
    "$tool" ${root:+--root "$root"} "$@" || code=$?
    case $code in 0) ;; 3) status=3 ;; *) exit "$code" ;; esac
}

case $runtime in crio | keep) ;; *)
    echo "edge-node.sh: RUNTIME must be crio or keep, not \"$runtime\"" >&2; exit 2 ;;
esac
step edge-prep apply --for edgecore ${SWAP:+--swap "$SWAP"} "$@"
[ -z "${CNI_PLUGINS:-}" ] || step edge-cni install --offline "$CNI_PLUGINS" "$@"
# After a dry run there may be no plugin whose version edge-cni conf could read.
[ -z "${POD_SUBNET:-}" ] || { [ $# -gt 0 ] && [ ! -e "$root/opt/cni/bin/bridge" ]; } ||
    step edge-cni conf bridge --subnet "$POD_SUBNET" "$@"
# shellcheck disable=SC2086 # options, split at spaces
[ "$runtime" = keep ] || [ -z "${CRIO_VERSION:-}" ] || step edge-crio install --version "$CRIO_VERSION" ${CRIO_OPTIONS:-} "$@"
if [ ! -e "$root/etc/kubeedge/config/edgecore.yaml" ]; then
    echo "edge-node.sh: edgecore.yaml does not exist yet: run keadm join, then this script again" >&2
    [ "$runtime" = keep ] || [ -z "$release" ] || flags=$(edge-crio ${root:+--root "$root"} settings --format keadm --kubeedge-version "$release") || status=3
    echo "keadm join --cloudcore-ipport=${cloudcore:-CLOUDCORE}:10000 --token=TOKEN${release:+ --kubeedge-version=$release}${flags:+ $flags}"
    exit "$status"
fi
step edge-conf enable logs ${cloudcore:+--server "$cloudcore:10004"} "$@"
[ "$runtime" != keep ] || exit "$status"
# Socket and cgroup driver of CRI-O, or the defaults if it is not installed, which edge-crio reports.
settings=$(edge-crio ${root:+--root "$root"} settings) || settings=
step edge-conf enable crio ${settings:+-} "$@" <<END
$settings
END
exit "$status"
