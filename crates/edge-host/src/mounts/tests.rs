//! Mount tables as the kernel prints them, and the trees of them.

use std::os::unix::ffi::{OsStrExt, OsStringExt};

use proptest::prelude::*;

use super::*;

#[test]
fn mounts_are_read_as_bytes() {
    let text = b"24 1 179:2 / / rw,noatime shared:1 - ext4 /dev/root rw\n\
        90 24 179:1 / /boot/firmware ro,relatime shared:40 master:2 - vfat /dev/mmcblk0p1 rw,fmask=0022\n\
        91 24 0:5 / /a\\040b\\134040\\043\\011\xff rw,nosuid - tmpfs x\\012y ro,size=1k\n\
        92 24 0:6 /sub\\040dir /boot/firmware rw future:9 master:7 propagate_from:2 unbindable - fuse.x - rw\n";
    let mounts = Mounts::parse(text).unwrap();
    let all: Vec<&Mount> = mounts.iter().collect();
    assert_eq!(all[2].point.as_os_str().as_bytes(), b"/a b\\040#\t\xff");
    assert_eq!(all[2].source, "x\ny");
    assert_eq!(all.iter().map(|mount| mount.is_read_only()).collect::<Vec<_>>(), [false, true, true, false]);
    assert_eq!((all[1].id, all[1].parent, all[1].device), (90, 24, (179, 1)));
    let groups = |shared, master, from, unbindable| Propagation { shared, master, from, unbindable };
    assert_eq!(all[1].propagation, groups(Some(40), Some(2), None, false));
    assert_eq!(all[2].propagation, Propagation::default());
    assert_eq!(all[3].propagation, groups(None, Some(7), Some(2), true));
    assert_eq!(all[3].root, Path::new("/sub dir"));
    assert_eq!(all[3].identity(), "/boot/firmware 0:6 /sub\\040dir fuse.x -");
    assert_eq!(all[2].identity(), "/a\\040b\\134040#\\011\\377 0:5 / tmpfs x\\012y");
    assert_eq!(mounts.at(Path::new("/boot/firmware")).unwrap().kind, "fuse.x", "it covers the other");
    assert_eq!(mounts.at(Path::new("/boot/firmware")).unwrap().source, "-");
    assert_eq!(mounts.at(Path::new("/boot")), None);
    for odd in [
        "24 1 179:2 / / rw,noatime shared:1 ext4 /dev/root rw",
        "x",
        "1 2 3 4 5 6 - ext4",
        "x 1 179:2 / / rw - ext4 /dev/root rw",
        "24 1 179 / / rw - ext4 /dev/root rw",
        "24 1 179:2 / / rw shared:x - ext4 /dev/root rw",
    ] {
        assert_eq!(Mounts::parse(odd.as_bytes()), None, "{odd}");
    }
    assert_eq!(Mounts::parse(b""), Some(Mounts::default()));
    assert_eq!(Mounts::read().unwrap().at(Path::new("/proc")).unwrap().kind, "proc");
}

/// A table from `ID PARENT POINT [ROOT [TAGS]]`; all on the same file system.
fn table(lines: &[&str]) -> Mounts {
    let line = |line: &&str| {
        let mut words = line.splitn(5, ' ');
        let [id, parent, point] = [(); 3].map(|()| words.next().unwrap());
        let (root, tags) = (words.next().unwrap_or("/"), words.next().unwrap_or_default());
        format!(
            "{id} {parent} 8:1 {root} {point} rw {tags}{}- ext4 /dev/sda1 rw\n",
            if tags.is_empty() { "" } else { " " }
        )
    };
    Mounts::parse(lines.iter().map(line).collect::<String>().as_bytes()).unwrap()
}

fn ids(mounts: &[&Mount]) -> Vec<u32> {
    mounts.iter().map(|mount| mount.id).collect()
}

