//! Finds the command of a shell script that turns swap on, without running the script.
//!
//! A command counts where the shell would run it: not in a comment, a text (`echo "swapon failed"`), a test, after the
//! script's `exit`, or in a here-document that is only written to a file. `swapon -a` does not: it turns on what fstab has,
//! which is a source of its own.

mod words;

use words::{ShellCommand, commands};

const SWAPON: &str = "swapon";
const SHELLS: [&str; 6] = ["sh", "bash", "dash", "ash", "ksh", "zsh"];
/// Words before a command, or programs that run one.
const KEYWORDS: [&str; 9] = ["if", "then", "elif", "else", "while", "until", "do", "!", "{"];
const WRAPPERS: [&str; 18] = [
    "sudo",
    "doas",
    "exec",
    "nice",
    "ionice",
    "env",
    "time",
    "timeout",
    "nohup",
    "busybox",
    "command",
    "xargs",
    "find",
    "setsid",
    "chroot",
    "flock",
    "systemd-run",
    "eval",
];
/// Programs that only print or search for the command that a wrapper has in its arguments: `sudo echo swapon /x`.
const NAMING: [&str; 12] =
    ["echo", "printf", "logger", "grep", "egrep", "fgrep", "which", "type", "man", "cat", "pgrep", "pkill"];
/// The first words of a block of commands, and the last ones.
const OPENING: [&str; 7] = ["if", "for", "while", "until", "case", "select", "{"];
const CLOSING: [&str; 4] = ["fi", "done", "esac", "}"];
const EXIT: &str = "exit";
/// Programs that turn swap on with this argument.
const OTHERS: [(&str, &str); 2] = [("dphys-swapfile", "swapon"), ("zramswap", "start")];
const SYSTEMCTL: &str = "systemctl";
const SWAP_UNIT: &str = ".swap";
/// Scripts in the text of `sh -c` may contain others.
const MOST_NESTED: usize = 8;

/// What a script does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Script {
    /// The first command that turns swap on, and its line, from 1.
    pub(super) turns_on: Option<(usize, String)>,
    /// The programs that it runs, by absolute path.
    pub(super) calls: Vec<String>,
    /// Whether it also does what has nothing to do with swap, or runs other scripts.
    pub(super) does_more: bool,
    /// The here-documents that are not the input of a shell: a script that is written and then run counts.
    written: Vec<(usize, ShellCommand)>,
}

impl Script {
    /// Reads the text of a script.
    pub(super) fn read(text: &str) -> Script {
        let mut script = Script::default();
        script.add(text, 1, 0);
        script
    }

    /// A script that only runs this file.
    pub(super) fn calling(file: &str) -> Script {
        Script { calls: vec![file.to_owned()], ..Script::default() }
    }

    /// Reads the text of a script for another interpreter.
    pub(super) fn of_other_language(text: &str) -> Script {
        Script { turns_on: quoted_command(text), ..Script::default() }
    }

    /// Reads one command.
    pub(super) fn command(words: &[String]) -> Script {
        let mut script = Script::default();
        script.judge(words, 1, 0);
        script
    }

    fn add(&mut self, text: &str, first_line: usize, depth: usize) {
        let mut blocks = 0_usize;
        let mut all = commands(text).into_iter().peekable();
        while let Some(command) = all.next() {
            let line = first_line + command.line;
            match &command.here_document {
                Some(text) if command.words.iter().any(|word| SHELLS.contains(&name_of(word).as_str())) => {
                    self.nested(text, line, depth);
                }
                Some(_) => self.written.push((line, command)),
                None => {
                    self.judge(&command.words, line, depth);
                    blocks = blocks_after(blocks, &command.words);
                    if blocks == 0 && ends_script(&command, all.peek()) {
                        break;
                    }
                }
            }
        }
    }

    /// A script within a script.
    fn nested(&mut self, text: &str, line: usize, depth: usize) {
        if depth < MOST_NESTED {
            self.add(text, line, depth + 1);
        }
    }

    fn judge(&mut self, words: &[String], line: usize, depth: usize) {
        let is_before = |word: &&String| KEYWORDS.contains(&word.as_str()) || is_assignment(word);
        let skipped = words.iter().take_while(is_before).count();
        let Some((program, args)) = words[skipped..].split_first() else { return };
        let name = name_of(program);
        self.does_more |= !is_about_swap(&name, args);
        if turns_on(&name, args) {
            let text = words[skipped..].join(" ");
            self.turns_on.get_or_insert((line, text));
        } else if SHELLS.contains(&name.as_str()) {
            let is_text = args.first().is_some_and(|arg| arg.starts_with('-') && arg.contains('c'));
            match args.iter().find(|arg| !arg.starts_with('-')) {
                Some(text) if is_text => self.nested(text, line, depth),
                Some(file) => self.call(file, depth),
                None => {}
            }
        } else if name == "." || name == "source" {
            args.iter().take(1).for_each(|file| self.call(file, depth));
        } else if WRAPPERS.contains(&name.as_str()) {
            match args.iter().position(|word| is_known(&name_of(word))) {
                Some(at) if args[..at].iter().any(|word| NAMING.contains(&name_of(word).as_str())) => {}
                Some(at) if depth < MOST_NESTED => self.judge(&args[at..], line, depth + 1),
                Some(_) => {}
                None if name == "eval" => self.nested(&args.join(" "), line, depth),
                None => args.iter().filter(|arg| arg.starts_with('/')).for_each(|file| self.call(file, depth)),
            }
        } else {
            self.call(program, depth);
        }
    }

