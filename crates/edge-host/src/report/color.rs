//! Colors of key words: on a terminal only, and never in records.

use std::io::IsTerminal;

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;

pub(super) const ERROR: Style = AnsiColor::Red.on_default().bold();
pub(super) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
pub(super) const NOTE: Style = AnsiColor::Cyan.on_default().bold();
pub(super) const HINT: Style = AnsiColor::Green.on_default().bold();

/// When output is in color.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set or TERM is dumb
    #[default]
    Auto,
    /// Also in files and pipes
    Always,
    /// Never
    Never,
}

impl Color {
    pub(super) fn is_for(self, stream: &impl IsTerminal) -> bool {
        match self {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                // https://no-color.org: an empty value counts as unset.
                let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                stream.is_terminal() && !no_color && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
            }
        }
    }
}

/// A word, in color if `is_colored`.
pub(super) fn painted(word: &str, style: Style, is_colored: bool) -> String {
    if is_colored { format!("{style}{word}{style:#}") } else { word.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colors_are_for_terminals_unless_always() {
        let file = tempfile::tempfile().unwrap();
        assert!(Color::Always.is_for(&file));
        assert!(!Color::Never.is_for(&file) && !Color::Auto.is_for(&file));
    }

    #[test]
    fn painted_resets_the_color() {
        assert_eq!(painted("error", ERROR, true), "\u{1b}[1m\u{1b}[31merror\u{1b}[0m");
        assert_eq!(painted("error", ERROR, false), "error");
    }
}