#[test]
fn mount_that_covers_others_is_unmounted_before_them() {
    // 4 is on 3's root; 6 was mounted on /k/a after 5 on /k/a/b, and covers it.
    let mounts =
        table(&["1 0 /", "2 1 /k/v", "3 1 /k/s", "4 3 /k/s", "5 1 /k/a/b", "6 1 /k/a", "7 6 /k/a/c", "9 1 /kk"]);
    let tree = mounts.tree();
    assert_eq!(ids(&tree.below(Path::new("/k"))), [7, 6, 4, 3, 2, 5]);
    let covered = |id| tree.covered_by(tree.get(id).unwrap()).map(|mount| mount.id);
    assert_eq!([2, 3, 4, 5, 6, 7].map(covered), [None, Some(4), None, Some(6), None, None]);
    assert_eq!(tree.reached_by(Path::new("/k/a/b/x")).unwrap().id, 6);
    assert_eq!(tree.reached_by(Path::new("/k")).unwrap().id, 1);
    assert_eq!(tree.parent(tree.get(7).unwrap()).unwrap().id, 6);
    assert_eq!(tree.parent(tree.get(1).unwrap()), None);
    assert_eq!(tree.children(tree.get(1).unwrap()).map(|mount| mount.id).collect::<Vec<_>>(), [9, 6, 3, 2, 5]);
    assert_eq!(ids(&tree.post_order()).last(), Some(&1));
}

#[test]
fn mount_on_a_directory_above_the_root_covers_everything_in_it() {
    let mounts = table(&["1 0 /", "2 1 /var/lib/k/v", "3 1 /var/lib", "4 3 /var/lib/k/v"]);
    let tree = mounts.tree();
    assert_eq!(ids(&tree.below(Path::new("/var/lib/k"))), [4, 2]);
    assert_eq!(tree.covered_by(tree.get(2).unwrap()).unwrap().id, 3);
    assert_eq!(tree.covered_by(tree.get(4).unwrap()), None);
}

#[test]
fn mounts_of_a_chroot_and_of_an_odd_table_are_a_tree() {
    // The root of a chroot need not be a mount point, and the parent of the first root is itself.
    let chroot = table(&["5 2 /proc", "6 5 /proc/x"]);
    assert_eq!(chroot.tree().reached_by(Path::new("/proc/x/y")).unwrap().id, 6);
    assert_eq!(chroot.tree().reached_by(Path::new("/etc")), None);
    let own_parent = table(&["1 1 /", "2 1 /", "3 2 /a"]);
    let tree = own_parent.tree();
    assert_eq!((tree.reached_by(Path::new("/a")).unwrap().id, ids(&tree.post_order())), (3, vec![3, 2, 1]));
    assert_eq!(tree.covered_by(tree.get(1).unwrap()).unwrap().id, 2);
    let circle = table(&["1 2 /a", "2 1 /a"]);
    assert_eq!((circle.tree().reached_by(Path::new("/a")), circle.tree().post_order().len()), (None, 0));
}

#[test]
fn mounts_that_the_kernel_unmounts_together_are_known() {
    let mounts = table(&[
        "1 0 / / shared:1",
        // The tree /srv is bound below /k, and what is mounted in it is seen in both.
        "2 1 /k/t /srv shared:1",
        "3 1 /srv/home / shared:2",
        "4 2 /k/t/home / shared:2",
        // A slave of the first, and a slave of that one, by way of a group that is not seen.
        "5 1 /copy / master:1",
        "6 5 /copy/srv/home / shared:2",
        "7 1 /copy2 /srv/home master:9 propagate_from:1",
        "8 7 /copy2 / shared:2",
        // It is private, so it is not.
        "9 1 /other /",
        "10 9 /other/srv/home / shared:2",
    ]);
    let tree = mounts.tree();
    let with = |id| {
        let mut with = ids(&tree.unmounted_with(tree.get(id).unwrap()));
        with.sort_unstable();
        with
    };
    assert_eq!(with(4), [3, 6, 8]);
    assert_eq!(with(3), [4, 6, 8]);
    assert_eq!(with(6), [] as [u32; 0], "what is mounted on a slave alone");
    assert_eq!(with(10), [] as [u32; 0]);
    assert!(tree.get(3).unwrap().shows_the_same_as(tree.get(4).unwrap()));
}

