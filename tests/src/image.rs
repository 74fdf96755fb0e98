//! An image for `--root`, and the fixture that works on it; its output can be compared as it is.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::tool::{Ran, Tool};
use crate::tree::Tree;

/// A tree, and beside it the plans for it.
#[derive(Debug)]
pub struct Image {
    /// The tree.
    pub tree: Tree,
    fixture: PathBuf,
    plans: TempDir,
}

impl Image {
    /// An image with these files.
    pub fn with(fixture: &str, files: &[(&str, &str)]) -> Image {
        let plans = tempfile::Builder::new().prefix("edgeutils-plans-").tempdir().unwrap();
        Image { tree: Tree::with(files), fixture: PathBuf::from(fixture), plans }
    }

    /// Where a file beside the image would be.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.plans.path().join(name)
    }

    /// The arguments of a call of the fixture; DIR is the image and PLANS the place beside it.
    pub fn argv(&self, args: &[&str]) -> Vec<String> {
        let mut argv = vec![self.fixture.to_str().unwrap().to_owned(), "--root".into(), self.dir()];
        argv.extend(args.iter().map(|arg| arg.replace("PLANS", self.plans.path().to_str().unwrap())));
        argv
    }

    /// The same as a command.
    pub fn command(&self, args: &[&str]) -> Command {
        let argv = self.argv(args);
        Tool::program(Path::new(&argv[0])).args(&argv[1..]).into_command()
    }

    /// Runs it. In its output, the image is called DIR and the directory beside it PLANS.
    pub fn run(&self, args: &[&str]) -> Ran {
        self.named(&Ran::of(&self.command(args).output().unwrap()))
    }

    /// Replaces the paths by these names.
    pub fn named(&self, ran: &Ran) -> Ran {
        let plans = self.plans.path().to_str().unwrap();
        let even = |text: &str| text.replace(&self.dir(), "DIR").replace(plans, "PLANS");
        Ran { code: ran.code, stdout: even(&ran.stdout), stderr: even(&ran.stderr) }
    }

    /// Writes a plan; its name is part of the call, so another name is another call.
    pub fn plan(&self, name: &str, plan: &str) {
        std::fs::write(self.beside(name), plan.replace("PLANS", self.plans.path().to_str().unwrap())).unwrap();
    }

    /// Applies a plan.
    pub fn apply(&self, plan: &str) -> Ran {
        self.plan("plan.json", plan);
        self.run(&["apply", "--plan", "PLANS/plan.json"])
    }

    /// Undoes the newest run.
    pub fn undo(&self) -> Ran {
        self.run(&["undo"])
    }

    /// The bytes of all journal files.
    pub fn journal(&self) -> Vec<u8> {
        let dir = self.tree.at("var/lib/edgeutils/journal");
        std::fs::read_dir(dir).unwrap().flat_map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect()
    }

    fn dir(&self) -> String {
        self.tree.path().to_str().unwrap().to_owned()
    }
}

impl Ran {
    /// Fails unless it ended with this code and exactly this on stderr.
    #[track_caller]
    pub fn says(self, code: i32, stderr: &str) -> Ran {
        let even = |text: &str| text.lines().map(str::trim).collect::<Vec<_>>().join("\n").trim().to_owned();
        assert_eq!((self.code, even(&self.stderr)), (code, even(stderr)), "stdout:\n{}", self.stdout);
        self
    }
}
