#!/bin/sh
# Run once on the bare machine, which has fstab, a unit and zram-generator: the other sources of swap, each with a file
# of its own.
set -eu

for name in service cron; do
    head -c 8M /dev/zero >"/srv/$name.swap"
    chmod 600 "/srv/$name.swap"
    mkswap "/srv/$name.swap" >/dev/null
done
sed -i 's/^#\?CONF_SWAPSIZE=.*/CONF_SWAPSIZE=16/' /etc/dphys-swapfile
# Of 1 GiB with all this swap about nine tenths are free, which is never enough here, so that there are files at once. It
# wants (target - free) / (100 - target) of the memory more, and makes no file where the disk has less.
sed -i '/^[a-z]/d' /etc/swapspace.conf
printf '%s\n' lower_freelimit=96 freetarget=96 upper_freelimit=100 min_swapsize=1m max_swapsize=1m >>/etc/swapspace.conf
cat >/etc/systemd/system/site-swap.service <<'END'
[Unit]
Description=Swap of the site

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/sbin/swapon /srv/service.swap

[Install]
WantedBy=multi-user.target
END
echo '@reboot root /sbin/swapon /srv/cron.swap' >/etc/cron.d/site-swap
systemctl daemon-reload
systemctl --quiet enable dphys-swapfile.service swapspace.service site-swap.service cron.service
