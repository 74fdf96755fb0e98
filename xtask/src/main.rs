//! The project's tasks: `cargo xtask COMMAND`. Reads the workspace, writes under its target directory.
//!
//! One file or folder a command; `sh` runs programs, `workspace` knows the members, `utilities` their command lines.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a developer's tool: its prints are its user interface")]

mod bench;
mod demo;
mod dist;
mod e2e;
mod failure;
mod machine;
mod man;
mod sample;
mod sh;
mod test;
mod tidy;
mod utilities;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// The tasks of the edgeutils project.
#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask", help_expected = true)]
struct Cli {
    /// Show each program before it runs
    #[arg(short, long, global = true)]
    verbose: bool,
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run every check and test; the last line is `N passed, N failed, N skipped`
    Test(test::Args),
    /// Build the static binaries and pack them with man pages, completions and checksums
    Dist(dist::Args),
    /// Make the man pages, the shell completions and docs/<utility>.md from the command lines
    Man(man::Args),
    /// Compare the utilities with the programs that they replace
    Bench(bench::Args),
    /// Check invariants of the source that the compiler does not check
    Tidy(tidy::Args),
    /// Show the utilities on a copied root tree: each change, and undo
    Demo(demo::Args),
    /// Prepare machines in QEMU with cloud-init, reboot them, reset them, and revert everything
    E2e(e2e::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    sh::set_verbose(cli.verbose);
    if let Task::E2e(args) = &cli.task
        && let Some(code) = e2e::serve(args)
    {
        return code;
    }
    let done = Workspace::find().and_then(|workspace| match cli.task {
        Task::Test(args) => test::run(&workspace, &args),
        Task::Dist(args) => dist::run(&workspace, &args),
        Task::Man(args) => man::run(&workspace, &args),
        Task::Bench(args) => bench::run(&workspace, &args),
        Task::Tidy(args) => tidy::run(&workspace, &args),
        Task::Demo(args) => demo::run(&workspace, &args),
        Task::E2e(args) => e2e::run(&workspace, &args),
    });
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            for hint in failure::hints(&error) {
                eprintln!("hint: {hint}");
            }
            ExitCode::from(1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn command_line_is_sound_and_every_flag_has_help() {
        Cli::command().debug_assert();
    }
}
