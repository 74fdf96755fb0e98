#!/bin/sh
# Removes the journal when edgeutils is purged, but keeps it while it has a run that is not undone.
set -eu
[ "${1:-}" = purge ] || exit 0
state=/var/lib/edgeutils open=''
for run in "$state"/journal/*.jsonl "$state"/journal/*.damaged; do
    case ${run##*/} in first.jsonl) continue ;; esac
    [ -e "$run" ] || continue
    # Without the utilities, only a run that was undone completely is known to be closed: this is its last record.
    tail -n 1 "$run" | grep -q '"record":"reverted"}$' || open="${run##*/} $open"
done
if [ -z "$open" ]; then
    rm -rf --one-file-system "$state"
    exit 0
fi
echo "edgeutils: kept $state: it has runs that are not undone"
echo "hint: to undo them, install edgeutils again and run:"
for run in $open; do
    tool=${run#*-} id=${run%%-*}
    echo "    ${tool%%.*} undo --id ${id#"${id%%[1-9]*}"}"
done
