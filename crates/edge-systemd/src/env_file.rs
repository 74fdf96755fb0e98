//! Parses files of `EnvironmentFile=`, whose syntax is similar to that of the shell and has no specifiers.

use crate::words::is_variable_name;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Comment,
    CommentEscape,
    Key,
    BeforeValue,
    Value,
    Escape,
    Single,
    Double,
    DoubleEscape,
}

/// The variables of a file, each with the line where it begins; none for a file that is not UTF-8.
pub(crate) fn parse(bytes: &[u8]) -> Vec<(String, String, usize)> {
    use State::{BeforeValue, Comment, CommentEscape, Double, DoubleEscape, Escape, Key, Single, Start, Value};
    let Ok(text) = std::str::from_utf8(bytes) else { return Vec::new() };
    let (mut all, mut state, mut line) = (Vec::new(), Start, 1);
    let (mut key, mut value, mut begins) = (String::new(), String::new(), 1);
    // The length of an unquoted value without trailing blanks.
    let mut kept = 0;
    for char in text.chars() {
        let is_end = matches!(char, '\n' | '\r');
        let is_blank = matches!(char, ' ' | '\t') || is_end;
        state = match state {
            Start if matches!(char, '#' | ';') => Comment,
            Start if is_blank => Start,
            Start => {
                begins = line;
                key = String::from(char);
                value.clear();
                Key
            }
            Comment if char == '\\' => CommentEscape,
            Comment | CommentEscape if is_end => Start,
            // Up to systemd 253 a backslash at its end continues a comment on the next line.
            Comment | CommentEscape => Comment,
            Key if is_end => Start,
            Key if char == '=' => BeforeValue,
            Key => {
                key.push(char);
                Key
            }
            BeforeValue | Value if is_end => {
                if state == Value {
                    value.truncate(kept);
                }
                all.push((std::mem::take(&mut key), std::mem::take(&mut value), begins));
                Start
            }
            BeforeValue if char == '\'' => Single,
            BeforeValue if char == '"' => Double,
            BeforeValue if is_blank => BeforeValue,
            BeforeValue | Value if char == '\\' => Escape,
            BeforeValue | Value => {
                value.push(char);
                if !is_blank {
                    kept = value.len();
                }
                Value
            }
            Escape => {
                if !is_end {
                    value.push(char);
                }
                kept = value.len();
                Value
            }
            Single | Double if char == if state == Single { '\'' } else { '"' } => BeforeValue,
            Double if char == '\\' => DoubleEscape,
            Single | Double => {
                value.push(char);
                state
            }
            DoubleEscape => {
                match char {
                    '"' | '\\' | '`' | '$' => value.push(char),
                    '\n' => {}
                    other => value.extend(['\\', other]),
                }
                Double
            }
        };
        line += usize::from(char == '\n');
    }
    if !matches!(state, Start | Comment | CommentEscape | Key) {
        if state == Value {
            value.truncate(kept);
        }
        all.push((key, value, begins));
    }
    let trimmed = all.into_iter().map(|(key, value, line)| (key.trim_end().to_owned(), value, line));
    trimmed.filter(|(key, _, _)| is_variable_name(key)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_reads_what_systemd_reads() {
        let text = "# c\n; c\nA=1\nB=\"a b\" c 'd'  \n C = x\\\ny\nD='a\\n\"q\"'\nE=\"a\\n\\\"q\\$\\\\\"\nF=a\\nb # c\nG\n=H\n\
                    I==1\nJ=\"multi\nline\"\n1K=no\nM=%n $A\nN=a\rO=b\nP=unterminated \"x";
        let shown: Vec<String> =
            parse(text.as_bytes()).into_iter().map(|(key, value, line)| format!("{line} {key}={value}")).collect();
        assert_eq!(
            shown,
            [
                "3 A=1",
                "4 B=a bc 'd'",
                "5 C=xy",
                "7 D=a\\n\"q\"",
                "8 E=a\\n\"q$\\",
                "9 F=anb # c",
                "12 I==1",
                "13 J=multi\nline",
                "16 M=%n $A",
                "17 N=a",
                "17 O=b",
                "18 P=unterminated \"x",
            ]
        );
        assert!(parse(b"A=1\nB=\xff\n").is_empty());
    }
}
