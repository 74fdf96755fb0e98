//! A kill before each system call that changes something: the same call completes it, and an undo restores exactly the
//! state before, with the owners of all files.

use edgeutils_tests::kill::cannot_kill;
use edgeutils_tests::sweep::{Points, converges};

use crate::site::{ADMIN, Site, tree};

#[test]
fn kubeconfig_is_completed_after_a_kill_anywhere() {
    if cannot_kill("kubeconfig_is_completed_after_a_kill_anywhere") {
        return;
    }
    let site = Site::new();
    let (admin, expired) = (site.tree.read(ADMIN), site.admin("ca", "old", -1));
    let own = "# mine\nkind: Config\nusers: []\n";
    for (config, points) in
        [(None, Points::Every), (Some(own), Points::About(15)), (Some(expired.as_str()), Points::About(15))]
    {
        let start = || {
            let (tree, _) = tree(config);
            tree.write(ADMIN, &admin);
            tree
        };
        converges(points, start, "edge-token", &["kubeconfig", "--user", "ubuntu"]);
    }
}
