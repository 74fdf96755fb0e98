#!/bin/sh
# Prepares a KubeEdge edge node: host, CNI plugins, pod network, container runtime, edgecore.yaml.
#
#   CLOUDCORE=192.0.2.1 sh edge-node.sh -n                           # keeps the container runtime
#   CLOUDCORE=192.0.2.1 CRIO_VERSION=1.34 sh edge-node.sh            # installs and uses CRI-O
#   ROOT=/mnt/image … sh edge-node.sh                                # works on a mounted image
#
# Before the join it prints the keadm command. Run it again after the join: it then edits edgecore.yaml.
# It is safe to repeat. `undo` of each utility reverts its part.
#
# Options:
#   -n, --dry-run  show every step, change nothing; exit 3 if there are changes
#   -h, --help     show this help
#   others, such as --json and --lock-wait SECONDS, are passed to each utility
#
# Settings are environment variables, or lines NAME=VALUE of /etc/edgeutils/node.env (with ROOT, of the image):
#   CLOUDCORE         address of cloudcore: 192.0.2.1, 2001:db8::1 or a DNS name; default: the one in edgecore.yaml
#   KUBEEDGE_VERSION  release that will join or has joined: 1.21.0
#   SWAP              keep (default), off or limited: edge-prep apply --swap
#   CNI_PLUGINS       directory with the output of `edge-cni build`, or with a release archive
#   POD_SUBNET        CIDR of a bridge network for pods; a second one after a comma: 10.85.0.0/16,fd00:85::/64
#   RUNTIME           keep: do not change the container runtime (default); crio: use CRI-O (default with CRIO_VERSION)
#   CRIO_VERSION      install this CRI-O, with the options of `edge-crio install` in CRIO_OPTIONS
#   RESTART           yes: restart a running edgecore if edgecore.yaml was changed; default: no
set -eu
# shellcheck source=settings.sh
. "$(dirname "$(readlink -f "$0")")/settings.sh"

plugins=${CNI_PLUGINS:-} crio=${CRIO_VERSION:-} edgecore=$root/etc/kubeedge/config/edgecore.yaml at=${root:+ --root $root}
runtime=${RUNTIME:-${crio:+crio}} && runtime=${runtime:-keep}
subnets=$(echo "${POD_SUBNET:+,${POD_SUBNET:-}}" | sed 's/,/ --subnet /g')
# shellcheck disable=SC2317 # called by valid
stream() { printf 'apiVersion: edgecore.config.kubeedge.io/v1alpha2\nkind: EdgeCore\n' | edge-conf --file - enable logs --server "$host:10004"; }
crio_settings() { edge-crio ${root:+--root "$root"} settings "$@"; }
# What a step of a dry run needs and an earlier step installs. In a rehearsal, an installed one is not yet the one that is used.
are_plugins_missing() { [ -n "$dry" ] && [ -n "$plugins" ] && { [ -n "$rehearsal" ] || [ ! -e "$root/opt/cni/bin/bridge" ]; }; }
is_crio_missing() {
    [ -n "$dry" ] || return 1
    [ -z "$rehearsal" ] || [ -z "$crio" ] || return 0
    [ ! -e "$root/usr/bin/crio" ] && [ ! -e "$root/usr/local/bin/crio" ]
}

require edge-prep
[ -z "$plugins$subnets" ] || require edge-cni
if [ -n "$crio" ] || [ "$runtime" = crio ]; then require edge-crio; fi

# Everything is validated before anything is changed.
case $runtime in keep | crio) ;; *) fail 2 "RUNTIME must be keep or crio, not \"$runtime\"" ;; esac
case ${CLOUDCORE:-} in
    *]:* | *.*:[0-9]*[0-9] | [!:]*[!:]:[0-9]*[0-9])
        case ${CLOUDCORE%:*} in *:*[!]]) ;; *) fail 2 "CLOUDCORE must be an address without a port, not \"$CLOUDCORE\"" ;; esac ;;
esac
case ${CLOUDCORE:-} in \[*]) ;; *[][]*) fail 2 "CLOUDCORE is not valid: \"$CLOUDCORE\" has only one bracket" ;; esac
case $host in
    0.0.0.0 | '[::]' | 22[4-9].*.*.* | 23[0-9].*.*.*) fail 2 "CLOUDCORE must be the address of a host, not \"$CLOUDCORE\"" ;;