proptest! {
    #[test]
    fn mounts_take_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200), line in "[ a-z0-9/,:\\\\-]{0,80}") {
        let _ = Mounts::parse(&bytes);
        let _ = Mounts::parse(line.as_bytes());
    }

    #[test]
    fn any_path_is_read_as_it_was(path in prop::collection::vec(1u8.., 1..40)) {
        let escape = |byte: &u8| match byte {
            b' ' | b'\t' | b'\n' | b'\\' | b'#' => format!("\\{byte:03o}").into_bytes(),
            _ => vec![*byte],
        };
        let kernel: Vec<u8> = path.iter().flat_map(escape).collect();
        prop_assert_eq!(&parse::unescaped(&kernel).into_vec(), &path);
        prop_assert_eq!(parse::unescaped(escaped(&path).as_bytes()).into_vec(), path);
    }

    #[test]
    fn every_mount_is_reached_when_its_turn_comes(steps in prop::collection::vec((0usize..8, 0usize..4, 0usize..3), 1..30)) {
        // Each is mounted, as the kernel does it, on what its path leads to.
        let names = ["a", "b", "a/b", "b/a"];
        let mut lines = vec!["1 0 /".to_owned()];
        let mut points = vec![String::new()];
        for (id, (on, name, twice)) in (2..).zip(&steps) {
            let base = &points[on % points.len()];
            let point = if *twice == 0 && !base.is_empty() { base.clone() } else { format!("{base}/{}", names[*name]) };
            let parent = table(&lines.iter().map(String::as_str).collect::<Vec<_>>()).tree().reached_by(Path::new(&point)).unwrap().id;
            lines.push(format!("{id} {parent} {point}"));
            points.push(point);
        }
        let mut left: Vec<&str> = lines.iter().map(String::as_str).collect();
        let all = table(&left);
        for mount in all.tree().post_order() {
            let now = table(&left);
            let tree = now.tree();
            prop_assert_eq!(tree.covered_by(mount), None);
            prop_assert_eq!(tree.children(mount).count(), 0);
            prop_assert_eq!(tree.reached_by(&mount.point).map(|found| found.id), Some(mount.id));
            left.retain(|line| !line.starts_with(&format!("{} ", mount.id)));
        }
        prop_assert!(left.is_empty());
    }
}

#[test]
fn tree_is_kept_by_mounts_in_it_and_by_those_that_show_it() {
    let mounts = Mounts::parse(
        b"20 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
          21 20 8:1 /data /var/data rw - ext4 /dev/sda1 rw\n\
          30 21 0:5 / /var/data/k/in rw - tmpfs tmpfs rw\n\
          31 20 8:1 /data/k/pods /srv/pods rw - ext4 /dev/sda1 rw\n\
          32 20 8:2 /data/k /srv/other-disk rw - ext4 /dev/sdb rw\n\
          33 20 8:1 /data/k/gone//deleted /srv/gone rw - ext4 /dev/sda1 rw\n\
          34 20 0:6 / /srv/merged rw - overlay overlay rw,lowerdir=/low:/var/data/k/a\\040b,upperdir=/up\n\
          35 20 8:1 /data/kk /srv/kk rw - ext4 /dev/sda1 rw\n\
          36 20 8:1 /data /srv/above rw - ext4 /dev/sda1 rw\n\
          37 36 0:7 / /srv/above/k/pods rw - tmpfs tmpfs rw\n",
    )
    .unwrap();
    let of = |path: &str, on: Option<u64>| {
        let all = mounts.of_tree(Path::new(path), on);
        all.into_iter().map(|mount| format!("{} {}", mount.is_inside, mount.explain().0)).collect::<Vec<_>>()
    };
    assert_eq!(
        of("/var/data/k", Some(21)),
        [
            "true /var/data/k/in is mounted",
            "false /var/data/k/pods is also mounted on /srv/pods",
            "false /var/data/k/a b is a layer of what is mounted on /srv/merged",
            "true /srv/above/k/pods is mounted",
        ]
    );
    assert_eq!(
        of("/var/data/k/pods", Some(21)),
        ["false it is also mounted on /srv/pods", "true /srv/above/k/pods is mounted"]
    );
    // A mount that is not in the table: by the path alone.
    assert_eq!(of("/var/data/k/in", Some(99)), ["true /var/data/k/in is mounted"]);
}
