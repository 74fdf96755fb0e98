//! The entries of the data, and the mounts that they are about.

use super::row::{MountRow, Shape};
use super::*;

#[test]
fn shape_is_compared_by_names() {
    let is = |shape: &str, path: &str| Shape::try_from(shape.to_owned()).unwrap().matches(Path::new(path));
    assert!(is("pods/*/", "pods/u/volumes") && is("pods/*/", "pods/u/a/b") && is("/", "a"));
    assert!(!is("pods/*/", "pods/u") && !is("pods/*/", "pods") && !is("pods/*/", "plugins/u/a"));
    assert!(is("a/*/merged", "a/x/merged") && !is("a/*/merged", "a/x/y/merged") && !is("a/*/merged", "a/x/merged/y"));
    assert!(is("netns/{uuid}", "netns/0f0f0f0f-0000-4000-8000-00000000000a"));
    for odd in ["0F0f0f0f-0000-4000-8000-00000000000a", "0f0f0f0f-0000-4000-8000-0000000000", "x", ""] {
        assert!(!is("netns/{uuid}", &format!("netns/{odd}")), "{odd}");
    }
}

#[test]
fn built_in_entries_are_valid() {
    let root = Root::live().unwrap();
    let ownership = crate::ownership::Ownership::read(&root).unwrap();
    assert!(ownership.rows::<MountRow>("mount").unwrap().len() > 10);
}
