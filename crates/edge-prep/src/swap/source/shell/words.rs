//! Splits the text of a shell script into commands and their words, without expanding anything.
//!
//! The lines of a here-document are the input of a command, and no commands of this script.

/// Here-documents without an end that are searched for one: the search reads the rest of the script.
const MOST_WITHOUT_END: usize = 64;

/// A command, or a here-document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ShellCommand {
    /// Its line, from 0; of a here-document, its first one.
    pub(super) line: usize,
    /// Its words without quotes; of a here-document, those of all commands in the line that has it.
    pub(super) words: Vec<String>,
    /// What separates it from the command before: `;`, `&&`, a newline.
    pub(super) before: String,
    /// How many brackets are open: `(date; exit)`.
    pub(super) subshells: usize,
    /// The text of a here-document.
    pub(super) here_document: Option<String>,
}

/// The commands of a script in their order, each here-document after those of its line.
pub(super) fn commands(text: &str) -> Vec<ShellCommand> {
    let mut reader = Reader { rest: text, ..Reader::default() };
    reader.read();
    reader.all
}

#[derive(Default)]
struct Reader<'t> {
    /// What was not read yet.
    rest: &'t str,
    all: Vec<ShellCommand>,
    /// The command that is being read.
    now: ShellCommand,
    word: Option<String>,
    line: usize,
    /// The first command of this line in `all`.
    first_of_line: usize,
    /// The ends of the here-documents that begin after this line, and whether tabs before them count.
    ends: Vec<(String, bool)>,
    without_end: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let char = self.peek()?;
        self.rest = &self.rest[char.len_utf8()..];
        Some(char)
    }

    fn read(&mut self) {
        let mut quote = None;
        while let Some(char) = self.next() {
            let is_end = quote.is_none() && matches!(char, '\n' | ';' | '&' | '|' | '(' | ')' | '`');
            let is_space = quote.is_none() && char.is_whitespace();
            if is_end || is_space {
                self.now.words.extend(self.word.take());
            }
            if is_end {
                self.end_command(char);
            }
            match (char, quote) {
                (_, Some('\'')) if char != '\'' => self.push(char),
                ('\\', _) => match self.next() {
                    Some('\n') => self.line += 1,
                    Some(other) => self.push(other),
                    None => {}
                },
                ('"' | '\'', None) => {
                    quote = Some(char);
                    self.begin_word();
                }
                (_, Some(open)) if char == open => quote = None,
                ('#', None) if self.word.is_none() => {
                    while self.peek().is_some_and(|next| next != '\n') {
                        self.next();
                    }
                }
                ('<', None) if self.peek() == Some('<') => self.here_operator(),
                _ if is_end || is_space => {}
                _ => self.push(char),
            }
            self.line += usize::from(char == '\n');
            if char == '\n' && quote.is_none() {
                self.here_documents();
            }
        }
        self.now.words.extend(self.word.take());
        self.end_command('\n');
    }

    fn begin_word(&mut self) -> &mut String {
        if self.now.words.is_empty() && self.word.is_none() {
            self.now.line = self.line;
        }
        self.word.get_or_insert_default()
    }

    fn push(&mut self, char: char) {
        self.begin_word().push(char);
    }

    fn end_command(&mut self, separator: char) {
        if !self.now.words.is_empty() {
            let subshells = self.now.subshells;
            self.all.push(std::mem::replace(&mut self.now, ShellCommand { subshells, ..ShellCommand::default() }));
        }
        self.now.before.push(separator);
        match separator {
            '(' => self.now.subshells += 1,
            // A pattern of `case` has only the closing one.
            ')' => self.now.subshells = self.now.subshells.saturating_sub(1),
            _ => {}
        }
    }

    /// `<<END`, `<<-END` or `<< "END"`; `<<<` is a text in the same line.
    fn here_operator(&mut self) {
        self.next();
        if self.peek() == Some('<') {
            self.next();
            return self.begin_word().push_str("<<<");
        }
        let rest = self.rest;
        let without_dash = rest.strip_prefix('-');
        let end = without_dash.unwrap_or(rest).trim_start_matches([' ', '\t']);
        let quote = end.chars().next().filter(|char| matches!(char, '"' | '\''));
        let length = match quote {
            Some(quote) => end[1..].find(quote).map_or(end.len(), |at| at + 2),
            None => end.find(|c: char| c.is_whitespace() || ";&|()<>`".contains(c)).unwrap_or(end.len()),
        };
        let (word, rest) = end.split_at(length);
        self.ends.push((word.replace(['"', '\'', '\\'], ""), without_dash.is_some()));
        self.rest = rest;
    }

    /// Takes the here-documents of the line that has ended. Without its last line it is none: `$((1 << 2))`.
    fn here_documents(&mut self) {
        let words: Vec<String> = self.all[self.first_of_line..].iter().flat_map(|other| other.words.clone()).collect();
        for (end, has_tabs) in std::mem::take(&mut self.ends) {
            if self.without_end == MOST_WITHOUT_END {
                break;
            }
            self.without_end += 1;
            let rest = self.rest;
            let (mut length, mut lines) = (0, 0);
            for line in rest.split_inclusive('\n') {
                let plain = line.trim_end_matches(['\n', '\r']);
                if end == if has_tabs { plain.trim_start_matches('\t') } else { plain } {
                    self.all.push(ShellCommand {
                        line: self.line,
                        words: words.clone(),
                        here_document: Some(rest[..length].to_owned()),
                        ..ShellCommand::default()
                    });
                    self.without_end -= 1;
                    self.line += lines + 1;
                    self.rest = &rest[length + line.len()..];
                    break;
                }
                length += line.len();
                lines += 1;
            }
        }
        self.first_of_line = self.all.len();
    }
}
