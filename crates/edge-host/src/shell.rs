//! Words as a shell takes them, for commands that are shown.

/// A word, in quotes where it needs them.
pub fn quoted(word: &str) -> String {
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "-_=./:,@%+*".contains(char);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_are_quoted_as_a_shell_takes_them() {
        let words = ["set", "a.b=c", "", "x y", "it's", "***"].map(quoted);
        assert_eq!(words.join(" "), r"set a.b=c '' 'x y' 'it'\''s' ***");
    }
}
