# shellcheck shell=sh
# Everything that a utility could leave on the machine, one line each: kind, tab, name, tab, state.
export LC_ALL=C
tab=$(printf '\t')

# Files of the root file system: type, mode, owner, target of a link; content by hash, that of large ones by size.
cd /
find . -xdev -printf '%y\t%s\t%P\t%m %U:%G %l\n' >/run/look.all
awk -F '\t' '
    $1 != "f" { print "file\t" $3 "\t" $1 " " $4; next }
    $2 > 16 * 1024 * 1024 { print "file\t" $3 "\tf " $4 $2 " bytes"; next }
    { print $3 "\tf " $4 >"/run/look.names" }' /run/look.all
sort -o /run/look.names /run/look.names
cut -f 1 /run/look.names | tr '\n' '\0' | xargs -0 md5sum -z | tr '\0' '\n' | sed 's/^\([0-9a-f]*\)  \(.*\)$/\2\t\1/' | sort >/run/look.hashes
join -t "$tab" /run/look.names /run/look.hashes | sed "s/^\([^$tab]*$tab\)\([^$tab]*\)$tab/file$tab\1\2/"
rm /run/look.*

# Leaves out tables that accept everything: iptables creates them when it first needs one, until the next boot.
with_rules() {
    awk '
        /^\*/ || /^table / { text = ""; is_used = chains = types = 0 }
        { text = text $0 "\n" }
        /^\t*chain [A-Z]+ [{]$/ { chains++; next }
        /^\t*type .* policy accept;$/ { types++; next }
        /^COMMIT$/ || /^[}]$/ { if (is_used || chains != types) printf "%s", text; text = ""; next }
        /^\*/ || /^table / || /^:[A-Z]+ ACCEPT / || /^\t*[}]$/ || /^$/ { next }
        { is_used = 1 }
        END { printf "%s", text }'
}

# The state of the kernel; iptables first, because listing its rules loads modules. A set of rules is compared by each
# line, for its reader, and as a whole, for the order.
for save in iptables-save ip6tables-save 'nft --stateless list ruleset' 'ipset save' 'ipvsadm-save -n'; do
    case $save in
    # Listing the sets loads the module.
    ipset*) grep -q '^ip_set ' /proc/modules || continue; [ -n "$(ipset list -n)" ] || continue ;;
    ipvs*) grep -q '^ip_vs ' /proc/modules || continue ;;
    esac
    # A set's seed is random.
    $save 2>/dev/null | sed '/^#/d; s/ initval 0x[0-9a-f]*//' | with_rules >/run/look.rules
    sed "s/^[[:space:]]*//; s/^\(.*\S\)\s*\$/rule\t${save%% *} \1\tthere/; /^\$/d" /run/look.rules
    echo "rules${tab}${save%% *}${tab}$(md5sum </run/look.rules)"
done
rm /run/look.rules
sed -n '2,$s/^\([^ ]*\) .*/swap\t\1\ton/p' /proc/swaps
sed 's/^\([^ ]*\) .*/module\t\1\tloaded/' /proc/modules
sysctl -a 2>/dev/null | sed 's/^\([^ ]*\) = \(.*\)$/sysctl\t\1\t\2/'
ip -o link show | sed 's/^[0-9]*: \([^:@]*\).*/link\t\1\tthere/'
ip -o address show scope global | awk '{ print "address\t" $2 " " $4 "\tthere" }'
for family in -4 -6; do ip $family route show; ip $family rule show; done | sed '/^fe80:/d; s/^\(.*\S\)\s*$/route\t\1\tthere/'
# A namespace has another number after each boot.
awk '{ split($0, ends, " - "); split(ends[2], of, " "); if (of[1] == "nsfs") sub(/\[[0-9]+\]/, "", $4)
    print "mount\t" $5 "\t" of[1] " " of[2] " " $4 }' /proc/self/mountinfo
# Services are listed below; systemd removes the group of one that has ended at a time of its own.
find /sys/fs/cgroup -maxdepth 2 -type d ! -path '*/system.slice/*' -printf 'cgroup\t%P\tthere\n'

# What runs, and what will run after a reboot.
units() {
    for _ in 1 2 3; do systemctl "$@" --no-legend >/run/look.units && return; done
    exit 1
}
units list-units --all --plain
awk '{ print "unit\t" $1 "\t" $2 " " $3 " " $4 }' /run/look.units
units list-unit-files
awk '{ print "unit file\t" $1 "\t" $2 }' /run/look.units
rm /run/look.units
