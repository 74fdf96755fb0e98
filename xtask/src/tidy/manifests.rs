//! Rules about the Cargo.toml files.

use toml_edit::{Document, Item, TableLike};

use super::{File, Tree, Violation};

const ROOT: &str = "Cargo.toml";
const INHERITED: &[&str] = &["version", "edition", "rust-version", "license"];
/// Libraries that are small utilities too.
const LIBRARIES: &[&str] = &["edge-apt"];
/// Domain libraries, bottom up: above the other libraries, below the utilities. Each uses only those before it.
const DOMAIN: &[&str] = &["edge-kubeedge", "edge-pki", "edge-hub"];
const TABLES: &[&str] = &["dependencies", "dev-dependencies", "build-dependencies"];

type Manifest = Document<String>;

/// No crate depends on one of the same or a higher layer: no utility on a utility, no library on a domain library.
pub(super) fn floors(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in members(tree) {
        let Some(own) = file.path.strip_prefix("crates/").and_then(|rest| rest.split('/').next()) else { continue };
        let is_library = !tree.utilities.iter().any(|utility| utility == own);
        let floor = |name: &str| DOMAIN.iter().position(|domain| *domain == name);
        for (name, _, line) in dependencies(file) {
            let is_above = floor(&name).is_some_and(|above| floor(own).is_none_or(|own| own <= above));
            if is_library && is_above {
                violations.push(Violation::new(&file.path, line, format!("is a library below {name}")));
            }
            if tree.utilities.contains(&name) && !LIBRARIES.contains(&name.as_str()) {
                let what = format!("depends on the utility {name}");
                violations.push(Violation::new(&file.path, line, what));
            }
        }
    }
    violations
}

/// Members inherit what the workspace decides.
pub(super) fn inherited(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in members(tree) {
        let manifest = match file.text.parse::<Manifest>() {
            Ok(manifest) => manifest,
            Err(error) => {
                violations.push(Violation::new(&file.path, 1, error.message()));
                continue;
            }
        };
        let package = manifest.get("package").and_then(Item::as_table_like);
        for key in INHERITED {
            let item = package.and_then(|package| package.get(key));
            if !item.is_some_and(is_inherited) {
                let what = format!("package.{key} is not inherited from the workspace");
                violations.push(Violation::new(&file.path, 1, what));
            }
        }
        if !manifest.get("lints").is_some_and(is_inherited) {
            violations.push(Violation::new(&file.path, 1, "lints are not inherited from the workspace"));
        }
        for (name, is_inherited, line) in dependencies(file) {
            if !is_inherited {
                let what = format!("{name} is not `{name}.workspace = true`");
                violations.push(Violation::new(&file.path, line, what));
            }
        }
    }
    violations
}

/// Every dependency in the workspace's table is one of a member, and every dependency of a member is named in its code.
pub(super) fn used(tree: &Tree) -> Vec<Violation> {
    let mut violations = unused_in_table(tree);
    for file in members(tree) {
        let dir = file.path.trim_end_matches("Cargo.toml");
        let code = || tree.files.iter().filter(|file| file.path.starts_with(dir) && file.name().ends_with(".rs"));
        for (name, _, line) in dependencies(file) {
            let ident = name.replace('-', "_");
            if !code().any(|file| has_word(&file.text, &ident)) {
                violations.push(Violation::new(&file.path, line, format!("{name} is unused")));
            }
        }
    }
    violations
}

fn has_word(text: &str, word: &str) -> bool {
    let is_part = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    text.match_indices(word).any(|(at, _)| {
        let before = at.checked_sub(1).and_then(|at| text.as_bytes().get(at));
        !is_part(before) && !is_part(text.as_bytes().get(at + word.len()))
    })
}

fn unused_in_table(tree: &Tree) -> Vec<Violation> {
    let Some(file) = tree.file(ROOT) else {
        return vec![Violation::new(ROOT, 1, "is missing")];
    };
    let used: Vec<String> = members(tree).flat_map(dependencies).map(|(name, _, _)| name).collect();
    let Ok(manifest) = file.text.parse::<Manifest>() else {
        return vec![Violation::new(ROOT, 1, "is not valid TOML")];
    };
    let table =
        manifest.get("workspace").and_then(|workspace| workspace.get("dependencies")).and_then(Item::as_table_like);
    let Some(table) = table else {
        return Vec::new();
    };
    // Members are in the table, used by another one or not.
    let is_member = |item: &Item| item.get("path").is_some();
    table
        .iter()
        .filter(|(name, item)| !is_member(item) && !used.iter().any(|used| used == name))
        .map(|(name, _)| Violation::new(ROOT, line_of(file, table, name), format!("{name} is unused")))
        .collect()
}

/// The manifests of this workspace's members.
fn members(tree: &Tree) -> impl Iterator<Item = &File> {
    let is_root = |file: &File| file.text.lines().any(|line| line == "[workspace]");
    tree.files.iter().filter(move |file| file.name() == "Cargo.toml" && file.path != ROOT && !is_root(file))
}

