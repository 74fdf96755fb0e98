//! Completion in real shells: after every verb of every utility each offers the options that --help names.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use edgeutils_tests::skip;

use crate::generated;
use crate::help::{self, Help, UTILITIES};

/// Lines that a shell completes and what it must offer; nothing else that begins with a hyphen.
struct Case {
    line: String,
    expected: BTreeSet<String>,
}

impl Case {
    fn new(line: &str, expected: &[&str]) -> Case {
        Case { line: line.to_owned(), expected: expected.iter().map(|word| (*word).to_owned()).collect() }
    }
}

/// What every shell must offer.
fn cases(root: &Path) -> Vec<Case> {
    let mut cases: Vec<Case> = help::all().iter().flat_map(of_help).collect();
    let root = root.display();
    cases.extend([
        Case::new("edge-prep --root / --json app", &["apply"]),
        Case::new("edge-prep apply --fo", &["--for", "--force-namespace", "--force-root"]),
        Case::new("edge-prep apply --for ", &["edgecore", "kubeadm"]),
        Case::new("edge-prep --lock-wait 5 apply -n --swap ", &["keep", "limited", "off"]),
        Case::new("edge-prep undo --li", &["--list"]),
        Case::new("edge-conf enable ", &["containerd", "crio", "dynamic-controller", "help", "logs", "metaserver"]),
        Case::new("edge-crio install --source ", &["apt", "auto", "bundle"]),
        Case::new(&format!("edge-conf --file {root}/ca"), &[&format!("{root}/cabinet"), &format!("{root}/cap.yaml")]),
        Case::new(&format!("edge-prep apply --root {root}/ca"), &[&format!("{root}/cabinet")]),
        Case::new(&format!("edge-certgen show {root}/cap"), &[&format!("{root}/cap.yaml")]),
    ]);
    cases
}

/// The options and verbs that a help names.
fn of_help(help: &Help) -> Vec<Case> {
    let mut options = BTreeSet::new();
    for line in help.text.lines() {
        // `  -n, --dry-run` and `      --root <DIR>`, but not the text below.
        let words = line.split_whitespace().map(|word| word.trim_end_matches(','));
        let indent = line.len() - line.trim_start().len();
        if (indent == 2 || indent == 6) && line.trim_start().starts_with('-') {
            let names = words.take_while(|word| word.starts_with('-'));
            options.extend(names.filter(|word| word.starts_with("--")).map(str::to_owned));
        }
    }
    let call = help.call.join(" ");
    assert!(options.contains("--help"), "{call}: {}", help.text);
    let mut cases = vec![Case { line: format!("{call} --"), expected: options }];
    if !help.verbs.is_empty() {
        cases.push(Case { line: format!("{call} "), expected: help.verbs.iter().cloned().collect() });
    }
    cases
}

/// A tree with files to complete in `dir`/root.
fn prepared(dir: &Path) {
    std::fs::create_dir_all(dir.join("root/cabinet")).unwrap();
    std::fs::write(dir.join("root/cap.yaml"), "").unwrap();
}