esac
case ${version%%-*} in *.*.*.*) fail 2 "KUBEEDGE_VERSION is not valid: \"$version\" is not a release such as 1.21.0" ;; esac
case ${POD_SUBNET:-} in
    *:*,*:* | *.*,*.*) fail 2 "POD_SUBNET must have at most one IPv4 and one IPv6 network, not \"$POD_SUBNET\"" ;;
esac
[ -z "$host" ] || valid CLOUDCORE stream
valid SWAP edge-prep apply ${SWAP:+--swap "$SWAP"} --help
case $version in
    *1.*.* | '') ;;
    *) [ -e "$edgecore" ] || fail 2 "KUBEEDGE_VERSION must be a release, such as $version.0: keadm join ignores \"$version\", and installs the newest" ;;
esac
[ -z "$plugins" ] || [ -d "$plugins" ] || fail 2 "CNI_PLUGINS must be a directory, not \"$plugins\""
# shellcheck disable=SC2086,SC2317 # options, split at spaces; called by valid
bridge() {
    code=0
    edge-cni ${root:+--root "$root"} conf bridge $subnets -n || code=$?
    # A failure may be a missing plugin, which CNI_PLUGINS installs.
    case $code in 2 | 4) return "$code" ;; esac
}
[ -z "$subnets" ] || valid POD_SUBNET bridge
# shellcheck disable=SC2086
[ -z "$crio" ] || valid "CRIO_VERSION or CRIO_OPTIONS" edge-crio install --version "$crio" ${version:+--kubeedge-version "$version"} ${CRIO_OPTIONS:-} --help
[ "$runtime" = keep ] || [ -n "$crio" ] || crio_settings > /dev/null ||
    fail 4 "RUNTIME=crio needs CRI-O, and nothing was changed: set CRIO_VERSION to install it"

steps() {
    step edge-prep apply --for edgecore ${SWAP:+--swap "$SWAP"} "$@"
    [ -z "$plugins" ] || step edge-cni install --offline "$plugins" "$@"
    if [ -n "$subnets" ] && are_plugins_missing; then
        later "edge-cni$at conf bridge$subnets" "once the plugins are installed"
    elif [ -n "$subnets" ]; then
        # shellcheck disable=SC2086
        step edge-cni conf bridge $subnets "$@"
    fi
    if [ "$runtime" = crio ] && [ -n "$crio" ]; then
        # shellcheck disable=SC2086
        step edge-crio install --version "$crio" ${version:+--kubeedge-version "$version"} ${CRIO_OPTIONS:-} "$@" <<END
$input
END
    fi

    if [ ! -e "$edgecore" ]; then
        # The flags of CRI-O; without a version, or before CRI-O is installed, the call that prints them.
        flags="\$(edge-crio settings --format keadm --kubeedge-version ${version:-VERSION})"
        if [ "$runtime" = keep ]; then
            flags=
        elif [ -n "$version" ] && ! is_crio_missing; then
            flags=$(crio_settings --format keadm --kubeedge-version "$version") || { [ -z "$rehearsal" ] || exit 1; status=1; }
        fi
        show "keadm join --cloudcore-ipport=${host:-CLOUDCORE}:10000 --token=TOKEN${version:+ --kubeedge-version=$version}${flags:+ $flags}"
        later "edge-conf enable logs${host:+ --server $host:10004}" "after keadm join"
        [ "$runtime" = keep ] || later "edge-crio settings | edge-conf enable crio -" "after keadm join"
        finish "edgecore.yaml does not exist yet: run keadm join, then this script again"
    fi

    remember edgecore "$edgecore"
    step edge-conf ${version:+--kubeedge-version "$version"} $restart enable logs ${host:+--server "$host:10004"} "$@"
    if [ "$runtime" = crio ] && is_crio_missing; then
        later "edge-crio$at settings | edge-conf$at enable crio -" "once CRI-O is installed"
    elif [ "$runtime" = crio ]; then
        settings=$(crio_settings) || fail 1 "edgecore.yaml is not changed for CRI-O: its settings are unknown"
        step edge-conf ${version:+--kubeedge-version "$version"} $restart enable crio - "$@" <<END
$settings
END
    fi
    finish "$(restart_needed "$@")"
}

# Both the rehearsal and the step read a proxy with a password.
input=''
case " ${CRIO_OPTIONS:-} " in *' --proxy - '* | *' --proxy=- '*) input=$(cat) ;; esac
rehearse "$@"
steps "$@"
