//! Escapes text from outside for printing: nothing in a file name, a certificate or a message of a program can control
//! a terminal, begin a new line or reorder the text around it.
//!
//! A line is one value: several lines are split first, and each is escaped by itself.

use std::borrow::Cow;
use std::fmt::Write;

/// Characters that are not visible as such: controls (Cc), line and paragraph separators (Zl, Zp), formats (Cf: bidirectional
/// marks, embeddings and isolates, zero-width characters, tags), and the fillers and variation selectors that
/// Unicode calls ignorable. Sorted, both ends included.
const HIDDEN: [(char, char); 28] = [
    ('\0', '\u{1f}'),
    ('\u{7f}', '\u{9f}'),
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{600}', '\u{605}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{6dd}', '\u{6dd}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{890}', '\u{891}'),
    ('\u{8e2}', '\u{8e2}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{110bd}', '\u{110bd}'),
    ('\u{110cd}', '\u{110cd}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{16fe4}', '\u{16fe4}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

/// Whether a character is invisible or affects the text around it; a tab counts.
pub fn is_hidden(char: char) -> bool {
    let at = HIDDEN.partition_point(|(_, last)| *last < char);
    HIDDEN.get(at).is_some_and(|(first, _)| *first <= char)
}

/// A text on one line that is safe for a terminal: hidden characters become `\n`, `\r`, `\u{202e}` and so on. A tab
/// stays.
pub fn visible(text: &str) -> Cow<'_, str> {
    let escaped = |char: char| is_hidden(char) && char != '\t';
    if !text.contains(escaped) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        if escaped(char) { shown.extend(char.escape_default()) } else { shown.push(char) }
    }
    Cow::Owned(shown)
}

/// A JSON text that is safe for a terminal, with the same values. Hidden characters can only be in its strings, where
/// the low controls are escaped already.
pub(crate) fn visible_json(text: String) -> String {
    let escaped = |char: char| is_hidden(char) && char >= '\u{7f}';
    if !text.contains(escaped) {
        return text;
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        if !escaped(char) {
            shown.push(char);
            continue;
        }
        for unit in char.encode_utf16(&mut [0; 2]) {
            // Writing to a String cannot fail.
            let _ = write!(shown, "\\u{unit:04x}");
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visible_escapes_what_is_hidden_and_nothing_else() {
        for (text, want) in [
            ("a\x1b[31mb\u{7}\u{9b}c", "a\\u{1b}[31mb\\u{7}\\u{9b}c"),
            ("a\nedge-x: forged", "a\\nedge-x: forged"),
            ("a\rb\r\n", "a\\rb\\r\\n"),
            ("nul\0 del\u{7f} nel\u{85}", "nul\\u{0} del\\u{7f} nel\\u{85}"),
            ("\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}", "\\u{202a}\\u{202b}\\u{202c}\\u{202d}\\u{202e}"),
            ("\u{2066}\u{2067}\u{2068}\u{2069}", "\\u{2066}\\u{2067}\\u{2068}\\u{2069}"),
            ("\u{200e}\u{200f}\u{61c}", "\\u{200e}\\u{200f}\\u{61c}"),
            ("\u{200b}\u{200c}\u{200d}\u{2060}\u{feff}", "\\u{200b}\\u{200c}\\u{200d}\\u{2060}\\u{feff}"),
            ("\u{2028}\u{2029}", "\\u{2028}\\u{2029}"),
            ("\u{ad}\u{34f}\u{180e}\u{3164}\u{fe0f}", "\\u{ad}\\u{34f}\\u{180e}\\u{3164}\\u{fe0f}"),
            ("\u{e0001}\u{e0041}\u{e007f}\u{e0100}", "\\u{e0001}\\u{e0041}\\u{e007f}\\u{e0100}"),
            ("\u{fff9}\u{1d173}\u{110bd}", "\\u{fff9}\\u{1d173}\\u{110bd}"),
        ] {
            assert_eq!(visible(text), want);
        }
        for plain in
            ["", "\tü → „x“ … é e\u{301}", "日本語 한국어 עברית العربية हिन्दी", "\\n \\u{202e}", "😀", "\u{fffd}"]
        {
            assert!(matches!(visible(plain), Cow::Borrowed(same) if same == plain), "{plain:?}");
        }
    }

    #[test]
    fn is_hidden_knows_every_control_and_format_character() {
        assert!(HIDDEN.is_sorted_by(|one, next| one.0 <= one.1 && one.1 < next.0));
        // Rust's own table of what can be printed has none of Cc, Cf, Zl and Zp either.
        for char in ('\0'..=char::MAX).filter(|char| is_hidden(*char)) {
            let ignorable = ["\u{34f}\u{115f}\u{1160}\u{17b4}\u{17b5}\u{180b}\u{180c}\u{180d}\u{180f}\u{3164}\u{ffa0}"]
                .iter()
                .any(|all| all.contains(char));
            let selector = matches!(char, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' | '\u{16fe4}');
            let debug = format!("a{char}").escape_debug().to_string();
            assert!(ignorable || selector || debug != format!("a{char}"), "{}", char.escape_unicode());
        }
        for char in char::MIN..=char::MAX {
            assert!(!char.is_control() || is_hidden(char), "{}", char.escape_unicode());
        }
    }

    #[test]
    fn visible_json_means_the_same() {
        let text = "a\u{202e}b\u{9b}c\u{e0041}\n\"\\\u{7f}ü";
        let shown = visible_json(serde_json::Value::from(text).to_string());
        assert!(!shown.contains(is_hidden), "{shown:?}");
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
        assert!(shown.contains("\\u202e") && shown.contains("\\udb40\\udc41"), "{shown}");
    }
}
