#!/bin/sh
# After edgeutils is removed, names the runs that are not undone. A purge by dpkg also removes the journal, unless it has
# such a run, or there is the only copy of a rule. rpm, which calls it with 0, has no purge: the journal stays.
set -eu
case ${1:-} in purge | 0) ;; *) exit 0 ;; esac
state=/var/lib/edgeutils open=''
for run in "$state"/journal/*.jsonl "$state"/journal/*.damaged; do
    case ${run##*/} in first.jsonl) continue ;; esac
    [ -e "$run" ] || continue
    # Without the utilities, only a run that was undone completely is known to be closed: this is its last record.
    tail -n 1 "$run" | grep -q '"record":"reverted"}$' || open="${run##*/} $open"
done
# An undo keeps these where a rule in them is not there again.
saves=$(find "$state/edge-reset" -name '*.save' 2> /dev/null || true)
if [ -z "$open$saves" ]; then
    [ "$1" = 0 ] || rm -rf --one-file-system "$state"
    exit 0
fi
if [ -n "$saves" ]; then
    echo "edgeutils: kept $state/edge-reset: it has copies of firewall rules that edge-reset removed"
    echo "hint: to delete them: rm -r $state/edge-reset"
fi
[ -n "$open" ] || exit 0
echo "edgeutils: kept $state: it has runs that are not undone"
echo "hint: to undo them, install edgeutils again and run:"
for run in $open; do
    tool=${run#*-} id=${run%%-*}
    echo "    ${tool%%.*} undo --id ${id#"${id%%[1-9]*}"}"
done
