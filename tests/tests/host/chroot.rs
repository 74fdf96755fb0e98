//! Random trees of links: `--root` reads what a process in a chroot reads.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::symlink;

use edgeutils_tests::image::Image;
use edgeutils_tests::{is_root, skip};
use nix::errno::Errno;
use proptest::prelude::*;
use serde_json::Value;

const FIXTURE: &str = env!("CARGO_BIN_EXE_edge-fixture");

#[derive(Debug, Clone)]
enum Kind {
    File,
    Directory,
    Link(String),
}

/// Few names, so that links meet, loop and lead into each other.
fn path() -> impl Strategy<Value = String> {
    let name = prop_oneof![4 => "[abc]", 1 => Just("..".to_owned()), 1 => Just(".".to_owned())];
    (any::<bool>(), prop::collection::vec(name, 1..5), prop_oneof![5 => Just(""), 1 => Just("/"), 1 => Just("/.")])
        .prop_map(|(absolute, names, end)| format!("{}{}{end}", if absolute { "/" } else { "" }, names.join("/")))
}

fn entry() -> impl Strategy<Value = (String, Kind)> {
    let place = prop::collection::vec("[abc]", 1..4).prop_map(|names| names.join("/"));
    let kind = prop_oneof![2 => Just(Kind::File), 1 => Just(Kind::Directory), 4 => path().prop_map(Kind::Link)];
    (place, kind)
}

/// Makes what can be made; two entries may want the same place.
fn grow(image: &Image, entries: &[(String, Kind)]) {
    for (place, kind) in entries {
        let path = image.tree.path().join(place);
        // Only directories of the tree itself: a link on the way could lead out of it.
        let mut above = image.tree.path().to_path_buf();
        let parts: Vec<&str> = place.split('/').collect();
        let clear = parts[..parts.len() - 1].iter().all(|part| {
            above.push(part);
            fs::create_dir(&above).is_ok() || above.symlink_metadata().is_ok_and(|meta| meta.is_dir())
        });
        if !clear || path.symlink_metadata().is_ok() {
            continue;
        }
        match kind {
            Kind::File => fs::write(&path, format!("at {place}")).unwrap(),
            Kind::Directory => fs::create_dir(&path).unwrap(),
            Kind::Link(target) => symlink(target, &path).unwrap(),
        }
    }
}

fn records(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn random_trees_are_read_as_in_a_chroot() {
    if !is_root() {
        return skip("host_chroot", "chroot needs root");
    }
    let config = ProptestConfig { cases: 200, max_shrink_iters: 400, ..ProptestConfig::with_source_file(file!()) };
    let (mut found, mut errors) = (0, 0);
    let case = (prop::collection::vec(entry(), 1..16), prop::collection::vec(path(), 12));
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let counted = std::cell::RefCell::new((&mut found, &mut errors));
    runner
        .run(&case, |(entries, mut paths)| {
            let image = Image::with(FIXTURE, &[]);
            grow(&image, &entries);
            paths.extend(entries.iter().map(|(place, _)| place.clone()));
            let of = |verb: &[&str]| {
                let args: Vec<&str> = verb.iter().copied().chain(paths.iter().map(String::as_str)).collect();
                records(&image.run(&args).expect(0).stdout)
            };
            let dir = image.tree.path().to_str().unwrap();
            for (own, kernel) in of(&["read"]).iter().zip(&of(&["chrooted", dir])) {
                let text = own["text"].as_str().unwrap();
                let mut counted = counted.borrow_mut();
                match (kernel["text"].as_str(), kernel["errno"].as_i64().map(|code| Errno::from_raw(code as i32))) {
                    (Some(want), _) => {
                        *counted.0 += 1;
                        prop_assert_eq!(text, want, "{}", own);
                    }
                    (None, Some(Errno::ENOENT)) => {
                        // `missing/..` is reported as an error: it is a mistake in a link, not an absent file.
                        let is_reported = text == "absent" || text.contains("No such file");
                        prop_assert!(is_reported, "{} {}", own, kernel);
                    }
                    (None, _) => {
                        *counted.1 += 1;
                        prop_assert!(text.starts_with("error: "), "{} {}", own, kernel);
                    }
                }
            }
            Ok(())
        })
        .unwrap();
    assert!(found > 200 && errors > 200, "the trees are too poor: {found} files read, {errors} errors");
}
