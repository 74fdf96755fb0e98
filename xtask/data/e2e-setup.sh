#!/bin/sh
# Run by mmdebstrap on the finished tree $1: makes it a machine with every common source of swap.
set -eu
cd "$1"

# Swap three ways. A swap file may have no holes, and mkfs.ext4 makes a hole of each zero block.
for file in swapfile swapfile2; do
    tr '\0' '\377' </dev/zero | head -c 64M >"$file"
    chmod 600 "$file"
    mkswap "$file" >/dev/null
done
cat >etc/fstab <<'END'
# <file system> <mount point> <type> <options> <dump> <pass>
/dev/vda   /     ext4  defaults  0  1
/swapfile  none  swap  sw        0  0
END
cat >etc/systemd/system/swapfile2.swap <<'END'
[Unit]
Description=A swap file with a unit of its own

[Swap]
What=/swapfile2

[Install]
WantedBy=swap.target
END
printf '[zram0]\nzram-size = 64\n' >etc/systemd/zram-generator.conf

# The network is the hypervisor's, and there is nothing on it but the test's own repository.
echo edge-node >etc/hostname
printf '127.0.0.1 localhost edge-node\n' >etc/hosts
printf '[Match]\nName=eth0\n\n[Network]\nAddress=10.0.2.15/24\nLinkLocalAddressing=no\n' >etc/systemd/network/10-private.network
rm -f etc/apt/sources.list etc/apt/sources.list.d/*
echo 'network: {config: disabled}' >etc/cloud/cloud.cfg.d/90_network.cfg
echo 'datasource_list: [NoCloud, None]' >etc/cloud/cloud.cfg.d/90_datasource.cfg
printf 'locale: C.UTF-8\nssh_genkeytypes: []\n' >etc/cloud/cloud.cfg.d/90_quick.cfg
mkdir -p var/lib/cloud/seed/nocloud

# Started by the suites that use them.
chroot . systemctl --quiet disable containerd.service cron.service dphys-swapfile.service keepalived.service \
    ipvsadm.service nfs-server.service nfs-blkmap.service nfs-client.target rpcbind.service rpcbind.socket \
    swapspace.service zramswap.service

# No service of the machine may change files between two inventories.
chroot . systemctl --quiet enable swapfile2.swap systemd-networkd.service
chroot . systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
    e2scrub_reap.service fstrim.timer systemd-tmpfiles-clean.timer getty.target serial-getty@.service \
    systemd-random-seed.service
