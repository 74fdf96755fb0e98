//! The packages of this machine's architecture, made as for a release and installed as users do: by apt on a minimal
//! Debian and Ubuntu, by install.sh, and by rpm.

use std::path::Path;

use anyhow::{Result, anyhow};
use edgeutils_tests::apt::AptHost;
use edgeutils_tests::debian;

use super::{Outcome, SuiteContext};
use crate::dist::Target;
use crate::sh::Sh;
use crate::workspace::{read, remove_tree, write};

/// The throw-away key that signs the sums.
const KEY: &str = "package-test";

/// Read before each story.
const STEPS: &str = include_str!("../../data/package/steps.sh");
const APT: &str = include_str!("../../data/package/apt.sh");
const INSTALL: &str = include_str!("../../data/package/install.sh");
const RPM: &str = include_str!("../../data/package/rpm.sh");

/// What the stories of install.sh and of the .rpm need of their system.
const TOOLS: &[&str] = &["ca-certificates", "curl", "man-db", "minisign", "openssl", "rpm", "wget"];

/// Builds the packages as a release does, and installs them.
pub(super) fn run(context: &SuiteContext<'_>) -> Result<Outcome> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(Outcome::skipped("package", "not run as root"));
    }
    let target = Target::native();
    // Directories of its own: another suite writes to the usual one at the same time.
    let [out, again] = ["package-test", "package-test-again"].map(|name| context.workspace.target.join(name));
    let mut outcome = release(context, target, [&out, &again])?;
    if outcome.tally.failed > 0 {
        return Ok(outcome);
    }
    let sums = |dir: &Path| read(&dir.join("SHA256SUMS"));
    outcome = outcome.and(Outcome::of(sums(&out)? == sums(&again)?));
    remove_tree(&again)?;

    let (version, machine) = (&context.workspace.version, target.red_hat());
    let deb = out.join(format!("edgeutils_{version}_{}.deb", target.debian()));
    let rpm = out.join(format!("edgeutils-{version}-1.{machine}.rpm"));
    let lintian = Sh::new("lintian --fail-on error,warning --allow-root").arg(&deb);
    outcome = outcome.and(Outcome::of(lintian.logged(&context.log)?));

    let known: Vec<(&str, &str)> = vec![("VERSION", version), ("MACHINE", machine)];
    let paths = [("DEB", deb), ("RPM", rpm), ("RELEASED", out)].map(|(name, path)| (name, path.display().to_string()));
    let known = known.into_iter().chain(paths.iter().map(|(name, path)| (*name, path.as_str())));
    let variables: String = known.map(|(name, value)| format!("{name}='{value}'\n")).collect();
    let mut failures = String::new();
    let mut story = |host: &AptHost, title: &str, story: &str| -> Result<Outcome> {
        let ran = host.sh(&format!("{variables}{STEPS}{story}"));
        log(context, &format!("{title}\n{}{}", ran.stdout, ran.stderr))?;
        if ran.code != 0 {
            failures.push_str(&format!("{title}: {}\n", ran.stderr));
        }
        Ok(Outcome::of(ran.code == 0))
    };
    for release in [debian::RELEASE, debian::NEXT_RELEASE] {
        let host = AptHost::boot_on(release, &[]).map_err(|reason| anyhow!(reason))?;
        outcome = outcome.and(story(&host, &format!("apt on {release}"), APT)?);
    }
    // There, apt is not among the required packages.
    match AptHost::boot_in(debian::UBUNTU, &["apt"], &[]) {
        Ok(host) => outcome = outcome.and(story(&host, "apt on Ubuntu 22.04", APT)?),
        Err(reason) => outcome.notes.push(format!("the package was not installed on Ubuntu 22.04: {reason}")),
    }
    let host = AptHost::boot_in(debian::RELEASE, TOOLS, &[]).map_err(|reason| anyhow!(reason))?;
    outcome = outcome.and(story(&host, "install.sh", INSTALL)?);
    outcome = outcome.and(story(&host, "rpm", RPM)?);
    if !failures.is_empty() {
        // Where a reader of the log's end sees them: the stories that ran after them print hundreds of lines.
        log(context, &format!("failures:\n{failures}"))?;
    }
    Ok(outcome)
}

/// Makes the packages twice, each signed with the same new key, which is in the first directory.
fn release(context: &SuiteContext<'_>, target: Target, dirs: [&Path; 2]) -> Result<Outcome> {
    // A short path: gpg-agent's socket is in it.
    let home = tempfile::Builder::new().prefix("edgeutils-key-").tempdir()?;
    let gpg = || Sh::new("gpg --batch --quiet").env("GNUPGHOME", home.path());
    gpg().args(["--passphrase", "", "--quick-gen-key", KEY, "ed25519", "sign", "never"]).capture()?;
    let mut outcome = Outcome::default();
    for dir in dirs {
        remove_tree(dir)?;
        let dist = ["dist", "--report", "--sign-key", KEY, "--target", &target.to_string()];
        let dist = Sh::program(&context.xtask).dir(&context.workspace.root).args(dist).arg("--out").arg(dir);
        outcome = outcome.and(Outcome::of(dist.env("GNUPGHOME", home.path()).logged(&context.log)?));
    }
    write(&dirs[0].join("key.asc"), gpg().args(["--export", "--armor", KEY]).capture()?)?;
    Sh::new("gpgconf --kill gpg-agent").env("GNUPGHOME", home.path()).capture()?;
    Ok(outcome)
}

fn log(context: &SuiteContext<'_>, text: &str) -> Result<()> {
    let mut log = String::from_utf8_lossy(&read(&context.log)?).into_owned();
    log.push_str(text);
    write(&context.log, log)
}
