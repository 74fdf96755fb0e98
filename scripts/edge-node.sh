#!/bin/sh
# The edge side of a KubeEdge node: host preparation, CNI plugins, CRI-O, the configuration; before the join, its line.
#
#   CLOUDCORE=192.0.2.1 CRIO_VERSION=1.34 sh edge-node.sh [-n]     # -n only shows, and exits 3 if there is something to do
#   ROOT=/mnt/image … sh edge-node.sh                              # on a mounted image
#
# CLOUDCORE     address of cloudcore; default: the one that edgecore.yaml names
# SWAP          keep (default), off or limited, as edge-prep takes it
# CNI_PLUGINS   folder with what `edge-cni build` made; POD_SUBNET: write a network with these addresses
# CRIO_VERSION  install this CRI-O, with CRIO_OPTIONS; RUNTIME=keep: leave the container runtime as it is
# KUBEEDGE_VERSION  what will join, for the line of keadm join
# Run again at any time: what is so already stays. `undo` of each utility takes it back.
set -eu
# In an unpacked archive the utilities are beside the scripts.
PATH=$(cd "$(dirname "$0")/.." && pwd)/bin:$PATH
root=${ROOT:-} cloudcore=${CLOUDCORE:-} runtime=${RUNTIME:-crio} release=${KUBEEDGE_VERSION:-} flags='' status=0

# Exit 3 is no failure: a dry run found changes, or a step is left to be done by hand.
step() {
    tool=$1 code=0
    shift
    "$tool" ${root:+--root "$root"} "$@" || code=$?
    case $code in 0) ;; 3) status=3 ;; *) exit "$code" ;; esac
}

case $runtime in crio | keep) ;; *)
    echo "edge-node.sh: RUNTIME is crio or keep, not $runtime" >&2; exit 2 ;;
esac
step edge-prep apply --for edgecore ${SWAP:+--swap "$SWAP"} "$@"
[ -z "${CNI_PLUGINS:-}" ] || step edge-cni install --offline "$CNI_PLUGINS" "$@"
# A dry run has installed no plugins that could be asked for their version.
[ -z "${POD_SUBNET:-}" ] || { [ $# -gt 0 ] && [ ! -e "$root/opt/cni/bin/bridge" ]; } ||
    step edge-cni conf bridge --subnet "$POD_SUBNET" "$@"
# shellcheck disable=SC2086 # options, split at blanks
[ "$runtime" = keep ] || [ -z "${CRIO_VERSION:-}" ] || step edge-crio install --version "$CRIO_VERSION" ${CRIO_OPTIONS:-} "$@"
if [ ! -e "$root/etc/kubeedge/config/edgecore.yaml" ]; then
    echo "edge-node.sh: no edgecore.yaml yet: keadm join makes it; then run this again" >&2
    [ "$runtime" = keep ] || [ -z "$release" ] || flags=$(edge-crio ${root:+--root "$root"} settings --format keadm --kubeedge-version "$release") || status=3
    echo "keadm join --cloudcore-ipport=${cloudcore:-CLOUDCORE}:10000 --token=TOKEN${release:+ --kubeedge-version=$release}${flags:+ $flags}"
    exit "$status"
fi
step edge-conf enable logs ${cloudcore:+--server "$cloudcore:10004"} "$@"
[ "$runtime" != keep ] || exit "$status"
# Socket and cgroup driver as CRI-O has them; as it comes where it is not here yet, which is told.
settings=$(edge-crio ${root:+--root "$root"} settings) || settings=
step edge-conf enable crio ${settings:+-} "$@" <<END
$settings
END
exit "$status"
