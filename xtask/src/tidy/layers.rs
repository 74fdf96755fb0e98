//! The order of edge-host's modules.

use super::{Tree, Violation};

/// Bottom up; modules of one row do not use each other.
const LAYERS: &[&[&str]] = &[
    &["root", "cmd", "lock", "exit", "program"],
    &["action", "arch"],
    &["plan", "journal", "report"],
    &["apply"],
    &["undo"],
];

const SRC: &str = "crates/edge-host/src/";

/// No module of edge-host uses one above it.
pub(super) fn edge_host(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in tree.crates() {
        let Some(inner) = file.path.strip_prefix(SRC) else {
            continue;
        };
        let module = inner.split(['/', '.']).next().unwrap_or(inner);
        let Some(own) = layer(module) else { continue };
        for (number, line) in file.shipped() {
            for used in used_modules(&line.code) {
                if layer(used).is_some_and(|of_used| of_used > own) {
                    let what = format!("{module} uses {used}, a higher layer");
                    violations.push(Violation::new(&file.path, number, what));
                }
            }
        }
    }
    violations
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// The modules named as `crate::module` or `crate::{module, module::x}` in a line.
fn used_modules(code: &str) -> Vec<&str> {
    let mut used = Vec::new();
    for (at, prefix) in code.match_indices("crate::") {
        let rest = code.get(at + prefix.len()..).unwrap_or_default();
        match rest.strip_prefix('{') {
            Some(group) => used.extend(group.split(',').map(first_word)),
            None => used.push(first_word(rest)),
        }
    }
    used
}

fn first_word(text: &str) -> &str {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::super::testing::violations;
    use super::*;

    #[test]
    fn upward_use_is_found_in_every_layer() {
        for (low, high) in LAYERS.iter().zip(LAYERS.iter().skip(1)) {
            for (low, high) in low.iter().flat_map(|l| high.iter().map(move |h| (l, h))) {
                let up = format!("//! x\nuse crate::{high}::X;\n");
                let down = format!("//! x\nuse crate::{{error, {low}::X}};\n");
                let (low_file, high_file) = (format!("{SRC}{low}.rs"), format!("{SRC}{high}/a.rs"));
                let found = violations(edge_host, &[(&low_file, &up), (&high_file, &down)]);
                let expected = format!("{low_file}:2 {low} uses {high}, a higher layer");
                assert_eq!(found, [expected]);
            }
        }
    }

    #[test]
    fn groups_and_tests_are_understood() {
        let grouped = "//! x\nuse crate::{exit::Exit, undo};\n";
        assert_eq!(violations(edge_host, &[("crates/edge-host/src/root/a.rs", grouped)]).len(), 1);
        let in_test = "//! x\n#[cfg(test)]\nmod tests {\n    use crate::undo;\n}\n";
        assert!(violations(edge_host, &[("crates/edge-host/src/root.rs", in_test)]).is_empty());
    }
}
