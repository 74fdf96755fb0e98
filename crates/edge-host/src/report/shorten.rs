//! Shortens the arguments of a call that an error repeats: a line of thousands of characters hides what is wrong.

use crate::visible::visible;

/// Longer arguments are shortened.
const MAX_CHARS: usize = 80;
/// What is printed of them.
const SHOWN_CHARS: usize = 60;
/// Paths stay as they are, to be used in a command.
const PATH_STARTS: [&str; 3] = ["/", "./", "../"];

/// The message of an error, with long arguments cut.
pub(super) fn shortened(message: &str, args: impl IntoIterator<Item = String>) -> String {
    let mut message = message.to_owned();
    if message.len() <= MAX_CHARS {
        return message;
    }
    for arg in args {
        // A message may repeat only the value of NAME=VALUE, or one item of a list.
        let value = arg.split_once('=').map_or("", |(_, value)| value);
        for part in [arg.as_str(), value].into_iter().chain(arg.split([',', '=', ' '])) {
            let is_path = PATH_STARTS.iter().any(|start| part.starts_with(start));
            if is_path || part.chars().count() <= MAX_CHARS {
                continue;
            }
            // As it is, and as the quoted text of a message has it.
            for whole in [visible(part).into_owned(), part.escape_debug().to_string()] {
                let cut: String = whole.chars().take(SHOWN_CHARS).collect();
                message = message.replace(&whole, &format!("{cut}…"));
            }
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(message: &str, args: &[&str]) -> String {
        shortened(message, args.iter().map(|arg| (*arg).to_owned()))
    }

    #[test]
    fn long_arguments_are_cut_and_nothing_else() {
        let (long, cut) = ("x".repeat(5000), format!("{}…", "x".repeat(60)));
        for (arg, text, want) in [
            (long.clone(), format!("{long:?} is not a valid CIDR"), format!("\"{cut}\" is not a valid CIDR")),
            (format!("--days={long}"), format!("invalid value '{long}'"), format!("invalid value '{cut}'")),
            (format!("a,{long}"), format!("cannot use {long}"), format!("cannot use {cut}")),
            (format!("k={long}=y"), format!("cannot set k to {long}=y"), format!("cannot set k to {cut}")),
            (
                format!("\n{long}"),
                format!("{:?} is bad", format!("\n{long}")),
                format!("\"\\n{}…\" is bad", &long[..58]),
            ),
        ] {
            assert_eq!(of(&text, &[&arg]), want);
        }
        let path = format!("/{long}");
        assert_eq!(of(&format!("cannot read {path}"), &[&path]), format!("cannot read {path}"));
        // Only arguments: the checksum of a file is whole.
        assert_eq!(of(&long, &["install"]), long);
        let short = "y".repeat(80);
        assert_eq!(of(&format!("cannot use {short}"), &[&short]), format!("cannot use {short}"));
        // Cut between characters.
        let wide = "ü€".repeat(50);
        assert_eq!(of(&format!("cannot use {wide}"), &[&wide]), format!("cannot use {}…", "ü€".repeat(30)));
    }
}
