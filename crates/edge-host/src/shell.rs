//! Quotes words for a shell, for commands that are printed.

/// A word, quoted if needed.
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
    fn quoted_words_are_read_back_by_a_shell() {
        let words = ["set", "a.b=c", "", "x y", "it's", "***"].map(quoted);
        assert_eq!(words.join(" "), r"set a.b=c '' 'x y' 'it'\''s' ***");
    }
}
