//! Rules about who touches the host, and by which names.

use super::{File, Offence, Tree};

/// What writes a file or starts a program.
const WRITERS: &[&str] = &[
    "std::process",
    "Command::new",
    "OpenOptions",
    "File::create",
    "File::options",
    "fs::write",
    "fs::remove",
    "fs::rename",
    "fs::copy",
    "fs::create_dir",
    "fs::hard_link",
    "fs::set_permissions",
    "DirBuilder",
    "unix::fs::symlink",
    "unix::fs::chown",
];

/// What downloads or reads an archive: without limits of its own.
const READERS: &[&str] = &["tar::Archive", "flate2::read", "flate2::bufread", "ureq::"];

/// The end of a process is no change to the host.
const NOT_WRITERS: &[&str] = &["std::process::ExitCode"];

/// What a plan must not ask.
const IMPURE: &[&str] =
    &["std::fs", "std::process", "std::env", "std::net", "SystemTime", "Instant", "rand::", "getrandom"];

/// The beginnings of paths on a host.
const HOST_PATHS: &[&str] = &["/etc", "/var", "/proc", "/run", "/sys", "/boot"];

/// The beginning of the paths of KubeEdge.
const KUBEEDGE: &str = "/etc/kubeedge";

/// Only edge-host writes files and starts programs.
pub(super) fn one_writer(tree: &Tree) -> Vec<Offence> {
    let others = |file: &&File| !file.path.starts_with("crates/edge-host/");
    tree.crates().filter(others).flat_map(|file| words(file, WRITERS, NOT_WRITERS)).collect()
}

/// std's deletion of a tree goes through bind mounts of the same file system, and those of any other.
pub(super) fn one_walker(tree: &Tree) -> Vec<Offence> {
    tree.crates().flat_map(|file| words(file, &["remove_dir_all"], &[])).collect()
}

/// Only edge-fetch downloads and reads archives.
pub(super) fn one_reader(tree: &Tree) -> Vec<Offence> {
    let others = |file: &&File| !file.path.starts_with("crates/edge-fetch/");
    tree.crates().filter(others).flat_map(|file| words(file, READERS, &[])).collect()
}

/// plan.rs, or the files of plan/, read nothing but their arguments.
pub(super) fn pure_plan(tree: &Tree) -> Vec<Offence> {
    tree.crates()
        .filter(|file| file.name() == "plan.rs" || file.path.contains("/src/plan/"))
        .flat_map(|file| words(file, IMPURE, NOT_WRITERS))
        .collect()
}

/// A host's paths stand in constants only.
pub(super) fn named_paths(tree: &Tree) -> Vec<Offence> {
    let mut offences = Vec::new();
    for file in tree.crates() {
        for (number, line) in file.shipped().filter(|(_, line)| !line.in_const) {
            for text in line.strings.iter().filter(|text| is_host_path(text)) {
                offences.push(Offence::new(&file.path, number, format!("{text:?}")));
            }
        }
    }
    offences
}

/// Where KubeEdge's files are is known in edge-kubeedge alone.
pub(super) fn kubeedge_paths(tree: &Tree) -> Vec<Offence> {
    let mut offences = Vec::new();
    for file in tree.crates().filter(|file| !file.path.starts_with("crates/edge-kubeedge/")) {
        for (number, line) in file.shipped() {
            for text in line.strings.iter().filter(|text| text.starts_with(KUBEEDGE)) {
                offences.push(Offence::new(&file.path, number, format!("{text:?}")));
            }
        }
    }
    offences
}

