//! `xtask demo`: the utilities on an edge node, each change as a dry run, applied, repeated, and undone; then the scripts.
//! Prints the result of each step and a summary; with --verbose every call, its output and each changed line.

mod made;
mod node;
mod scripts;
mod tree;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use self::node::Node;
use self::tree::Tree;
use crate::failure::hinted;
use crate::sh::{self, Sh};
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

/// One change that an administrator requests.
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
    /// It would change the running kernel, which has no namespace for it, or its unit would start a program from
    /// a build directory, which is refused.
    CopyOnly,
}

const STEPS: &[Step] = &[
    Step {
        title: "Turn swap off, enable the memory cgroup, load modules, set sysctls",
        tool: "edge-prep",
        place: Place::CopyOnly,
        args: &["apply", "--for", "kubeadm"],
    },
    Step {
        title: "Install CNI plugins, verified by the checksums of their build",
        tool: "edge-cni",
        place: Place::CopyOnly,
        args: &["install", "--from-build", made::PLUGINS],
    },
    Step {
        title: "Configure a bridge network for pods",
        tool: "edge-cni",
        place: Place::CopyOnly,
        args: &["conf", "bridge", "--subnet", "10.85.0.0/16"],
    },
    Step {
        title: "Install CRI-O from a static bundle with a checksum",
        tool: "edge-crio",
        place: Place::CopyOnly,
        args: &["install", "--version", made::RELEASE, "--archive", made::BUNDLE, "--sha256", made::SUM],
    },
    Step {
        title: "Set a slower heartbeat for a metered link",
        tool: "edge-conf",
        place: Place::Anywhere,
        args: &["set", "modules.edgeHub.heartbeat=60"],
    },
    Step {
        title: "Enable kubectl logs and exec",
        tool: "edge-conf",
        place: Place::Anywhere,
        args: &["enable", "logs", "--server", "192.0.2.1:10004"],
    },
    Step {
        title: "Enable the Kubernetes API at the edge",
        tool: "edge-conf",
        place: Place::Anywhere,
        args: &["enable", "metaserver"],
    },
    Step {
        title: "Let edgecore start beside kube-proxy",
        tool: "edge-conf",
        place: Place::Anywhere,
        args: &["env", "CHECK_EDGECORE_ENVIRONMENT=false"],
    },
    Step {
        title: "Redirect the API server to cloudcore, persistent across reboots",
        tool: "edge-redirect",
        place: Place::CopyOnly,
        args: &["add", "10351=192.0.2.1:10003", "--persist"],
    },
];

/// Printed after the steps; they change nothing.
const STATUSES: &[(&str, &str)] = &[("edge-prep", "status"), ("edge-redirect", "status")];

/// How much of a call's output is shown without --verbose.
const SHORT: usize = 5;

/// Verified totals.
#[derive(Default)]
struct Summary {
    calls: usize,
    changes: usize,
    entries: usize,
}

impl Summary {
    fn add(&mut self, other: &Summary) {
        self.calls += other.calls;
        self.changes += other.changes;
        self.entries += other.entries;
    }
}

/// Expected exit codes of the contract.
const DONE: i32 = 0;
const WOULD_CHANGE: i32 = 3;

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    if !args.inside {
        workspace.build_programs()?;
    }
    let scratch = workspace.scratch("demo")?;
    let node = match (args.live, args.inside) {
        (false, _) => Node::copied(&scratch.join("node"))?,
        (true, true) => Node::overlaid(&scratch.join("live"))?,
        (true, false) => return in_private_namespace(),
    };
    let variables = if args.live { Vec::new() } else { made::prepare(&scratch, &node)? };
    let demo = Demo { programs: workspace.debug_bin(), node, variables };
    let mut summary = demo.run()?;
    // The scripts need root trees.
    if !args.live {
        for script in scripts::SCRIPTS {
            summary.add(&script.play(workspace, &scratch.join("host"))?);
        }
    }
    println!("\nSummary");
    println!("  shown   {} changes, each first as a dry run", summary.calls);
    println!("  changed {} files and directories; a second run changed nothing", summary.changes);
    println!("  undone  all of them: every tree is identical to the original ({} entries)", summary.entries);
    if !sh::is_verbose() {
        println!("  more    cargo xtask demo --verbose shows every call and each changed line");
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs this demo again in a private mount namespace.
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
        .args(sh::is_verbose().then_some("--verbose"))
        .run()?;
    Ok(ExitCode::SUCCESS)
}

