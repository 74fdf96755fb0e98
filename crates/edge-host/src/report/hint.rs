//! Completes the commands in hints with the options that name what this call works on.
//!
//! A hint must work as printed: without `--root DIR`, a command found in an image would change the running host.

mod image;

/// What comes before a command in a hint, if it does not begin the hint. A command for another host follows a plain
/// word instead.
const BEFORE_COMMAND: [&str; 5] = [": ", "sudo ", "| ", "`", "("];
/// The start of the name of every utility.
const NAME: &str = "edge-";

/// The options of a call that the commands in its hints repeat, each with a leading blank; empty for none.
#[derive(Debug, Default)]
pub(super) struct Options {
    /// `--root DIR`, for every utility.
    pub(super) root: String,
    /// For this utility alone: `--file PATH`.
    pub(super) own: String,
    /// The image, as a shell word; none for the running system.
    pub(super) image: Option<String>,
}

impl Options {
    /// The hint as it works for this call; none if there is nothing to do in an image.
    pub(super) fn complete(&self, tool: &str, hint: &str) -> Option<String> {
        let hint = self.repeated(tool, hint);
        match &self.image {
            Some(dir) => image::hint_for(dir, &hint),
            None => Some(hint),
        }
    }

    fn repeated(&self, tool: &str, hint: &str) -> String {
        let mut completed = String::with_capacity(hint.len());
        let mut rest = 0;
        for (at, _) in hint.match_indices(NAME) {
            let (before, command) = hint.split_at(at);
            if !before.is_empty() && !BEFORE_COMMAND.iter().any(|text| before.ends_with(text)) {
                continue;
            }
            let end = command.find(['`', '|', ';', ')']).unwrap_or(command.len());
            let Some((name, words)) = command[..end].split_once(' ') else { continue };
            completed.push_str(&hint[rest..at + name.len()]);
            rest = at + name.len();
            let is_given = |option: &str| option.split_whitespace().next().is_none_or(|name| words.contains(name));
            if !is_given(&self.root) {
                completed.push_str(&self.root);
            }
            // A run is undone by its number, whatever it worked on.
            if name == tool && !words.starts_with("undo") && !is_given(&self.own) {
                completed.push_str(&self.own);
            }
        }
        completed + &hint[rest..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hint_repeats_the_options_of_the_call_in_its_commands() {
        let options = Options { root: " --root /img".to_owned(), own: " --file a.yaml".to_owned(), image: None };
        for (hint, want) in [
            ("edge-prep apply --swap off", "edge-prep --root /img apply --swap off"),
            ("edge-conf set a=1", "edge-conf --root /img --file a.yaml set a=1"),
            ("set it: edge-conf --file b set a=1", "set it: edge-conf --root /img --file b set a=1"),
            ("revert it: edge-conf undo; or wait", "revert it: edge-conf --root /img undo; or wait"),
            (
                "configure it: edge-crio settings | edge-conf enable crio -",
                "configure it: edge-crio --root /img settings | edge-conf --root /img --file a.yaml enable crio -",
            ),
            ("first (edge-apt wait)", "first (edge-apt --root /img wait)"),
            ("then `edge-cni check`", "then `edge-cni --root /img check`"),
            ("edge-redirect --root /x add", "edge-redirect --root /x add"),
            ("on the edge nodes, use edge-conf enable logs", "on the edge nodes, use edge-conf enable logs"),
            ("remove /usr/bin/edge-redirect or edge-x.service", "remove /usr/bin/edge-redirect or edge-x.service"),
        ] {
            assert_eq!(options.complete("edge-conf", hint).as_deref(), Some(want));
            assert_eq!(Options::default().complete("edge-conf", hint).as_deref(), Some(hint));
        }
    }
}
