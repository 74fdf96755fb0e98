//! `xtask tidy`: checks invariants of the source that are visible in its text.
//!
//! Clippy checks who writes files, starts programs, deletes trees and reads archives: crates/clippy.toml.

mod language;
mod layers;
mod manifests;
mod msrv;
mod pages;
mod paths;
mod source;
mod texts;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

use self::source::Source;
use crate::sh::Sh;
use crate::workspace::Workspace;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Print each rule with its reason, and check nothing
    #[arg(long)]
    list: bool,
}

/// An invariant of the tree, and its reason.
struct Rule {
    name: &'static str,
    reason: &'static str,
    check: fn(&Tree) -> Vec<Violation>,
}

/// A violation of a rule.
#[derive(Debug, PartialEq, Eq)]
struct Violation {
    path: String,
    line: usize,
    what: String,
}

impl Violation {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Violation {
        Violation { path: path.to_owned(), line, what: what.into() }
    }
}

const RULES: &[Rule] = &[
    Rule { name: "module-doc", reason: "every Rust file begins with its purpose", check: texts::module_doc },
    Rule { name: "file-size", reason: "a file can be read in one sitting: 400 lines at most", check: texts::file_size },
    Rule {
        name: "unfinished",
        reason: "commits are finished, and contain no path of a developer's machine",
        check: texts::unfinished,
    },
    Rule {
        name: "scripts",
        reason: "shell is for glue: POSIX sh, 150 lines at most, stops at an error",
        check: texts::scripts,
    },
    Rule {
        name: "language",
        reason: "texts use plain words: no phrase that CONTRIBUTING.md bans",
        check: language::banned,
    },
    Rule { name: "links", reason: "a link in a page is to a file, and to a heading of it", check: pages::links },
    Rule {
        name: "calls",
        reason: "a command in a page is one that its program's command line accepts",
        check: pages::calls,
    },
    Rule { name: "docs", reason: "every utility has a page in docs and a row in the README", check: texts::docs },
    Rule {
        name: "pure-plan",
        reason: "a plan depends only on its facts: no files, programs, clock or randomness in plan.rs",
        check: paths::pure_plan,
    },
    Rule {
        name: "named-paths",
        reason: "an absolute path is a named constant, so every access goes through the root",
        check: paths::named_paths,
    },
    Rule { name: "kubeedge", reason: "only edge-kubeedge knows the paths of KubeEdge", check: paths::kubeedge_paths },
    Rule { name: "layers", reason: "a layer of edge-host uses only those below", check: layers::edge_host },
    Rule {
        name: "floors",
        reason: "no crate depends on one of the same or a higher layer; utilities work together through pipes",
        check: manifests::floors,
    },
    Rule {
        name: "inherited",
        reason: "versions, edition and lints are set in one place, the workspace's Cargo.toml",
        check: manifests::inherited,
    },
    Rule {
        name: "rust-version",
        reason: "no dependency needs a newer Rust than the stated one; clippy's incompatible_msrv holds our own code to it",
        check: msrv::rust_version,
    },
    Rule { name: "used", reason: "a dependency that no member or no code uses is removed", check: manifests::used },
];

/// The tracked text files, and the utilities that cargo knows.
#[derive(Default)]
struct Tree {
    files: Vec<File>,
    utilities: Vec<String>,
    crates_used: Vec<msrv::Crate>,
}

/// A text file: its path in the workspace, its text, and as Rust if it is.
struct File {
    path: String,
    text: String,
    rust: Option<Source>,
}

impl File {
    fn new(path: &str, text: &str) -> File {
        let rust = Path::new(path).extension().is_some_and(|ext| ext == "rs");
        File { path: path.to_owned(), text: text.to_owned(), rust: rust.then(|| Source::parse(text)) }
    }

    fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// True if all of the file is test code.
    fn is_test(&self) -> bool {
        let of_tests = |part: &str| ["tests", "tests.rs", "testing", "testing.rs"].contains(&part);
        self.path.split('/').any(of_tests)
    }

    /// The code lines that ship: number from 1, and the line.
    fn shipped(&self) -> impl Iterator<Item = (usize, &source::Line)> {
        let lines = match &self.rust {
            Some(source) if !self.is_test() => source.lines.as_slice(),
            _ => &[],
        };
        (1..).zip(lines).filter(|(_, line)| !line.in_test)
    }
}

impl Tree {
    /// The files that git tracks or would track.
    fn read(workspace: &Workspace) -> Result<Tree> {
        let listed = Sh::new("git ls-files --cached --others --exclude-standard -z").dir(&workspace.root).capture()?;
        let mut files = Vec::new();
        for path in listed.split('\0').filter(|path| !path.is_empty()) {
            // A file deleted but not yet committed, or one that is not text, has nothing to check.
            if let Ok(text) = std::fs::read_to_string(workspace.root.join(path)) {
                files.push(File::new(path, &text));
            }
        }
        let metadata = Sh::new("cargo metadata --format-version 1 --locked").dir(&workspace.root).capture()?;
        let crates_used = msrv::crates(&serde_json::from_str(&metadata)?);
        Ok(Tree { files, utilities: workspace.utilities.clone(), crates_used })
    }

    /// The Rust files of the libraries and utilities.
    fn crates(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.starts_with("crates/") && file.rust.is_some())
    }

    fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    if args.list {
        for rule in RULES {
            println!("{:<12} {}", rule.name, rule.reason);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let tree = Tree::read(workspace)?;
    let mut broken = 0;
    for rule in RULES {
        let violations = (rule.check)(&tree);
        for violation in &violations {
            println!("{}:{}: {} [{}]", violation.path, violation.line, violation.what, rule.name);
        }
        if !violations.is_empty() {
            println!("  {}: {}", rule.name, rule.reason);
        }
        broken += violations.len();
    }
    println!("{} rules, {} files, {broken} violations", RULES.len(), tree.files.len());
    Ok(ExitCode::from(u8::from(broken > 0)))
}

#[cfg(test)]
mod testing {
    use super::*;

    /// The violations of a rule on a tree of these files, as `path:line what`.
    pub(crate) fn violations(check: fn(&Tree) -> Vec<Violation>, files: &[(&str, &str)]) -> Vec<String> {
        let tree = Tree {
            files: files.iter().map(|(path, text)| File::new(path, text)).collect(),
            utilities: vec!["edge-x".to_owned()],
            ..Tree::default()
        };
        check(&tree)
            .into_iter()
            .map(|violation| format!("{}:{} {}", violation.path, violation.line, violation.what))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_have_their_own_names() {
        let mut names: Vec<&str> = RULES.iter().map(|rule| rule.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), RULES.len());
    }
}
