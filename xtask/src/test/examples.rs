//! Which packages have examples in doc comments, that rustdoc tests.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;

use crate::dist::archive;
use crate::workspace::read;

/// Languages of blocks that rustdoc does not test. Whatever else a fence says, such as `should_panic`, it is Rust.
const OTHERS: [&str; 6] = ["console", "json", "sh", "text", "toml", "yaml"];

/// The packages with an example in a doc comment, sorted; xtask has no library.
pub(super) fn packages(root: &Path) -> Result<Vec<String>> {
    let mut found = BTreeSet::new();
    for dir in ["crates", "tests/src"] {
        for file in archive::files(&root.join(dir))? {
            if file.extension().is_some_and(|extension| extension == "rs")
                && has_example(&String::from_utf8_lossy(&read(&root.join(dir).join(&file))?))
            {
                let first = file.iter().next().unwrap_or_default().to_string_lossy().into_owned();
                found.insert(if dir == "crates" { first } else { "edgeutils-tests".to_owned() });
            }
        }
    }
    Ok(found.into_iter().collect())
}

/// Whether a doc comment has a fenced block that rustdoc tests.
fn has_example(text: &str) -> bool {
    let comments = text.lines().filter_map(|line| {
        let line = line.trim_start();
        line.strip_prefix("///").or_else(|| line.strip_prefix("//!"))
    });
    // Every other fence begins a block.
    let mut fences = comments.filter_map(|line| line.trim().strip_prefix("```")).step_by(2);
    fences.any(|language| !OTHERS.contains(&language))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_is_a_block_without_a_language_or_in_rust() {
        for text in [
            "/// x\n/// ```\n/// f();\n/// ```\n",
            "//! ```text\n//! x\n//! ```\n    /// ```rust\n",
            "/// ```should_panic\n",
        ] {
            assert!(has_example(text), "{text}");
        }
        for text in ["", "/// ```text\n/// x\n/// ```\n", "// ```\n", "let fence = \"```\";\n"] {
            assert!(!has_example(text), "{text}");
        }
    }
}
