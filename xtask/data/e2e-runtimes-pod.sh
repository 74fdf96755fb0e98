#!/bin/sh
# A pod with a web server over the CRI, in the control group that kubelet would choose with the driver systemd: `start`
# makes it, and waits until the server answers at the address of the pod; `stop` ends it.
set -eu

client() { /opt/site/client client /run/containerd/containerd.sock "$@"; }
# After a reboot the runtime still has the records of the earlier pod, and kubelet makes another one.
name=web-$(cut -c 1-8 /proc/sys/kernel/random/boot_id)
pod='{"metadata": {"name": "'"$name"'", "namespace": "default"}, "log_directory": "/var/log/pods/web",
    "linux": {"cgroup_parent": "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podweb.slice"}}'
image=docker.io/site/pod:1

if [ "$1" = stop ]; then
    client stopp "$(cat /run/pod.id)"
    exit
fi
mkdir -p /var/log/pods/web
client pull "$image"
touch /run/pod.begin
echo "$pod" | client runp "$name" >/run/pod.id
{
    echo "$pod"
    echo '{"metadata": {"name": "web"}, "image": {"image": "'"$image"'"}, "linux": {}, "log_path": "web.log",
        "args": ["httpd", "-f", "-p", "8080", "-h", "/"]}'
} | client run "$(cat /run/pod.id)"
address=$(find /var/lib/cni/networks/pods -name '10.*' -newer /run/pod.begin -printf '%f\n')
curl -sf --retry 60 --retry-all-errors --retry-delay 1 "http://$address:8080/page"
