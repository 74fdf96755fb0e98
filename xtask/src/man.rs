//! `xtask man`: man pages, completions and docs/<utility>.md from the clap definitions.

mod bash;
mod markdown;
mod roff;
mod sections;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Arg, Command};
use clap_complete::{Shell, generate};

use crate::utilities::utilities;
use crate::workspace::{Workspace, remove_tree, write};

/// Help is formatted for this width, whatever the terminal.
const WIDTH: usize = 80;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Change nothing; exit 1 and name the outdated pages of docs/
    #[arg(long)]
    check: bool,
    /// Output directory of man/ and completions/ [default: target]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    let out = args.out.as_ref().unwrap_or(&workspace.target);
    write_all(out)?;
    let pages = docs()?;
    if args.check {
        let stale = stale(&workspace.root, &pages);
        for page in &stale {
            println!("{page} is outdated");
        }
        if !stale.is_empty() {
            println!("hint: cargo xtask man");
        }
        return Ok(ExitCode::from(u8::from(!stale.is_empty())));
    }
    for (path, text) in pages {
        write(&workspace.root.join(&path), text)?;
        println!("{path}");
    }
    println!("{}/man {0}/completions", out.display());
    Ok(ExitCode::SUCCESS)
}

/// Recreates `out`/man and `out`/completions/{bash,zsh,fish}.
pub(crate) fn write_all(out: &Path) -> Result<()> {
    remove_tree(&out.join("man"))?;
    remove_tree(&out.join("completions"))?;
    for (name, text) in manual_pages()? {
        let section = name.rsplit('.').next().unwrap_or_default();
        write(&out.join(format!("man/man{section}/{name}")), text)?;
    }
    let completions = out.join("completions");
    for (name, command, _) in utilities() {
        let mut command = prepared(command)?;
        write(&completions.join("bash").join(name), bash::script(&command))?;
        for (shell, file) in [(Shell::Zsh, format!("zsh/_{name}")), (Shell::Fish, format!("fish/{name}.fish"))] {
            let mut text = Vec::new();
            generate(shell, &mut command, name, &mut text);
            write(&completions.join(file), text)?;
        }
    }
    Ok(())
}

/// Each manual page: its file's name, such as `edge-conf.8`, and its text.
fn manual_pages() -> Result<Vec<(String, String)>> {
    let utilities = utilities();
    let names: Vec<(&str, u8)> = utilities.iter().map(|(name, _, manual)| (*name, manual.section)).collect();
    let mut pages = Vec::new();
    let mut commands = Vec::new();
    for (name, command, manual) in utilities {
        let command = prepared(command)?;
        pages.push((format!("{name}.{}", manual.section), roff::page(&command, &manual, &names)));
        commands.push((command, manual.section));
    }
    let all: Vec<(&Command, u8)> = commands.iter().map(|(command, section)| (command, *section)).collect();
    pages.push(("edgeutils.7".to_owned(), roff::overview(&all)));
    Ok(pages)
}

/// Each committed page: its path in the workspace and its text.
fn docs() -> Result<Vec<(String, String)>> {
    utilities()
        .into_iter()
        .map(|(name, command, manual)| {
            let page = markdown::page(&prepared(command)?, &manual);
            Ok((format!("docs/{name}.md"), page))
        })
        .collect()
}

fn stale(root: &Path, pages: &[(String, String)]) -> Vec<String> {
    let is_current =
        |(path, text): &&(String, String)| std::fs::read_to_string(root.join(path)).is_ok_and(|found| &found == text);
    pages.iter().filter(|page| !is_current(page)).map(|(path, _)| path.clone()).collect()
}

/// The command at a fixed width, every flag of it with help.
fn prepared(command: Command) -> Result<Command> {
    let mut command = with_directories(command.term_width(WIDTH));
    command.build();
    let silent = without_help(&command);
    if !silent.is_empty() {
        bail!("no help for {}", silent.join(", "));
    }
    Ok(command)
}

