#!/bin/sh
# Undoes what the utilities have changed on this host, newest run first, whatever utility made it.
#
#   sh undo-node.sh -n                    # shows what would be undone
#   ROOT=/mnt/image sh undo-node.sh       # works on a mounted image
#
# This includes what edge-reset has moved to the trash. To remove KubeEdge for good, run this before edge-reset: edge-reset
# keeps what the other utilities have made.
# What cannot be undone is reported, and the rest is undone anyway; it is safe to run it again.
#
# Options:
#   -n, --dry-run  show every run that would be undone, change nothing; exit 3 if there is one
#   -h, --help     show this help
#   others, such as --json and --lock-wait SECONDS, are passed to each utility
set -eu
# shellcheck source=settings.sh
. "$(dirname "$(readlink -f "$0")")/settings.sh"

# The runs of all utilities that are installed, as ID:TOOL. A run has one number among those of all utilities.
runs=''
for tool in edge-prep edge-certgen edge-cni edge-crio edge-apt edge-conf edge-redirect edge-reset edge-pkg edge-token edge-join; do
    command -v "$tool" > /dev/null || continue
    listed=$("$tool" ${root:+--root "$root"} undo --list --json) || { status=1 && note "$tool cannot list its runs" && continue; }
    for id in $(printf '%s\n' "$listed" | sed -n 's/.*"run":\([0-9]*\),"state":"\(done\|interrupted\|partial\|damaged\)".*/\1/p'); do
        runs="$runs $id:$tool"
    done
done

count=0 again='after the cause is fixed, run the same command again'
# shellcheck disable=SC2086 # a list of words
for run in $(printf '%s\n' $runs | sort -rn); do
    id=${run%%:*} tool=${run#*:} code=0 count=$((count + 1))
    set -- ${root:+--root "$root"} undo --id "$id" "$@"
    note "$tool ${root:+--root $root }undo --id $id"
    # In a dry run, what a later run has changed cannot be previewed, as that is undone before.
    "$tool" "$@" || code=$?
    shift $((${root:+2}+3))
    case $code$dry in
        0*) ;;
        3yes | 4yes) [ "$status" = 1 ] || status=3 ;;
        5*) fail 5 "stopped at $tool: run the same command again" ;;
        4) [ "$status" = 1 ] || status=4 ;;
        *) status=1 ;;
    esac
done
[ "$count$status" != 00 ] || { show "nothing to undo" && exit 0; }
case $dry$status in
    *0) note "done" ;;
    yes3) note "dry run, nothing was changed: the same command without -n makes the changes" ;;
    *) note "$again" ;;
esac
exit "$status"