fn is_inherited(item: &Item) -> bool {
    item.get("workspace").and_then(Item::as_bool) == Some(true)
}

/// Each dependency of a member: its name, whether it is inherited, its line.
fn dependencies(file: &File) -> Vec<(String, bool, usize)> {
    let mut found = Vec::new();
    let Ok(manifest) = file.text.parse::<Manifest>() else {
        return found;
    };
    let mut collect = |owner: &dyn TableLike| {
        for key in TABLES {
            if let Some(table) = owner.get(key).and_then(Item::as_table_like) {
                for (name, item) in table.iter() {
                    let line = line_of(file, table, name);
                    found.push((name.to_owned(), is_inherited(item), line));
                }
            }
        }
    };
    collect(manifest.as_table());
    let targets = manifest.get("target").and_then(Item::as_table_like);
    for (_, item) in targets.into_iter().flat_map(TableLike::iter) {
        if let Some(target) = item.as_table_like() {
            collect(target);
        }
    }
    found
}

fn line_of(file: &File, table: &dyn TableLike, name: &str) -> usize {
    let span = table.key(name).and_then(toml_edit::Key::span);
    let before = span.and_then(|span| file.text.get(..span.start));
    before.map_or(1, |before| before.matches('\n').count() + 1)
}

#[cfg(test)]
mod tests {
    use super::super::testing::violations;
    use super::*;

    const HEAD: &str = "[package]\nname = \"a\"\nversion.workspace = true\nedition.workspace = true\nrust-version.workspace = true\nlicense.workspace = true\n[lints]\nworkspace = true\n";

    fn member(rest: &str) -> String {
        format!("{HEAD}{rest}")
    }

    #[test]
    fn crate_that_uses_a_utility_is_found_and_xtask_may() {
        let uses = member("[dependencies]\nedge-x.workspace = true\n");
        let files = [("crates/edge-y/Cargo.toml", uses.as_str()), ("xtask/Cargo.toml", &uses)];
        assert_eq!(violations(floors, &files), ["crates/edge-y/Cargo.toml:10 depends on the utility edge-x"]);
    }

    #[test]
    fn library_that_uses_a_domain_library_is_found_and_a_utility_may() {
        let uses = member("[dependencies]\nedge-kubeedge.workspace = true\n");
        let files = [("crates/edge-y/Cargo.toml", uses.as_str()), ("crates/edge-x/Cargo.toml", &uses)];
        assert_eq!(violations(floors, &files), ["crates/edge-y/Cargo.toml:10 is a library below edge-kubeedge"]);
    }

    #[test]
    fn setting_that_is_not_inherited_is_found() {
        let own = member(
            "[dev-dependencies]\nclap = \"4\"\nnix = { workspace = true, features = [\"fs\"] }\n[target.'cfg(unix)'.dependencies]\ntar = \"1\"\n",
        );
        assert_eq!(
            violations(inherited, &[("crates/a/Cargo.toml", &own)]),
            [
                "crates/a/Cargo.toml:10 clap is not `clap.workspace = true`",
                "crates/a/Cargo.toml:13 tar is not `tar.workspace = true`"
            ]
        );
        for line in HEAD.lines().filter(|line| line.contains("workspace = true")) {
            let without: Vec<&str> = HEAD.lines().filter(|other| *other != line).collect();
            let without = without.join("\n");
            let found = violations(inherited, &[("crates/a/Cargo.toml", &without)]);
            assert_eq!(found.len(), 1, "{line}");
        }
        assert!(violations(inherited, &[("crates/a/Cargo.toml", HEAD)]).is_empty());
        // Another workspace inherits nothing from this one.
        assert!(violations(inherited, &[("a/Cargo.toml", "[package]\nname = \"a\"\n[workspace]\n")]).is_empty());
    }

    #[test]
    fn unused_dependency_is_found() {
        let root = "[workspace.dependencies]\na = { path = \"crates/a\" }\nclap = \"4\"\ntar = \"1\"\n";
        let uses = member("[dependencies]\nclap.workspace = true\n");
        let code = ("crates/a/src/lib.rs", "use clap::Parser;\n");
        let files = [("Cargo.toml", root), ("crates/a/Cargo.toml", uses.as_str()), code];
        assert_eq!(violations(used, &files), ["Cargo.toml:4 tar is unused"]);
        for code in ["let clap_of = 1;\n", "use a_clap::x;\n", ""] {
            let files = [("Cargo.toml", root), ("crates/a/Cargo.toml", uses.as_str()), ("crates/a/src/lib.rs", code)];
            let found = violations(used, &files);
            assert!(found.len() == 2 && found[1].ends_with(" clap is unused"), "{found:?}");
        }
        // The code of another member does not count.
        let files = [("Cargo.toml", root), ("crates/a/Cargo.toml", uses.as_str()), ("crates/b/src/lib.rs", "clap")];
        assert_eq!(violations(used, &files).len(), 2);
    }
}
