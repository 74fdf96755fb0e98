//! overlay's metacopy, which CRI-O before 1.25 sets and some kernels refuse.

use super::runtime::{Machine, says};

#[test]
fn install_removes_metacopy_only_if_this_kernel_refuses_it() {
    let Some(machine) = Machine::boot("crio_live metacopy", &["1.30.4"]) else { return };
    let file = "/etc/containers/storage.conf";
    let conf = |options: &str| {
        format!("# ours\n[storage]\ndriver = \"overlay\"\n[storage.options]\nmountopt = \"{options}\" # why\n")
    };
    // The kernel refuses the combination, as older kernels refuse each of them.
    machine.systemd.write(file, &conf("nodev,metacopy=on,redirect_dir=off"), "644");
    machine.sh("grep ' overlay ' /proc/self/mountinfo > /run/mounts").expect(0);
    says(
        &machine.install("1.30.4", "-n").expect(3),
        "would write /etc/containers/storage.conf: with metacopy CRI-O before 1.25 cannot start pods",
    );
    machine.install("1.30.4", "").expect(0);
    assert_eq!(machine.systemd.read(file), conf("nodev,redirect_dir=off"));
    machine.crio("undo").expect(0);
    assert_eq!(machine.systemd.read(file), conf("nodev,metacopy=on,redirect_dir=off"));
    // The kernel supports it: unchanged.
    machine.systemd.write(file, &conf("nodev,metacopy=on"), "644");
    machine.install("1.30.4", "").expect(0);
    assert_eq!(machine.systemd.read(file), conf("nodev,metacopy=on"));
    // The distribution's file is not changed, but replaced by a file in /etc.
    machine.sh(&format!("mkdir -p /usr/share/containers; mv {file} /usr/share/containers/storage.conf; sed -i s/metacopy=on/metacopy=on,redirect_dir=off/ /usr/share/containers/storage.conf")).expect(0);
    says(
        &machine.crio("check"),
        "/usr/share/containers/storage.conf:5: note: mountopt: nodev,metacopy=on,redirect_dir=off: this kernel refuses metacopy, and CRI-O ignores it",
    );
    machine.install("1.30.4", "").expect(0);
    assert_eq!(machine.systemd.read(file), conf("nodev,redirect_dir=off"));
    // CRI-O's own options take precedence, and are not edited.
    let own = "/etc/crio/crio.conf.d/60-storage.conf";
    let option = |options: &str| format!("[crio]\nstorage_option = [\"overlay.mountopt={options}\"]\n");
    machine.systemd.write(own, &option("nodev,metacopy=on,redirect_dir=off"), "644");
    says(
        &machine.crio("check"),
        &format!(
            "{own}:2: note: crio.storage_option: nodev,metacopy=on,redirect_dir=off: this kernel refuses metacopy"
        ),
    );
    says(&machine.install("1.30.4", "-n"), &format!("{own}:2 has metacopy=on, which this kernel refuses"));
    machine.systemd.write(own, &option("nodev,metcopy=on"), "644");
    says(
        &machine.crio("check").expect(3),
        &format!("{own}:2: error: crio.storage_option: nodev,metcopy=on: this kernel refuses \"metcopy=on\""),
    );
    machine.systemd.write(own, &option("nodev,volatile"), "644");
    assert!(!machine.crio("check").stdout.contains("storage_option"));
    // The test of the kernel leaves nothing mounted.
    machine.sh("grep ' overlay ' /proc/self/mountinfo | diff /run/mounts -").expect(0);
}
