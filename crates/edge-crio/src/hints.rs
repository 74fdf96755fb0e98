//! Hints of `check` for an image: their commands change the image and not the system that they are pasted on.

use std::path::Path;

use edge_host::{Root, quoted};

/// The commands that name a path below the root as their last word.
const BEFORE_PATH: [&str; 2] = ["' > ", "chmod 755 "];
const UNIT_VERBS: [&str; 3] = ["enable ", "unmask ", "disable "];

/// The hint as it works for this root; the same for the running system.
pub(crate) fn for_root(root: &Root, hint: &str) -> String {
    if root.is_live() {
        return hint.to_owned();
    }
    // Nothing runs in an image.
    let mut hint = hint.split(", and restart CRI-O: ").next().unwrap_or_default().replace("disable --now ", "disable ");
    let dir = root.display(Path::new("/"));
    let dir = quoted(dir.to_string_lossy().trim_end_matches('/'));
    hint = hint.replace("apt-get ", &format!("chroot {dir} apt-get "));
    for verb in UNIT_VERBS {
        let with_root = format!("systemctl --root={dir} {verb}");
        hint = hint.replace(&format!("systemctl {verb}"), &with_root);
    }
    for before in BEFORE_PATH {
        if let Some((start, path)) = hint.split_once(before).filter(|(_, path)| path.starts_with('/')) {
            let shown = root.display(Path::new(path));
            hint = format!("{start}{before}{}", quoted(&shown.to_string_lossy()));
        }
    }
    hint
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_for_an_image_do_not_change_the_running_system() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::image(dir.path()).unwrap();
        let image = dir.path().display();
        for (hint, want) in [
            (
                "enable it: systemctl enable crio.service",
                format!("enable it: systemctl --root={image} enable crio.service"),
            ),
            (
                "x: systemctl disable --now kubelet.service",
                format!("x: systemctl --root={image} disable kubelet.service"),
            ),
            (
                "x: echo '{}' > /etc/containers/policy.json",
                format!("x: echo '{{}}' > {image}/etc/containers/policy.json"),
            ),
            (
                "make it executable: chmod 755 /usr/bin/conmon",
                format!("make it executable: chmod 755 {image}/usr/bin/conmon"),
            ),
            ("remove it: apt-get remove cri-o", format!("remove it: chroot {image} apt-get remove cri-o")),
            ("set it to /a, and restart CRI-O: systemctl restart crio.service", "set it to /a".to_owned()),
        ] {
            assert_eq!(for_root(&root, hint), want);
            assert_eq!(for_root(&Root::live().unwrap(), hint), hint);
        }
    }
}