    fn call(&mut self, file: &str, depth: usize) {
        if !file.starts_with('/') {
            return;
        }
        self.calls.push(file.to_owned());
        let writes = |word: &String| word.trim_start_matches('>') == file;
        let Some(at) = self.written.iter().position(|(_, command)| command.words.iter().any(writes)) else { return };
        let (line, command) = self.written.remove(at);
        self.nested(&command.here_document.unwrap_or_default(), line, depth);
    }
}

/// How many blocks of commands are open after a command.
fn blocks_after(blocks: usize, words: &[String]) -> usize {
    let leading = words.iter().take_while(|word| {
        let word = word.as_str();
        KEYWORDS.contains(&word) || OPENING.contains(&word) || CLOSING.contains(&word)
    });
    leading.fold(blocks, |blocks, word| {
        let blocks = blocks + usize::from(OPENING.contains(&word.as_str()));
        blocks.saturating_sub(usize::from(CLOSING.contains(&word.as_str())))
    })
}

/// Whether no command after this one is run: `exit` outside of blocks, subshells, conditions and pipes.
fn ends_script(command: &ShellCommand, next: Option<&ShellCommand>) -> bool {
    let is_plain = |separators: &str| separators.chars().all(|char| matches!(char, '\n' | ';'));
    command.words[0] == EXIT
        && command.subshells == 0
        && is_plain(&command.before)
        && next.is_none_or(|next| next.before.starts_with(['\n', ';']))
}

/// The last part of a program's path; of a variable such as `$SWAPON`, its name.
fn name_of(program: &str) -> String {
    let name = program.rsplit('/').next().unwrap_or_default();
    match name.strip_prefix('$') {
        Some(variable) => variable.trim_matches(['{', '}']).to_ascii_lowercase(),
        None => name.to_owned(),
    }
}

fn is_assignment(word: &str) -> bool {
    let name = word.split_once('=').map(|(name, _)| name);
    name.is_some_and(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
}

fn turns_on(name: &str, args: &[String]) -> bool {
    if name == SYSTEMCTL {
        let has = |word: &str| args.iter().any(|arg| arg == word);
        let starts = has("start") || has("restart") || (has("enable") && has("--now"));
        return starts && args.iter().any(|arg| arg.ends_with(SWAP_UNIT));
    }
    let other = OTHERS.iter().find(|(other, _)| *other == name);
    other.is_some_and(|(_, arg)| args.iter().any(|own| own == arg)) || (name == SWAPON && names_a_device(args))
}

/// Whether a command only turns swap on or off, prepares it, or changes nothing; wrappers are judged by what they run.
fn is_about_swap(name: &str, args: &[String]) -> bool {
    let names_swap = || args.iter().any(|arg| arg.contains("swap") || arg.contains("zram"));
    match name {
        _ if OTHERS.iter().any(|(other, _)| *other == name) => true,
        _ if SHELLS.contains(&name) => args.first().is_some_and(|arg| arg.starts_with('-') && arg.contains('c')),
        _ if WRAPPERS.contains(&name) => args.iter().any(|arg| is_known(&name_of(arg))),
        SWAPON | "swapoff" | "mkswap" | "zramctl" => true,
        "true" | ":" | "for" | "done" | "fi" | "}" | "set" | "exit" | "sleep" | "echo" | "test" | "[" => true,
        "fallocate" | "truncate" | "dd" | "chmod" | "chown" | "modprobe" | SYSTEMCTL => names_swap(),
        _ => false,
    }
}

/// Programs that a wrapper is followed to.
fn is_known(name: &str) -> bool {
    name == SWAPON || name == SYSTEMCTL || SHELLS.contains(&name) || OTHERS.iter().any(|(other, _)| *other == name)
}

/// Whether swapon gets a device or file, and does not only print something.
fn names_a_device(args: &[String]) -> bool {
    let (mut has_operand, mut args) = (false, args.iter());
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-s" | "--summary" | "-h" | "--help" | "-V" | "--version" => return false,
            show if show.starts_with("--show") => return false,
            "-p" | "--priority" | "-o" | "--options" => drop(args.next()),
            "-L" | "-U" | "-T" | "--fstab" => has_operand = true,
            redirection if redirection.ends_with(['>', '<']) => drop(args.next()),
            redirection if redirection.contains(['>', '<']) => {}
            option if option.starts_with('-') => {}
            "" | "}" | "]" => {}
            _ => has_operand = true,
        }
    }
    has_operand
}

