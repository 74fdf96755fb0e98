//! Which packages have examples in doc comments, that rustdoc tests.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;

use crate::dist::archive;
use crate::workspace::read;

/// The packages with an example in a doc comment, sorted.
pub(super) fn packages(crates: &Path) -> Result<Vec<String>> {
    let mut found = BTreeSet::new();
    for file in archive::files(crates)? {
        let package = file.iter().next().map(|name| name.to_string_lossy().into_owned());
        if file.extension().is_some_and(|extension| extension == "rs") {
            let text = String::from_utf8_lossy(&read(&crates.join(&file))?).into_owned();
            found.extend(package.filter(|_| has_example(&text)));
        }
    }
    Ok(found.into_iter().collect())
}

/// Whether a fenced block in a doc comment is Rust: it has no language, or that one.
fn has_example(text: &str) -> bool {
    let comments = text.lines().filter_map(|line| {
        let line = line.trim_start();
        line.strip_prefix("///").or_else(|| line.strip_prefix("//!"))
    });
    // Every other fence begins a block.
    let mut fences = comments.filter_map(|line| line.trim().strip_prefix("```")).step_by(2);
    fences.any(|language| language.is_empty() || language.starts_with("rust") || language.starts_with("no_run"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_is_a_block_without_a_language_or_in_rust() {
        for text in
            ["/// x\n/// ```\n/// f();\n/// ```\n", "//! ```text\n//! x\n//! ```\n    /// ```rust\n", "/// ```no_run\n"]
        {
            assert!(has_example(text), "{text}");
        }
        for text in ["", "/// ```text\n/// x\n/// ```\n", "// ```\n", "let fence = \"```\";\n"] {
            assert!(!has_example(text), "{text}");
        }
    }
}
