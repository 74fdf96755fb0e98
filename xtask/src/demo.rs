//! `xtask demo`: the utilities at work on an edge node, each change shown, repeated, and undone; then the scripts.

mod node;
mod scripts;
mod tree;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use self::node::Node;
use self::tree::Tree;
use crate::failure::hinted;
use crate::sh::Sh;
use crate::workspace::Workspace;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// On this host's own view of its files, in a private mount namespace; root only
    #[arg(long)]
    live: bool,
    /// Already in the private namespace
    #[arg(long, hide = true)]
    inside: bool,
}

/// One thing that an administrator wants done.
struct Step {
    title: &'static str,
    tool: &'static str,
    place: Place,
    args: &'static [&'static str],
}

/// Where a step is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Anywhere,
    /// It would change the running kernel, which no namespace hides; or a unit would have to start a
    /// program from a build directory, which is refused.
    CopyOnly,
}

const STEPS: &[Step] = &[
    Step {
        title: "Swap off for good, the memory cgroup on, modules and sysctls",
        tool: "edge-prep",
        place: Place::CopyOnly,
        args: &["apply", "--for", "kubeadm"],
    },
    Step {
        title: "A slower heartbeat for a metered link",
        tool: "edge-conf",
        place: Place::Anywhere,
        args: &["set", "modules.edgeHub.heartbeat=60"],
    },
    Step {
        title: "kubectl logs and exec through the cloud's stream",
        tool: "edge-conf",
        place: Place::Anywhere,
        args: &["enable", "logs", "--server", "192.0.2.1:10004"],
    },
    Step {
        title: "The Kubernetes API at the edge",
        tool: "edge-conf",
        place: Place::Anywhere,
        args: &["enable", "metaserver"],
    },
    Step {
        title: "edgecore starts where kube-proxy runs too",
        tool: "edge-conf",
        place: Place::Anywhere,
        args: &["env", "CHECK_EDGECORE_ENVIRONMENT=false"],
    },
    Step {
        title: "The API server's way to cloudcore, again after each boot",
        tool: "edge-redirect",
        place: Place::CopyOnly,
        args: &["add", "10351=192.0.2.1:10003", "--persist"],
    },
];

/// Exit codes of the contract that the demo waits for.
const DONE: i32 = 0;
const WOULD_CHANGE: i32 = 3;

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    if !args.inside {
        let mut build = Sh::new("cargo build --quiet --locked");
        for utility in &workspace.utilities {
            build = build.args(["--package", utility]);
        }
        build.dir(&workspace.root).run()?;
    }
    let scratch = workspace.scratch("demo")?;
    let node = match (args.live, args.inside) {
        (false, _) => Node::copied(&scratch.join("node"))?,
        (true, true) => Node::overlaid(&scratch.join("live"))?,
        (true, false) => return in_private_namespace(),
    };
    let demo = Demo { programs: workspace.debug_bin(), node };
    demo.run()?;
    // Their trees stand for hosts that are not this one.
    if !args.live {
        for script in scripts::SCRIPTS {
            script.play(workspace, &scratch.join("host"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs this same demo where its mounts are seen by no one else.
fn in_private_namespace() -> Result<ExitCode> {
    if !nix::unistd::geteuid().is_root() {
        return Err(hinted(
            "cannot make a private mount namespace: not running as root",
            "sudo cargo xtask demo --live",
        ));
    }
    Sh::new("unshare --mount --net --propagation private --")
        .arg(std::env::current_exe()?)
        .args(["demo", "--live", "--inside"])
        .run()?;
    Ok(ExitCode::SUCCESS)
}

struct Demo {
    programs: PathBuf,
    node: Node,
}

impl Demo {
    fn run(&self) -> Result<()> {
        println!("The node: {}", self.node.described());
        let start = self.node.tree()?;
        let is_shown = |step: &&Step| step.place == Place::Anywhere || !self.node.is_live();
        let steps: Vec<&Step> = STEPS.iter().filter(is_shown).collect();
        for (number, step) in (1..).zip(&steps) {
            println!("\n{number}. {}", step.title);
            self.step(step)?;
        }
        println!("\n{}. All of it undone, the newest first", steps.len() + 1);
        for step in steps.iter().rev() {
            let before = self.node.tree()?;
            self.expect(DONE, step.tool, &["undo"])?;
            self.show_changes(&before, "undo changed nothing")?;
        }
        let left = start.diff(&self.node.tree()?);
        if !left.is_empty() {
            bail!("the tree is not as it was:\n{left}");
        }
        println!("\nThe tree is what it was, byte for byte: {} entries.", start.len());
        Ok(())
    }

    /// Dry run, run, and both again to see that nothing is left to do.
    fn step(&self, step: &Step) -> Result<()> {
        let dry: Vec<&str> = [&["-n"], step.args].concat();
        let before = self.node.tree()?;
        self.expect(WOULD_CHANGE, step.tool, &dry)?;
        self.must_equal(&before, "the dry run changed the tree")?;

        self.expect(DONE, step.tool, step.args)?;
        self.show_changes(&before, "it changed nothing")?;

        let after = self.node.tree()?;
        self.expect(DONE, step.tool, &dry)?;
        self.expect(DONE, step.tool, step.args)?;
        self.must_equal(&after, "the second run changed the tree")
    }

    /// Runs a utility on the node, shows what it says, and checks how it ended; gives its standard output.
    fn expect(&self, code: i32, tool: &str, args: &[&str]) -> Result<String> {
        let sh = Sh::program(self.programs.join(tool)).args(self.node.options(tool)).args(args);
        let call = format!("{tool} {}", args.join(" "));
        println!("$ {call}");
        output_of(sh, &call, code)
    }

    fn show_changes(&self, before: &Tree, none: &str) -> Result<()> {
        let diff = before.diff(&self.node.tree()?);
        if diff.is_empty() {
            bail!("{none}");
        }
        print!("{diff}");
        Ok(())
    }

    fn must_equal(&self, before: &Tree, otherwise: &str) -> Result<()> {
        let diff = before.diff(&self.node.tree()?);
        if diff.is_empty() {
            return Ok(());
        }
        bail!("{otherwise}:\n{diff}")
    }
}

/// Runs a program, shows what it says, and checks how it ended; gives its standard output.
fn output_of(sh: Sh, call: &str, code: i32) -> Result<String> {
    let output = sh.output()?;
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    for line in stdout.lines().chain(stderr.lines()) {
        println!("  {line}");
    }
    match output.status.code() {
        Some(found) if found == code => Ok(stdout),
        found => {
            bail!("{call} ended with {}, not {code}", found.map_or("a signal".to_owned(), |found| found.to_string()),)
        }
    }
}

/// A mount, named in full if it fails.
fn mount(args: &[&str], at: &Path) -> Result<()> {
    Sh::new("mount").args(args).arg(at).run().with_context(|| format!("cannot mount over {}", at.display()))
}