struct Demo {
    programs: PathBuf,
    node: Node,
    /// Placeholders of arguments, and their values.
    variables: Vec<(&'static str, String)>,
}

impl Demo {
    fn run(&self) -> Result<Summary> {
        println!("The node: {}", self.node.described());
        let start = self.node.tree()?;
        let is_shown = |step: &&Step| step.place == Place::Anywhere || !self.node.is_live();
        let steps: Vec<&Step> = STEPS.iter().filter(is_shown).collect();
        let mut summary = Summary { calls: steps.len(), entries: start.len(), changes: 0 };
        for (number, step) in (1..).zip(&steps) {
            println!("\n{number}. {}", step.title);
            summary.changes += self.step(step)?;
        }
        let done = self.node.tree()?;
        println!("\n{}. Show the state", steps.len() + 1);
        for (tool, verb) in STATUSES {
            self.expect(DONE, tool, &[verb], Shown::Always)?;
        }
        self.must_equal(&done, "a status changed the tree")?;
        println!("\n{}. Undo everything, the newest run first", steps.len() + 2);
        for step in steps.iter().rev() {
            let before = self.node.tree()?;
            self.expect(DONE, step.tool, &["undo"], Shown::Verbose)?;
            println!("  {} undo: {}", step.tool, entries(self.changed_since(&before, "undo changed nothing")?));
        }
        self.must_equal(&start, "the tree differs from the original")?;
        println!("The tree is identical to the original: {} entries.", start.len());
        Ok(summary)
    }

    /// Dry run, run, and both again, which must change nothing; how many entries it changed.
    fn step(&self, step: &Step) -> Result<usize> {
        let args: Vec<&str> = step.args.iter().map(|arg| self.filled(arg)).collect();
        let dry = [&["-n"], &*args].concat();
        let before = self.node.tree()?;
        self.expect(WOULD_CHANGE, step.tool, &dry, Shown::Verbose)?;
        self.must_equal(&before, "the dry run changed the tree")?;

        self.expect(DONE, step.tool, &args, Shown::Always)?;
        let changes = self.changed_since(&before, "no entry changed")?;
        println!("  {} changed", entries(changes));

        let after = self.node.tree()?;
        self.expect(DONE, step.tool, &dry, Shown::Verbose)?;
        self.expect(DONE, step.tool, &args, Shown::Verbose)?;
        self.must_equal(&after, "the second run changed the tree")?;
        Ok(changes)
    }

    fn filled<'a>(&'a self, arg: &'a str) -> &'a str {
        self.variables.iter().find(|(name, _)| *name == arg).map_or(arg, |(_, value)| value)
    }

    /// Runs a utility on the node, prints its output, and checks its exit code; returns its standard output.
    fn expect(&self, code: i32, tool: &str, args: &[&str], shown: Shown) -> Result<String> {
        let sh = Sh::program(self.programs.join(tool)).args(self.node.options(tool)).args(args);
        output_of(sh, &format!("{tool} {}", args.join(" ")), code, shown)
    }

    /// How many entries differ from before, the difference shown with --verbose.
    fn changed_since(&self, before: &Tree, none: &str) -> Result<usize> {
        let now = self.node.tree()?;
        let changes = before.changes(&now);
        if changes == 0 {
            bail!("{none}");
        }
        if sh::is_verbose() {
            print!("{}", before.diff(&now));
        }
        Ok(changes)
    }

    fn must_equal(&self, before: &Tree, otherwise: &str) -> Result<()> {
        let diff = before.diff(&self.node.tree()?);
        if diff.is_empty() {
            return Ok(());
        }
        bail!("{otherwise}:\n{diff}")
    }
}

/// `1 entry`, `2 entries`.
fn entries(count: usize) -> String {
    if count == 1 { "1 entry".to_owned() } else { format!("{count} entries") }
}

/// When a call is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Always,
    Verbose,
}

/// Runs a program, prints its output, and checks its exit code; returns its standard output.
fn output_of(sh: Sh, call: &str, code: i32, shown: Shown) -> Result<String> {
    let output = sh.output()?;
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    let is_expected = output.status.code() == Some(code);
    let lines: Vec<&str> = stdout.lines().chain(stderr.lines()).collect();
    let limit = if sh::is_verbose() || !is_expected { lines.len() } else { SHORT };
    if shown == Shown::Always || sh::is_verbose() || !is_expected {
        println!("$ {call}");
        for line in lines.iter().take(limit) {
            println!("  {line}");
        }
        if lines.len() > limit {
            println!("  (more lines: {})", lines.len() - limit);
        }
    }
    if is_expected {
        return Ok(stdout);
    }
    let found = output.status.code().map_or("a signal".to_owned(), |found| found.to_string());
    bail!("{call} exited with {found}, not {code}")
}

/// Mounts a file system.
fn mount(args: &[&str], at: &Path) -> Result<()> {
    Sh::new("mount").args(args).arg(at).run().with_context(|| format!("cannot mount over {}", at.display()))
}
