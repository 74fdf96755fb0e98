//! Which mounts elsewhere an unmount may take along.

use super::*;

/// Whether the unmount of the mount 10 below /k is refused; all are on the same file system unless they are said not
/// to be.
fn refused(lines: &[&str]) -> Option<String> {
    let line = |line: &&str| {
        let [id, parent, device, root, point, tags] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let tags = tags.replace(',', " ").replace('-', "");
        let blank = if tags.is_empty() { "" } else { " " };
        format!("{id} {parent} {device} {root} {point} rw {tags}{blank}- ext4 /dev/sda1 rw\n")
    };
    let mounts = Mounts::parse(lines.iter().map(line).collect::<String>().as_bytes()).unwrap();
    let tree = mounts.tree();
    let refused = Unmount::new(tree.get(10).unwrap(), &["/k".into()]).refusal(&tree)?;
    assert_eq!(refused.exit(), crate::exit::Exit::Refused);
    Some(refused.cause().to_owned())
}

#[test]
fn mount_in_a_tree_that_can_be_made_a_slave_takes_nothing_along() {
    let shared = ["1 0 8:1 / / shared:1", "2 1 8:1 /srv /k/t shared:1", "3 1 8:2 / /srv/home shared:2"];
    assert_eq!(refused(&[&shared[..], &["10 2 8:2 / /k/t/home shared:2"]].concat()), None);
}

#[test]
fn mount_on_a_covered_root_takes_the_original_along() {
    let taken = ["1 0 8:1 / / shared:1", "2 1 8:1 /srv /k/t shared:1", "3 1 8:2 / /srv shared:2"];
    let stacked = "10 2 8:2 / /k/t shared:2";
    assert_eq!(refused(&[&taken[..], &[stacked]].concat()).unwrap(), "/srv would be unmounted with it");
    // One below it makes a slave of it too.
    let above = ["1 0 8:1 / / shared:1", "9 1 8:3 / /k/a -", "2 9 8:1 /srv /k/a/t shared:1", "3 1 8:2 / /srv shared:2"];
    assert_eq!(refused(&[&above[..], &["10 2 8:2 / /k/a/t shared:2"]].concat()), None);
    // It is mounted nowhere else.
    assert_eq!(refused(&[&taken[..2], &[stacked]].concat()), None);
}

#[test]
fn mount_on_the_root_itself_takes_only_its_own_image_along() {
    let bound = ["1 0 8:1 / / shared:1", "2 1 8:1 /disk/k /k shared:1", "10 2 8:2 /x /k/v shared:2"];
    assert_eq!(refused(&[&bound[..], &["3 1 8:2 /x /disk/k/v shared:2"]].concat()), None);
    let other = refused(&[&bound[..], &["3 1 8:2 /y /disk/k/v shared:3"]].concat());
    assert_eq!(other.unwrap(), "/disk/k/v would be unmounted with it");
}

#[test]
fn servers_are_known_by_the_type_of_the_file_system() {
    assert!(["nfs4", "fuse", "fuse.sshfs", "cifs"].iter().all(|kind| is_remote(kind)));
    assert!(!["ext4", "fusectl", "tmpfs"].iter().any(|kind| is_remote(kind)));
}