/// Runs a shell on a terminal of its own with `setup` and `typed` as its input; what it wrote to `dir`/answers.
fn on_a_terminal(dir: &Path, shell: &str, setup: &str, typed: &str) -> String {
    std::fs::write(dir.join("setup"), setup).unwrap();
    let mut child = Command::new("timeout")
        .args(["60", "script", "--quiet", "--return", "--command", shell, "/dev/null"])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("TERM", "dumb")
        .env("LC_ALL", "C.UTF-8")
        .env("HOME", dir)
        .env("ANSWERS", dir.join("answers"))
        .env("SETUP", dir.join("setup"))
        .env("COMPLETIONS", generated::dir().join("completions"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let typed = typed.to_owned();
    let writer = std::thread::spawn(move || {
        // A shell that ended early is noticed by its missing answers.
        let _ = stdin.write_all(typed.as_bytes());
        let _ = stdin.flush();
        stdin
    });
    let output = child.wait_with_output().unwrap();
    drop(writer.join());
    let answers = std::fs::read_to_string(dir.join("answers")).unwrap_or_default();
    assert!(answers.ends_with("END\n"), "{answers}\n{}", String::from_utf8_lossy(&output.stdout));
    answers
}

/// Compares the line that the shell made of each case, all candidates inserted.
fn compare(cases: &[Case], answers: &str) {
    let lines: Vec<&str> = answers.lines().filter(|line| *line != "END").collect();
    assert_eq!(lines.len(), cases.len(), "{answers}");
    for (case, line) in cases.iter().zip(lines) {
        let begun = case.line.rfind(' ').map_or(0, |at| at + 1);
        let found = line.get(begun..).unwrap_or_default();
        // Some shells add the = of an option that takes a value and the / of a directory, others do not.
        let found = found.split_whitespace().map(|word| word.trim_end_matches(['=', '/']).to_owned());
        let found: BTreeSet<String> = found.collect();
        assert_eq!(found, case.expected, "{}: {line}", case.line);
    }
}

const READLINE: &str = r#"
PS1= PS2= HISTFILE=
bind 'set completion-query-items 0' 'set enable-bracketed-paste off'
bind '"\C-o": insert-completions'
answer() { printf '%s\n' "$READLINE_LINE" >> "$ANSWERS"; READLINE_LINE= READLINE_POINT=0; }
bind -x '"\C-g": answer'
for file in "$COMPLETIONS"/bash/*; do . "$file"; done
"#;

fn in_bash(before: &str) {
    let dir = tempfile::tempdir().unwrap();
    prepared(dir.path());
    let mut cases = cases(&dir.path().join("root"));
    let root = dir.path().join("root");
    // bash breaks words at = and :, and completes what comes after.
    cases.push(Case::new("edge-prep apply --for=ku", &["--for=kubeadm"]));
    let joined = format!("--root={}/ca", root.display());
    cases.push(Case::new(&format!("edge-prep apply {joined}"), &[&format!("{joined}binet")]));
    cases.push(Case::new("edge-conf enable logs --server 192.0.2.1:10004 --kubeedge-ver", &["--kubeedge-version"]));
    let setup = format!("{before}{READLINE}");
    let mut typed = String::from(". \"$SETUP\"\n");
    for case in &cases {
        typed.push_str(&format!("{}\u{f}\u{7}", case.line));
    }
    typed.push_str("echo END >> \"$ANSWERS\"; exit\n");
    let answers = on_a_terminal(dir.path(), "bash --noprofile --norc -i", &setup, &typed);
    compare(&cases, &answers);
}

#[test]
fn bash_completes_every_verb_without_bash_completion() {
    in_bash("");
}

#[test]
fn bash_completes_every_verb_with_bash_completion() {
    let package = "/usr/share/bash-completion/bash_completion";
    if !Path::new(package).exists() {
        return skip("bash_completes_every_verb_with_bash_completion", "bash-completion is not installed");
    }
    in_bash(&format!(". {package}\n"));
}

const ZLE: &str = r#"
PS1= PS2= RPS1= HISTFILE=
unsetopt zle_bracketed_paste 2> /dev/null
zle_bracketed_paste=()
fpath=("$COMPLETIONS/zsh" $fpath)
autoload -Uz compinit && compinit -u -D
all() { _main_complete; compstate[insert]=all; compstate[list]= }
zle -C all complete-word all
bindkey '^O' all
answer() { print -r -- "$BUFFER" >> "$ANSWERS"; BUFFER= }
zle -N answer
bindkey '^G' answer
"#;

#[test]
fn zsh_completes_every_verb() {
    if !Path::new("/usr/bin/zsh").exists() && !Path::new("/bin/zsh").exists() {
        return skip("zsh_completes_every_verb", "zsh is not installed");
    }
    let dir = tempfile::tempdir().unwrap();
    prepared(dir.path());
    let cases = cases(&dir.path().join("root"));
    let mut typed = String::from(". \"$SETUP\"\n");
    for case in &cases {
        typed.push_str(&format!("{}\u{f}\u{7}", case.line));
    }
    typed.push_str("echo END >> \"$ANSWERS\"; exit\n");
    let answers = on_a_terminal(dir.path(), "zsh -f -i", ZLE, &typed);
    compare(&cases, &answers);
}

#[test]
fn fish_completes_every_verb() {
    if !Path::new("/usr/bin/fish").exists() {
        return skip("fish_completes_every_verb", "fish is not installed");
    }
    let dir = tempfile::tempdir().unwrap();
    prepared(dir.path());
    let cases = cases(&dir.path().join("root"));
    let mut script = String::new();
    for utility in UTILITIES {
        script.push_str(&format!("source {}/completions/fish/{utility}.fish\n", generated::dir().display()));
    }
    for case in &cases {
        let begun = case.line.rfind(' ').map_or("", |at| &case.line[..=at]);
        script.push_str(&format!(
            "echo {begun:?}(complete --do-complete {:?} | string split --fields 1 \\t | string join ' ')\n",
            case.line
        ));
    }
    script.push_str("echo END\n");
    let file = dir.path().join("all.fish");
    std::fs::write(&file, script).unwrap();
    let output = Command::new("timeout")
        .args(["60", "fish", "--no-config"])
        .arg(&file)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", dir.path())
        .output()
        .unwrap();
    compare(&cases, &String::from_utf8_lossy(&output.stdout));
}
