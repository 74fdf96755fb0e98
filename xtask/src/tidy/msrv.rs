//! The oldest Rust that builds the workspace.

use serde_json::Value;

use super::{Tree, Violation};

const ROOT: &str = "Cargo.toml";

/// A crate of the lock file: its name and version, and the Rust that it declares.
#[derive(Debug, Default)]
pub(super) struct Crate {
    shown: String,
    rust: Vec<u64>,
    is_member: bool,
}

/// Every crate of the product and its tests, from the output of `cargo metadata`.
pub(super) fn crates(metadata: &Value) -> Vec<Crate> {
    let text = |package: &Value, key: &str| package.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let packages = metadata.get("packages").and_then(Value::as_array);
    let read = |package: &Value| Crate {
        shown: format!("{} {}", text(package, "name"), text(package, "version")),
        rust: numbers(&text(package, "rust_version")),
        is_member: package.get("source").is_some_and(Value::is_null),
    };
    packages.into_iter().flatten().map(read).collect()
}

/// No dependency needs a newer Rust than rust-version.
pub(super) fn rust_version(tree: &Tree) -> Vec<Violation> {
    let (members, others): (Vec<&Crate>, Vec<&Crate>) = tree.crates_used.iter().partition(|used| used.is_member);
    let (Some(own), Some(newest)) = (members.first(), others.iter().max_by_key(|used| &used.rust)) else {
        return Vec::new();
    };
    if own.rust >= newest.rust {
        return Vec::new();
    }
    let shown = |rust: &[u64]| rust.iter().map(ToString::to_string).collect::<Vec<_>>().join(".");
    let what = format!("rust-version is {}, and {} needs {}", shown(&own.rust), newest.shown, shown(&newest.rust));
    vec![Violation::new(ROOT, 1, what)]
}

/// `1.88.0` is 1.88.
fn numbers(version: &str) -> Vec<u64> {
    let mut numbers: Vec<u64> = version.split('.').map_while(|part| part.parse().ok()).collect();
    while numbers.last() == Some(&0) {
        numbers.pop();
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_version_is_not_below_that_of_a_dependency() {
        let metadata = |own: &str| {
            serde_json::json!({"packages": [
                {"name": "edge-x", "version": "0.1.0", "source": null, "rust_version": own},
                {"name": "old", "version": "1.0.0", "source": "registry", "rust_version": "1.9"},
                {"name": "new", "version": "2.0.0", "source": "registry", "rust_version": "1.88.0"},
                {"name": "silent", "version": "1.0.0", "source": "registry", "rust_version": null},
            ]})
        };
        let violations = |own: &str| {
            let tree = Tree { crates_used: crates(&metadata(own)), ..Tree::default() };
            rust_version(&tree).into_iter().map(|violation| violation.what).collect::<Vec<_>>()
        };
        assert!(violations("1.88").is_empty());
        assert_eq!(violations("1.85"), ["rust-version is 1.85, and new 2.0.0 needs 1.88"]);
        assert!(violations("1.100").is_empty());
    }
}