/// The command of a script in another language, such as Python: a line that has it in quotation marks.
pub(super) fn quoted_command(text: &str) -> Option<(usize, String)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    (1..).zip(text.lines()).find_map(|(number, line)| {
        let line = line.trim();
        let prints = ["--show", "--summary", "\"-s\"", "'-s'"].iter().any(|option| line.contains(option));
        let first_quote = line.find(['"', '\'', '`']).unwrap_or(line.len());
        let is_command = line.match_indices(SWAPON).any(|(at, _)| {
            let (before, after) = (&line[..at], &line[at + SWAPON.len()..]);
            before.ends_with(['"', '\'', '/', '`']) && at > first_quote && !after.starts_with(is_part)
        });
        (is_command && !prints && !line.starts_with('#')).then(|| (number, line.to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn read_finds_the_command_where_the_shell_runs_it() {
        for (text, line) in [
            ("swapon /swapfile", 1),
            ("# swapon /no\n\n/sbin/swapon -p 10 /dev/zram0\n", 3),
            ("mkswap /s && swapon /s", 1),
            ("if true; then\n  sudo -n swapon \"$FILE\"\nfi", 2),
            ("for f in a b; do swapon $f; done", 1),
            ("sh -c 'echo x\nexec swapon /x'", 2),
            ("X=1 $SWAPON /x", 1),
            ("timeout 10 swapon \\\n  /x", 1),
            ("test -e /s || { fallocate -l 1G /s; swapon /s; }", 1),
            ("echo a | xargs swapon -L swap", 1),
            ("x=$(swapon /x)", 1),
            ("dphys-swapfile swapon", 1),
            ("systemctl start data-swap.swap", 1),
            ("swapon UUID=1-2 2>/dev/null", 1),
            ("test -f /s && swapon /s", 1),
            ("[ -f /s ] && sudo /sbin/swapon /s &", 1),
            ("more() {\n  swapon /s\n}\nmore\nexit 0\n", 2),
            ("if false; then\nexit 0\nfi\nswapon /s", 4),
            ("f() {\nexit 1\n}\nswapon /s", 4),
            ("test -e /s || exit 0\nswapon /s", 2),
            ("test -e /s ||\n  exit 0\nswapon /s", 3),
            ("(\nexit 0\n)\nswapon /s", 4),
            ("case $1 in\nstop) swapoff /s; exit 0 ;;\n*)\nexit 0\n;;\nesac\nswapon /s", 7),
            ("cat <<EOF\nx\nEOF\nswapon /s", 4),
            ("sudo bash -s <<-'EOF'\n\tswapon /s\n\tEOF\n", 2),
            ("cat << EOF | sh\nswapon /s\nEOF\n", 2),
            ("cat > /opt/s.sh <<EOF\n#!/bin/sh\nswapon /s\nEOF\nsh /opt/s.sh\n", 3),
            ("x=$((1 << 2))\nswapon /s", 2),
            ("cat <<<EOF\nswapon /s\nEOF\n", 2),
        ] {
            assert_eq!(Script::read(text).turns_on.map(|(line, _)| line), Some(line), "{text}");
        }
        for text in [
            "",
            "swapon",
            "swapon -a",
            "swapon --all -e",
            "swapon --show=NAME /x",
            "if swapon -s | grep -q /x; then :; fi",
            "echo \"swapon /x failed\"",
            "echo 'x\nswapon /y'",
            "swapoff /x",
            "which swapon",
            "test -x /sbin/swapon",
            "man 8 swapon",
            "swapon -a 2>/dev/null",
            "systemctl stop data.swap",
            "zramswap status",
            "exit 0\nswapon /s",
            "if true; then\n  date\nfi\nexit\n/sbin/swapon /s",
            "date; exit 0; swapon /s",
            "cat > /opt/s.sh <<EOF\nswapon /s\nEOF\nchmod 755 /opt/s.sh\n",
            "tee /opt/s.sh << 'E O' >/dev/null\nswapon /s\nE O\n",
            "cat >/a <<A; cat >/b <<-\"B\"\nswapon /a\nA\nswapon /b\n\tB\ntrue",
            "sudo echo swapon /s",
            "sudo grep -q swapon /etc/rc.local",
        ] {
            assert_eq!(Script::read(text).turns_on, None, "{text}");
        }
    }

    #[test]
    fn read_names_the_programs_that_are_run() {
        let script = Script::read("/a/b x\n. /c\nbash /d\nexec /e\nnice -n 5 /f\ncat /g\n");
        assert_eq!(script.calls, ["/a/b", "/c", "/d", "/e", "/f"]);
    }

    #[test]
    fn quoted_command_is_found_in_other_languages() {
        for text in ["run([\"swapon\", \"/x\"])", "import os\nos.system('/sbin/swapon /x')", "system(\"swapon /x\");"] {
            assert!(quoted_command(text).is_some(), "{text}");
        }
        for text in ["# run('swapon')", "def swapon():", "run(['swapon', '--show'])", "log('swapon_x')"] {
            assert!(quoted_command(text).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn read_takes_any_text(text in "\\PC{0,120}", shell in "[a-c<'\"`$(){};&|#\\\\ \n/=-]{0,80}(sh -c ')?swapon /x") {
            Script::read(&text);
            Script::read(&shell);
            quoted_command(&text);
        }
    }
}