/// Values named DIR are completed with directories only.
fn with_directories(command: Command) -> Command {
    let is_directory = |arg: &Arg| arg.get_value_names().is_some_and(|names| matches!(names, [name] if name == "DIR"));
    let command =
        command.mut_args(|arg| if is_directory(&arg) { arg.value_hint(clap::ValueHint::DirPath) } else { arg });
    command.mut_subcommands(with_directories)
}

/// Every argument and verb without help, as `edge-conf set --flag`.
fn without_help(command: &Command) -> Vec<String> {
    let path = command.get_bin_name().unwrap_or(command.get_name());
    let mut silent: Vec<String> = shown_args(command)
        .filter(|arg| arg.get_help().is_none() && arg.get_long_help().is_none())
        .map(|arg| format!("{path} {arg}"))
        .collect();
    for verb in verbs(command) {
        if verb.get_about().is_none() {
            silent.push(format!("{path} {}", verb.get_name()));
        }
        silent.extend(without_help(verb));
    }
    silent
}

fn shown_args(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| !arg.is_hide_set())
}

/// The verbs that are not hidden, without clap's `help`.
fn verbs(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sh::Sh;

    fn sample(help: Option<&'static str>) -> Command {
        let mut flag = Arg::new("flag").long("flag").num_args(0);
        if let Some(help) = help {
            flag = flag.help(help);
        }
        Command::new("edge-x").about("Do x").subcommand(Command::new("go").about("Go").arg(flag))
    }

    #[test]
    fn flag_without_help_is_refused_and_named() {
        let error = prepared(sample(None)).unwrap_err().to_string();
        assert_eq!(error, "no help for edge-x go --flag");
        prepared(sample(Some("Wave it"))).unwrap();
    }

    #[test]
    fn flag_of_every_utility_has_help() {
        for (_, command, _) in utilities() {
            prepared(command).unwrap();
        }
    }

    /// mandoc and man-db report no warnings, and every section exists.
    #[test]
    fn manual_pages_are_valid_and_whole() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in manual_pages().unwrap() {
            for title in ["NAME", "DESCRIPTION", "EXIT STATUS", "FILES", "ENVIRONMENT", "SEE ALSO"] {
                assert!(text.contains(&format!("\n.SH {title}\n")), "{name}: no {title}");
            }
            let is_overview = name == "edgeutils.7";
            assert!(
                is_overview || text.contains("\n.SH SYNOPSIS\n.nf\n") && text.contains("\n.SH EXAMPLES\n"),
                "{name}"
            );
            let file = dir.path().join(&name);
            write(&file, text).unwrap();
            for (program, reader) in [("mandoc", "mandoc -Tlint -Wwarning"), ("man", "man --warnings --local-file")] {
                if crate::machine::on_path(program).is_none() {
                    edgeutils_tests::skip("manual_pages_are_valid_and_whole", &format!("{program} is not installed"));
                    continue;
                }
                let output =
                    Sh::new(reader).env("LC_ALL", "C.UTF-8").env("MANWIDTH", "80").arg(&file).output().unwrap();
                let warnings = String::from_utf8_lossy(if program == "man" { &output.stderr } else { &output.stdout });
                // Pages have no date: the same source makes the same bytes.
                let warnings: Vec<&str> = warnings.lines().filter(|line| !line.contains("missing date")).collect();
                assert!(warnings.is_empty(), "{warnings:#?}");
            }
        }
    }

    #[test]
    fn page_that_differs_or_is_missing_is_stale() {
        let root = std::env::temp_dir().join(format!("xtask-man-{}", std::process::id()));
        write(&root.join("docs/a.md"), "same").unwrap();
        write(&root.join("docs/b.md"), "old").unwrap();
        let page = |name: &str, text: &str| (format!("docs/{name}.md"), text.to_owned());
        let pages = [page("a", "same"), page("b", "new"), page("c", "new")];
        assert_eq!(stale(&root, &pages), ["docs/b.md", "docs/c.md"]);
        remove_tree(&root).unwrap();
    }
}
