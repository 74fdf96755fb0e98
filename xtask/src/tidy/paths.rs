//! Rules about pure plans and named paths.

use super::{File, Tree, Violation};

/// Exit codes do not make a plan impure.
const NOT_IMPURE: &[&str] = &["std::process::ExitCode"];

/// What a plan must not use.
const IMPURE: &[&str] =
    &["std::fs", "std::process", "std::env", "std::net", "SystemTime", "Instant", "rand::", "getrandom"];

/// Prefixes of paths on a host.
const HOST_PATHS: &[&str] = &["/etc", "/var", "/proc", "/run", "/sys", "/boot"];

/// Prefix of the paths of KubeEdge.
const KUBEEDGE: &str = "/etc/kubeedge";

/// plan.rs and the files of plan/ use only their arguments.
pub(super) fn pure_plan(tree: &Tree) -> Vec<Violation> {
    tree.crates()
        .filter(|file| file.name() == "plan.rs" || file.path.contains("/src/plan/"))
        .flat_map(|file| words(file, IMPURE, NOT_IMPURE))
        .collect()
}

/// Paths of a host are constants.
pub(super) fn named_paths(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in tree.crates() {
        for (number, line) in file.shipped().filter(|(_, line)| !line.in_const) {
            for text in line.strings.iter().filter(|text| is_host_path(text)) {
                violations.push(Violation::new(&file.path, number, format!("{text:?}")));
            }
        }
    }
    violations
}

/// Only edge-kubeedge knows the paths of KubeEdge.
pub(super) fn kubeedge_paths(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    // A manual page shows paths as text.
    let is_other = |file: &&File| !file.path.starts_with("crates/edge-kubeedge/") && !file.path.ends_with("/manual.rs");
    for file in tree.crates().filter(is_other) {
        for (number, line) in file.shipped() {
            for text in line.strings.iter().filter(|text| text.starts_with(KUBEEDGE)) {
                violations.push(Violation::new(&file.path, number, format!("{text:?}")));
            }
        }
    }
    violations
}

fn is_host_path(text: &str) -> bool {
    HOST_PATHS.iter().any(|top| {
        let rest = text.strip_prefix(top);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

fn words(file: &File, words: &[&str], but: &[&str]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (number, line) in file.shipped() {
        let mut code = line.code.clone();
        for allowed in but {
            code = code.replace(allowed, "");
        }
        if let Some(word) = words.iter().find(|word| code.contains(*word)) {
            violations.push(Violation::new(&file.path, number, *word));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::super::testing::violations;
    use super::*;

    #[test]
    fn impurity_in_a_plan_is_found() {
        for word in IMPURE {
            let text = format!("//! x\nfn a() {{ {word} }}\n");
            for path in ["crates/edge-x/src/plan.rs", "crates/edge-x/src/plan/a.rs"] {
                assert_eq!(violations(pure_plan, &[(path, &text)]).len(), 1, "{word}");
            }
            let elsewhere = [("crates/edge-x/src/facts.rs", text.as_str())];
            assert!(violations(pure_plan, &elsewhere).is_empty());
        }
    }

    #[test]
    fn path_of_kubeedge_outside_its_crate_is_found() {
        let text =
            "//! x\n/// /etc/kubeedge\nconst A: &str = \"/etc/kubeedge/a\";\nconst B: &str = \"see /etc/kubeedge\";\n";
        let found = violations(kubeedge_paths, &[("crates/edge-x/src/lib.rs", text)]);
        assert_eq!(found, ["crates/edge-x/src/lib.rs:3 \"/etc/kubeedge/a\""]);
        assert!(violations(kubeedge_paths, &[("crates/edge-kubeedge/src/paths.rs", text)]).is_empty());
    }

    #[test]
    fn path_outside_a_constant_is_found() {
        for path in HOST_PATHS {
            let bare = format!("//! x\nfn a() {{ b(\"{path}/c\"); }}\n");
            let named = format!("//! x\nconst C: &str = \"{path}/c\";\n");
            let file = "crates/edge-host/src/lib.rs";
            assert_eq!(violations(named_paths, &[(file, &bare)]), [format!("{file}:2 \"{path}/c\"")]);
            assert!(violations(named_paths, &[(file, &named)]).is_empty());
        }
        let prose = "//! x\nfn a() { b(\"/etcetera\"); c(\"reads /etc/d\"); }\n";
        assert!(violations(named_paths, &[("crates/edge-x/src/lib.rs", prose)]).is_empty());
    }
}
