//! Rules about whole files: first line, size, placeholders, and required pages.

use super::{Tree, Violation};

const MAX_LINES: usize = 400;
const MAX_SCRIPT_LINES: usize = 150;

/// Marks of unfinished work; split so that this file does not contain them.
const UNFINISHED: &[&str] = &[
    concat!("to", "do!("),
    concat!("un", "implemented!("),
    concat!("d", "bg!("),
    concat!("FIX", "ME"),
    concat!("X", "XX "),
];

/// Prefixes of paths on a developer's machine.
const MACHINE_PATHS: &[&str] = &[concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/t", "mp/")];

/// Every Rust file begins with `//!`.
pub(super) fn module_doc(tree: &Tree) -> Vec<Violation> {
    tree.files
        .iter()
        .filter(|file| file.rust.is_some() && !file.text.starts_with("//!"))
        .map(|file| Violation::new(&file.path, 1, "does not begin with //!"))
        .collect()
}

/// No Rust file has more than 400 lines.
pub(super) fn file_size(tree: &Tree) -> Vec<Violation> {
    let sources = tree.files.iter().filter(|file| file.rust.is_some());
    let sized = sources.map(|file| (file, file.text.lines().count()));
    sized
        .filter(|(_, lines)| *lines > MAX_LINES)
        .map(|(file, lines)| Violation::new(&file.path, lines, format!("{lines} lines")))
        .collect()
}

/// No placeholders anywhere, no paths of a developer's machine in shipped code.
pub(super) fn unfinished(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in &tree.files {
        for (number, line) in (1..).zip(file.text.lines()) {
            let found = UNFINISHED.iter().find(|phrase| line.contains(*phrase));
            if let Some(phrase) = found {
                violations.push(Violation::new(&file.path, number, *phrase));
            }
        }
        for (number, line) in file.shipped() {
            let is_bad =
                |text: &&String| MACHINE_PATHS.iter().any(|path| text.starts_with(path) && text.len() > path.len());
            if let Some(text) = line.strings.iter().find(is_bad) {
                violations.push(Violation::new(&file.path, number, format!("{text:?}")));
            }
        }
    }
    violations
}

/// Scripts are short, POSIX sh, and stop at an error.
pub(super) fn scripts(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for file in &tree.files {
        let is_script = file.path.starts_with("scripts/") && file.path.ends_with(".sh");
        if is_script {
            let lines = file.text.lines().count();
            if lines > MAX_SCRIPT_LINES {
                violations.push(Violation::new(&file.path, lines, format!("{lines} lines")));
            }
            if !file.text.starts_with("#!/bin/sh\n") {
                violations.push(Violation::new(&file.path, 1, "does not begin with #!/bin/sh"));
            }
            if !file.text.lines().any(|line| line.starts_with("set -e")) {
                violations.push(Violation::new(&file.path, 1, "has no `set -e` or `set -eu`"));
            }
        } else if file.text.starts_with("#!") && file.text.lines().count() > MAX_SCRIPT_LINES {
            violations.push(Violation::new(&file.path, 1, format!("a script over {MAX_SCRIPT_LINES} lines")));
        }
    }
    violations
}

/// docs/<utility>.md, and the utility's name in a row of the README's table.
pub(super) fn docs(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    let readme = tree.file("README.md").map_or("", |file| &file.text);
    for utility in &tree.utilities {
        let page = format!("docs/{utility}.md");
        if tree.file(&page).is_none() {
            violations.push(Violation::new(&page, 1, "is missing: cargo xtask man"));
        }
        let has_row = readme.lines().any(|line| line.starts_with('|') && line.contains(utility));
        if !has_row {
            let what = format!("no row for {utility} in its table");
            violations.push(Violation::new("README.md", 1, what));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::super::testing::violations;
    use super::*;

    #[test]
    fn file_without_its_first_line_is_found() {
        let files = [("a.rs", "//! a\n"), ("b.rs", "fn b() {}\n"), ("c.md", "c")];
        assert_eq!(violations(module_doc, &files), ["b.rs:1 does not begin with //!"]);
    }

    #[test]
    fn long_file_is_found() {
        let lines = |count: usize| "//! x\n".repeat(count);
        let (fits, long) = (lines(400), lines(401));
        let files = [("a.rs", fits.as_str()), ("b.rs", &long), ("c.md", &long)];
        assert_eq!(violations(file_size, &files), ["b.rs:401 401 lines"]);
    }

    #[test]
    fn placeholder_is_found() {
        for phrase in UNFINISHED {
            let text = format!("//! x\nfn a() {{ {phrase} }}\n");
            assert_eq!(violations(unfinished, &[("a.rs", &text)]).len(), 1, "{phrase}");
        }
        assert!(violations(unfinished, &[("a.rs", "//! x\nfn a() { b() }\n")]).is_empty());
    }

    #[test]
    fn paths_of_one_machine_are_found_where_they_ship() {
        for path in MACHINE_PATHS {
            let line = format!("fn a() {{ b(\"{path}x\"); }}\n");
            let test = format!("#[cfg(test)]\nmod tests {{\n{line}}}\n");
            let files = [("a.rs", line.as_str()), ("b.rs", &test), ("tests/c.rs", &line)];
            let found = violations(unfinished, &files);
            assert_eq!(found, [format!("a.rs:1 \"{path}x\"")]);
        }
    }

    #[test]
    fn long_bash_and_careless_scripts_are_found() {
        let good = "#!/bin/sh\nset -eu\ntrue\n";
        let long = format!("{good}{}", "true\n".repeat(148));
        let files = [
            ("scripts/good.sh", good),
            ("scripts/long.sh", long.as_str()),
            ("scripts/bash.sh", "#!/bin/bash\nset -eu\n"),
            ("scripts/loose.sh", "#!/bin/sh\ntrue\n"),
            ("elsewhere", &long),
        ];
        assert_eq!(
            violations(scripts, &files),
            [
                "scripts/long.sh:151 151 lines",
                "scripts/bash.sh:1 does not begin with #!/bin/sh",
                "scripts/loose.sh:1 has no `set -e` or `set -eu`",
                "elsewhere:1 a script over 150 lines",
            ]
        );
    }

    #[test]
    fn utility_without_page_or_row_is_found() {
        let whole = [("docs/edge-x.md", ""), ("README.md", "| edge-x | does x |")];
        assert!(violations(docs, &whole).is_empty());
        assert_eq!(
            violations(docs, &[("README.md", "edge-x outside a table")]),
            ["docs/edge-x.md:1 is missing: cargo xtask man", "README.md:1 no row for edge-x in its table"]
        );
    }
}
