//! The scripts, each on its own tree: dry run, run, second run, undo.

use std::path::Path;

use anyhow::{Result, bail};

use super::node::Node;
use super::{DONE, Demo, Shown, Summary, WOULD_CHANGE, entries, output_of};
use crate::dist;
use crate::sh::Sh;
use crate::workspace::Workspace;

/// A script and its node.
pub(super) struct Script {
    title: &'static str,
    path: &'static str,
    variables: &'static [(&'static str, &'static str)],
    /// The utilities that it calls, in this order.
    tools: &'static [&'static str],
    node: fn(&Path) -> Result<Node>,
}

pub(super) const SCRIPTS: &[Script] = &[
    Script {
        title: "The edge side in one script",
        path: "scripts/edge-node.sh",
        variables: &[("CLOUDCORE", "192.0.2.1")],
        tools: &["edge-prep", "edge-conf"],
        node: Node::copied,
    },
    Script {
        title: "The cloud side in one script: certificates, cloudcore.yaml, redirect",
        path: "scripts/cloud-node.sh",
        variables: &[("KUBEEDGE_VERSION", "1.7.2"), ("CLOUDCORE", "192.0.2.1"), ("NAMES", "cloudcore.example.com")],
        tools: &["edge-certgen", "edge-conf", "edge-redirect"],
        node: Node::cloud,
    },
];

/// The output of `undo` without a run to undo.
const NOTHING_LEFT: &str = "nothing to undo\n";

/// A script makes at most this many runs with one utility.
const MOST_RUNS: usize = 4;

impl Script {
    /// Runs all of it, on a fresh tree in `dir`.
    pub(super) fn play(&self, workspace: &Workspace, dir: &Path) -> Result<Summary> {
        debug_assert!(dist::SCRIPTS.contains(&self.path));
        println!("\n{}", self.title);
        let demo = Demo { programs: workspace.debug_bin(), node: (self.node)(dir)?, variables: Vec::new() };
        println!("On {}", demo.node.described());
        let start = demo.node.tree()?;
        self.run(workspace, &demo, &["-n"], WOULD_CHANGE, Shown::Verbose)?;
        demo.must_equal(&start, "the dry run changed the tree")?;

        self.run(workspace, &demo, &[], DONE, Shown::Always)?;
        let changes = demo.changed_since(&start, "no entry changed")?;
        println!("  {} changed", entries(changes));

        let after = demo.node.tree()?;
        self.run(workspace, &demo, &["-n"], DONE, Shown::Verbose)?;
        self.run(workspace, &demo, &[], DONE, Shown::Verbose)?;
        demo.must_equal(&after, "the second run changed the tree")?;

        for tool in self.tools.iter().rev() {
            undo_all(&demo, tool)?;
        }
        demo.must_equal(&start, "the tree differs from the original")?;
        println!("Undone: the tree is identical to the original: {} entries.", start.len());
        Ok(Summary { calls: 1, changes, entries: start.len() })
    }

    fn run(&self, workspace: &Workspace, demo: &Demo, args: &[&str], code: i32, how: Shown) -> Result<()> {
        let shown: Vec<String> = self.variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let call = format!("{} sh {} {}", shown.join(" "), self.path, args.join(" "));
        let path = format!("{}:/usr/bin:/bin", demo.programs.display());
        let mut sh = Sh::new("sh").arg(workspace.root.join(self.path)).args(args);
        sh = sh.env("PATH", path).env("ROOT", demo.node.root());
        for (name, value) in self.variables {
            sh = sh.env(name, value);
        }
        output_of(sh, call.trim_end(), code, how)?;
        Ok(())
    }
}

fn undo_all(demo: &Demo, tool: &str) -> Result<()> {
    for _ in 0..=MOST_RUNS {
        if demo.expect(DONE, tool, &["undo"], Shown::Verbose)? == NOTHING_LEFT {
            return Ok(());
        }
    }
    bail!("{tool} undo does not reach \"nothing to undo\"")
}
