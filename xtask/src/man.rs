//! `xtask man`: man pages, completions and docs/<utility>.md from the clap definitions.

mod markdown;
mod roff;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Command, ValueEnum};
use clap_complete::Shell;

use crate::utilities::utilities;
use crate::workspace::{Workspace, remove_tree, write};

/// Help is laid out for this width, whatever the terminal.
const WIDTH: usize = 80;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Change nothing; exit 1 and name the pages of docs/ that are stale
    #[arg(long)]
    check: bool,
    /// Where man/ and completions/ go [default: target]
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
            println!("{page} is stale");
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

/// Makes `out`/man/man1 and `out`/completions/{bash,zsh,fish} anew.
pub(crate) fn write_all(out: &Path) -> Result<()> {
    remove_tree(&out.join("man"))?;
    remove_tree(&out.join("completions"))?;
    for (name, command) in utilities() {
        let command = prepared(command)?;
        let man = out.join("man/man1").join(format!("{name}.1"));
        write(&man, roff::page(&command)?)?;
        for (dir, shell) in [("bash", Shell::Bash), ("zsh", Shell::Zsh), ("fish", Shell::Fish)] {
            debug_assert!(Shell::value_variants().contains(&shell));
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut command.clone(), name, &mut text);
            let file = match shell {
                Shell::Zsh => format!("_{name}"),
                Shell::Fish => format!("{name}.fish"),
                _ => name.to_owned(),
            };
            write(&out.join("completions").join(dir).join(file), text)?;
        }
    }
    Ok(())
}

/// Each committed page: its path in the workspace and its text.
fn docs() -> Result<Vec<(String, String)>> {
    utilities()
        .into_iter()
        .map(|(name, command)| {
            let page = markdown::page(&prepared(command)?);
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
    let mut command = command.term_width(WIDTH);
    command.build();
    let silent = without_help(&command);
    if !silent.is_empty() {
        bail!("no help for {}", silent.join(", "));
    }
    Ok(command)
}

/// Every argument and verb, as `edge-conf set --flag`, that says nothing about itself.
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

fn shown_args(command: &Command) -> impl Iterator<Item = &clap::Arg> {
    command.get_arguments().filter(|arg| !arg.is_hide_set())
}

/// The verbs that a user is told about, clap's own `help` aside.
fn verbs(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Arg;

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
        for (_, command) in utilities() {
            prepared(command).unwrap();
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
