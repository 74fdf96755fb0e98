//! Suite power-cut: an edge node, a host of cloudcore and their undo, each interrupted by a power cut at a random moment.
//!
//! The disk loses what was not flushed. After the boot the same command must end as it does without an interruption: the
//! machine is compared file by file with one that had none.

use anyhow::{Context, Result, bail};
use fastrand::Rng;

use super::allowed::{CUT_VOLATILE, VOLATILE};
use super::cloud_node::{self, Backend};
use super::guest::Guest;
use super::look::{Look, same};
use super::repository::Repository;
use super::{Place, Prepared, edge_node, node};

/// Runs $COMMAND and prints three times in seconds: its start, its first change, its end.
const TIMED: &str = "touch /run/before; sleep 0.1; date +%s.%N
sh -c \"$COMMAND\" >/run/printed 2>&1 & call=$!
while kill -0 $call 2>/dev/null && [ -z \"$(find /var/lib/edgeutils/journal -newer /run/before 2>/dev/null)\" ]; do
    sleep 0.2
done
date +%s.%N
wait $call || { code=$?; cat /run/printed; exit $code; }
date +%s.%N";

/// The state of each run that is not undone.
const RUNS: &str = "for tool in edge-prep edge-certgen edge-cni edge-crio edge-conf edge-redirect; do
    $tool undo --list | grep -vE '^no runs|  undone  ' | sed \"s/^/$tool /\"
done";

/// A host has one of the two configurations.
const CONFIGURATIONS: &str = "/etc/kubeedge/config/";
const KEPT: &str = "/opt/config/";

/// A node: its configuration, how to prepare it, and how that is verified.
struct Node {
    name: &'static str,
    configuration: &'static str,
    command: String,
    verify: fn(&mut Guest<'_>) -> Result<()>,
}

/// A command without an interruption.
struct Reference {
    /// What the host has before it.
    setup: String,
    command: String,
    what: String,
    /// Seconds from its start to its first change and to its end.
    first: f64,
    end: f64,
    /// The machine after it.
    look: Look,
    verify: fn(&mut Guest<'_>) -> Result<()>,
}

pub(super) fn prepare(place: &Place<'_>) -> Result<Prepared> {
    let repository = Repository::make(place)?;
    let mut files = node::files(place)?;
    files.push(node::joined()?);
    files.extend(repository.stick(place)?);
    files.extend(cloud_node::files(place)?);
    for file in &mut files {
        file.path = file.path.replace(CONFIGURATIONS, KEPT);
    }
    let settings = node::HOST.map(|(name, value)| (name, value.to_owned())).into_iter().chain(node::crio(&repository));
    let settings: String = settings.map(|(name, value)| format!("{name}={value} ")).collect();
    let nodes = vec![
        Node {
            name: "edge-node",
            configuration: "edgecore.yaml",
            command: format!("{settings}sh {}/edge-node.sh", node::SCRIPTS),
            verify: edge_node::is_prepared,
        },
        Node {
            name: "cloud-node",
            configuration: "cloudcore.yaml",
            command: cloud_node::SCRIPT.to_owned(),
            verify: is_cloud_node,
        },
    ];
    let (cuts, seed) = (place.cuts, place.seed.unwrap_or_else(|| fastrand::u64(..)));
    Ok(Prepared { files, story: Box::new(move |guest| story(guest, nodes, cuts, seed)) })
}

fn is_cloud_node(guest: &mut Guest<'_>) -> Result<()> {
    cloud_node::is_prepared(guest, Backend::Nft)
}

/// Nothing is left to undo.
fn is_undone(guest: &mut Guest<'_>) -> Result<()> {
    guest.prints(node::UNDO, "nothing to undo")
}

/// A command and its undo in turn; few cuts are those of one node.
fn story(guest: &mut Guest<'_>, mut nodes: Vec<Node>, cuts: u32, seed: u64) -> Result<()> {
    guest.report(&format!("seed {seed}"));
    let mut random = Rng::with_seed(seed);
    if cuts <= 2 {
        nodes.swap_remove(random.usize(..nodes.len()));
    }
    guest.machine.use_write_cache();
    guest.boot()?;
    node::install(guest)?;

    let mut references = Vec::new();
    for Node { name, configuration, command, verify } in nodes {
        let place = CONFIGURATIONS.trim_end_matches('/');
        let setup = format!("rm -rf {place} && mkdir -p {place} && cp {KEPT}{configuration} {place}/");
        references.push(reference(guest, name.to_owned(), setup, command, verify)?);
        let (what, nothing) = (format!("undo of {name}"), "true".to_owned());
        references.push(reference(guest, what, nothing, node::UNDO.to_owned(), is_undone)?);
    }
    for (number, reference) in (1..=cuts).zip(references.iter().cycle()) {
        let within = reference.first + random.f64() * (reference.end - reference.first);
        let what = format!("cut {number} of {cuts}: {} after {within:.1} of {:.1} s", reference.what, reference.end);
        cut(guest, reference, within, &what).with_context(|| format!("{what} (--cuts {cuts} --seed {seed})"))?;
    }
    guest.shut_down()?;
    guest.machine.disk().check()
}

/// Runs a command to its end.
fn reference(
    guest: &mut Guest<'_>,
    what: String,
    setup: String,
    command: String,
    verify: fn(&mut Guest<'_>) -> Result<()>,
) -> Result<Reference> {
    guest.run(&setup)?;
    let printed = guest.run(&format!("export COMMAND=\"{command}\"\n{TIMED}")).with_context(|| what.clone())?;
    let times: Vec<f64> = printed.lines().map(str::parse).collect::<Result<_, _>>().context("no times of a command")?;
    let [start, first, end] = times[..] else { bail!("no times of {what}: {printed}") };
    verify(guest).with_context(|| format!("after {what}"))?;
    let look = guest.inventory()?;
    let (first, end) = (first - start, end - start);
    guest.report(&format!("{what}: first change after {first:.1} s, end after {end:.1} s"));
    Ok(Reference { setup, command, what, first, end, look, verify })
}

/// Interrupts a command, and runs it again.
fn cut(guest: &mut Guest<'_>, reference: &Reference, within: f64, what: &str) -> Result<()> {
    // What the host has before the command is not to be lost: that would be another host.
    guest.run(&format!("{} && sync", reference.setup))?;
    guest.machine.start(&reference.command)?;
    std::thread::sleep(std::time::Duration::from_secs_f64(within));
    guest.machine.power_cut()?;
    guest.machine.disk().check().context("the file system after the power cut")?;

    // Services of a half-prepared node may fail.
    guest.machine.boot()?;
    let runs = guest.run(RUNS)?;
    let state = if runs.contains("interrupted") { "interrupted" } else { "between two runs" };
    guest.run(&reference.command).context("the same command")?;
    (reference.verify)(guest).context("after the same command")?;
    let runs = guest.run(RUNS)?;
    if runs.lines().any(|run| !run.contains(" done ")) {
        bail!("there are incomplete runs:\n{runs}");
    }
    let differences = reference.look.differences(&guest.inventory()?, &[CUT_VOLATILE, VOLATILE].concat());
    same(&differences, "the end is not that of a command without an interruption")?;
    guest.report(&format!("{what}, {state}: resumed"));
    Ok(())
}
