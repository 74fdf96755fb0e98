#!/bin/sh
# Read by edge-node.sh, cloud-node.sh and undo-node.sh: options, the settings in node.env, and the calls of utilities.
set -euf

# In the archive, the utilities are in ../bin.
PATH=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)/bin:$PATH
script=${0##*/} status=0 dry='' restart='' rehearsal='' waits=''
note() { echo "$script: $*" >&2; }
fail() { code=$1 && shift && note "$*" && exit "$code"; }

# The settings of both scripts and of scripts/cloud-init, and the proxies of a download.
names='ROOT KUBEEDGE_VERSION CLOUDCORE RESTART SWAP CNI_PLUGINS POD_SUBNET RUNTIME CRIO_VERSION CRIO_OPTIONS NAMES CA CA_KEY'
names="$names PACKAGE SHA256 CNI_ARCHIVE CNI_SHA256 HTTPS_PROXY ALL_PROXY NO_PROXY https_proxy all_proxy no_proxy"

# The comment at the head of the script is its help. Lines between the records of --json go to standard error.
exec 3>&1
for option; do
    case $option in
        -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" && exit 0 ;;
        -n | --dry-run) dry=yes ;;
        --json) exec 3>&2 ;;
    esac
done
show() { printf '%s\n' "$*" >&3; }

trim() { text=${1#"${1%%[![:space:]]*}"} && text=${text%"${text##*[![:space:]]}"}; }

# Sets name and value from a line NAME=VALUE, or fails. Nothing in the line is expanded or executed.
parse() {
    trim "${1#export }" && line=$text
    trim "${line%%=*}" && name=$text
    trim "${line#*=}" && value=$text
    case $line in *=*) ;; *) return 1 ;; esac
    case $name in '' | *[!A-Za-z0-9_]*) return 1 ;; esac
    case $value in
        \"*\"* | \'*\'*)
            quote=${value%"${value#?}"} && text=${value#?} && value=${text%%"$quote"*}
            trim "${text#*"$quote"}"
            case $text in '' | '#'*) ;; *) return 1 ;; esac ;;
        \"* | \'*) return 1 ;;
        '#'*) value='' ;;
        *) trim "${value%%[[:space:]]#*}" && value=$text ;;
    esac
}

# Variables of the environment take precedence over the file, also empty ones.
file=${ROOT:-}/etc/edgeutils/node.env number=0 given=' ' bom=$(printf '\357\273\277')
for name in $names; do eval "[ -z \"\${$name+set}\" ] || given=\"\$given\$name \""; done
if [ -e "$file" ]; then
    { [ -f "$file" ] && [ -r "$file" ]; } || fail 1 "cannot read $file: it is not a readable file"
    while IFS= read -r line || [ -n "$line" ]; do
        number=$((number + 1))
        trim "${line#"$bom"}"
        case $text in '' | '#'*) continue ;; esac
        parse "$text" || fail 2 "cannot read $file: line $number is not NAME=VALUE"
        case " $names " in
            *" $name "*) ;;
            *) note "warning: $file:$number: unknown setting $name is ignored" && continue ;;
        esac
        case $given in *" $name "*) ;; *) export "$name=$value" ;; esac
    done < "$file"
fi

# valid SETTING COMMAND…: passes a value to the parser of its utility.
valid() {
    name=$1 code=0
    shift
    text=$("$@" 2>&1 < /dev/null) || code=$?
    [ "$code" = 0 ] || printf '%s\n' "$text" >&2
    case $code in 0) ;; 2) fail 2 "$name is not valid; nothing was changed" ;; *) exit "$code" ;; esac
}

# require TOOL…: fails if a utility is not installed.
missing='install the utilities in /usr/local/bin, or add their directory to PATH'
require() { for tool; do command -v "$tool" > /dev/null || fail 1 "cannot find $tool: $missing"; done; }
require edge-conf
root=${ROOT:-} version=${KUBEEDGE_VERSION:-}
[ -z "$version" ] || valid KUBEEDGE_VERSION edge-conf enable logs --kubeedge-version "$version" --help
case ${RESTART:-no} in yes | no) ;; *) fail 2 "RESTART must be yes or no, not \"$RESTART\"" ;; esac
# An IPv6 address needs brackets before a port.
host=$(echo "${CLOUDCORE:-}" | tr -d '[]')
case $host in *:*) host="[$host]" ;; esac

# step TOOL ARGUMENTS…: a dry run goes through all steps, otherwise a failure ends the script. Exit 3 is not a failure,
# and in a rehearsal neither is the one in waits: the step may need the changes of an earlier one.
step() {
    tool=$1 code=0
    shift
    set -- ${root:+--root "$root"} "$@"
    if [ -n "$rehearsal" ]; then
        text=$("$tool" "$@" -n 2>&1 > /dev/null) || code=$?
        case $code in 0 | 3 | "$waits") return ;; esac
        note "$tool $*"
        printf '%s\n' "$text" >&2
        exit "$code"
    fi
    note "$tool $*"
    "$tool" "$@" || code=$?
    case $dry$code in
        *0) ;;
        *3) [ "$status" != 0 ] || status=3 ;;
        yes[14]) [ "$status" = 1 ] || status=$code ;;
        *) fail "$code" "stopped at $tool: after the cause is fixed, run the same command again" ;;
    esac
}

# rehearse: runs the steps of the script as dry runs, so that what one of them refuses is refused before the first change.
rehearse() {
    [ -z "$dry" ] || return 0
    dry=yes rehearsal=yes
    # Without || after the list, as that would turn off -e in it.
    set +e
    (set -e && exec 3> /dev/null && steps "$@")
    code=$? dry='' rehearsal=''
    set -e
    case $code in 0 | 3) ;; *) fail "$code" "nothing was changed: after the cause is fixed, run the same command again" ;; esac
}

# later COMMAND WHEN: a step of a dry run that needs the changes of an earlier one.
later() {
    [ -z "$dry" ] || show "would run $1, $2"
}

# remember UNIT FILE: remembers the file; with RESTART=yes, edge-conf restarts the unit if it is running.
remember() {
    unit=$1 watched=$2 before=$(cksum < "$2")
    [ "${RESTART:-no}" = no ] || [ -n "$root" ] || ! systemctl is-active --quiet "$unit" || restart=--restart
}

# restart_needed OPTIONS…: the next step for the unit, if its file was changed or its process was started by hand.
restart_needed() {
    next="next: systemctl restart $unit" code=0
    [ -n "$root" ] || edge-conf unit "$unit" --restart "$@" -n > /dev/null 2>&1 || code=$?
    [ -z "$root$restart" ] && [ "$before" != "$(cksum < "$watched")" ] || next="done"
    [ "$code" != 3 ] || next="next: edge-conf unit $unit --restart"
    echo "$next"
}

# finish NEXT: ends with a line that names the next step.
finish() {
    [ -z "$rehearsal" ] || exit "$status"
    [ -n "$root" ] || [ ! -e /run/reboot-required ] || note "reboot required: reboot"
    case $dry$status in
        3) note "manual step required, see above" ;;
        yes3) set -- "dry run, nothing was changed: the same command without -n makes the changes" ;;
        yes[14]) set -- "dry run, nothing was changed: see the errors above" ;;
    esac
    note "$1"
    exit "$status"
}