fn is_host_path(text: &str) -> bool {
    HOST_PATHS.iter().any(|top| {
        let rest = text.strip_prefix(top);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

fn words(file: &File, words: &[&str], but: &[&str]) -> Vec<Offence> {
    let mut offences = Vec::new();
    for (number, line) in file.shipped() {
        let mut code = line.code.clone();
        for allowed in but {
            code = code.replace(allowed, "");
        }
        if let Some(word) = words.iter().find(|word| code.contains(*word)) {
            offences.push(Offence::new(&file.path, number, *word));
        }
    }
    offences
}

#[cfg(test)]
mod tests {
    use super::super::testing::offences;
    use super::*;

    #[test]
    fn each_writer_outside_edge_host_is_found() {
        for word in WRITERS {
            let text = format!("//! x\nfn a() {{ {word} }}\n");
            let found = offences(one_writer, &[("crates/edge-x/src/lib.rs", &text)]);
            assert_eq!(found, [format!("crates/edge-x/src/lib.rs:2 {word}")]);
            for exempt in ["crates/edge-host/src/lib.rs", "xtask/src/a.rs", "tests/tests/a.rs"] {
                assert!(offences(one_writer, &[(exempt, &text)]).is_empty(), "{exempt}");
            }
        }
    }

    #[test]
    fn a_second_walker_is_found_in_edge_host_too() {
        let text =
            "//! x\nfn a() { fs::remove_dir_all(b) }\n#[cfg(test)]\nmod tests {\n    use std::fs::remove_dir_all;\n}\n";
        let found = offences(one_walker, &[("crates/edge-host/src/out.rs", text)]);
        assert_eq!(found, ["crates/edge-host/src/out.rs:2 remove_dir_all"]);
    }

    #[test]
    fn a_reader_of_archives_outside_edge_fetch_is_found() {
        for word in READERS {
            let text = format!("//! x\nuse {word};\n");
            let found = offences(one_reader, &[("crates/edge-x/src/lib.rs", &text)]);
            assert_eq!(found, [format!("crates/edge-x/src/lib.rs:2 {word}")]);
            for exempt in ["crates/edge-fetch/src/archive.rs", "xtask/src/a.rs", "tests/tests/a.rs"] {
                assert!(offences(one_reader, &[(exempt, &text)]).is_empty(), "{exempt}");
            }
        }
    }

    #[test]
    fn comments_strings_tests_and_exit_codes_write_nothing() {
        let text = "//! x\n// fs::write\nuse std::process::ExitCode;\nfn a() { b(\"fs::write\") }\n#[cfg(test)]\nmod tests {\n    use std::process;\n}\n";
        assert!(offences(one_writer, &[("crates/edge-x/src/lib.rs", text)]).is_empty());
    }

    #[test]
    fn each_impurity_in_a_plan_is_found() {
        for word in IMPURE {
            let text = format!("//! x\nfn a() {{ {word} }}\n");
            for path in ["crates/edge-x/src/plan.rs", "crates/edge-x/src/plan/a.rs"] {
                assert_eq!(offences(pure_plan, &[(path, &text)]).len(), 1, "{word}");
            }
            let elsewhere = [("crates/edge-x/src/facts.rs", text.as_str())];
            assert!(offences(pure_plan, &elsewhere).is_empty());
        }
    }

    #[test]
    fn a_path_of_kubeedge_outside_its_crate_is_found() {
        let text =
            "//! x\n/// /etc/kubeedge\nconst A: &str = \"/etc/kubeedge/a\";\nconst B: &str = \"see /etc/kubeedge\";\n";
        let found = offences(kubeedge_paths, &[("crates/edge-x/src/lib.rs", text)]);
        assert_eq!(found, ["crates/edge-x/src/lib.rs:3 \"/etc/kubeedge/a\""]);
        assert!(offences(kubeedge_paths, &[("crates/edge-kubeedge/src/paths.rs", text)]).is_empty());
    }

    #[test]
    fn a_path_outside_a_constant_is_found() {
        for path in HOST_PATHS {
            let bare = format!("//! x\nfn a() {{ b(\"{path}/c\"); }}\n");
            let named = format!("//! x\nconst C: &str = \"{path}/c\";\n");
            let file = "crates/edge-host/src/lib.rs";
            assert_eq!(offences(named_paths, &[(file, &bare)]), [format!("{file}:2 \"{path}/c\"")]);
            assert!(offences(named_paths, &[(file, &named)]).is_empty());
        }
        let prose = "//! x\nfn a() { b(\"/etcetera\"); c(\"reads /etc/d\"); }\n";
        assert!(offences(named_paths, &[("crates/edge-x/src/lib.rs", prose)]).is_empty());
    }
}
