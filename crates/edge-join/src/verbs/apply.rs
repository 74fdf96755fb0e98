//! `apply`: checks, then the certificate, then everything else, and then it waits for edgecore.

mod issue;

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use edge_host::{Arch, Error, Exit, Finding, Host, Mode, Outcome, Plan, Result, Severity, apply};
use edge_kubeedge::Kind;
use edge_kubeedge::edit::request::Request as Setting;
use edge_kubeedge::token::{Token, TokenError};
use edge_pki::times;

use super::check::of_host;
use super::image;
use crate::certificate::NotIssued;
use crate::cli::ApplyArgs;
use crate::facts::host::{HostFacts, read as read_host};
use crate::facts::install::{self, Install};
use crate::joined::{self, Waiting};
use crate::plan::{Ending, Joined, New, NewProgram, plan};
use crate::program::{self, INSTALLED, Options, Place, Release, Source, obtain, select};
use crate::request::node::{self, Node};
use crate::request::{APPLY, Cloud, Request, TokenSource, own_node_name};
use crate::{diagnose, facts};
use issue::Own;

const STDIN: &str = "-";
/// More than any list of settings.
const MAX_SETTINGS: u64 = 1 << 20;

/// A token, or what is wrong with it.
type ReadToken = std::result::Result<Token, TokenError>;

/// What one call requests.
pub(super) struct Call<'a> {
    pub(super) args: &'a ApplyArgs,
    pub(super) request: Request,
    pub(super) node: Node,
    pub(super) cloud: Cloud,
    pub(super) settings: Vec<Setting>,
}

pub(crate) fn run(host: &mut Host, args: &ApplyArgs) -> Result<Outcome> {
    let request = Request::new(&args.connection, APPLY)?;
    let node = Node::new(args)?;
    let cloud = request.must_have_cloud()?.clone();
    let is_live = host.root.is_live();
    if !is_live && args.first_boot {
        let error = Error::usage("cannot use --first-boot with --root: it is for the host that boots from the image");
        return Err(error.hint("leave it out: apply --root makes the unit that joins at the first boot"));
    }
    if !is_live && request.token.is_some() {
        return Err(image::token_refused(host));
    }
    let is_stdin = |path: &Path| path == Path::new(STDIN);
    if request.token == Some(TokenSource::Stdin) && args.settings.as_deref().is_some_and(is_stdin) {
        return Err(Error::usage("cannot read standard input twice: both --token - and --settings - are given"));
    }
    let settings = settings(host, args)?;
    let call = Call { args, request, node, cloud, settings };
    if !is_live {
        return image::run(host, &call);
    }
    if args.first_boot {
        return image::first_boot(host, &call);
    }
    let token = call.request.token.as_ref().map(facts::token::read).transpose()?;
    join(host, &call, token).map_err(Error::from)
}

/// The settings of --settings. They are part of the request: a call with others does not resume its run.
fn settings(host: &mut Host, args: &ApplyArgs) -> Result<Vec<Setting>> {
    let Some(path) = &args.settings else { return Ok(Vec::new()) };
    let (input, name): (Box<dyn Read>, String) = match path == Path::new(STDIN) {
        true => (Box::new(std::io::stdin()), "standard input".to_owned()),
        false => (Box::new(edge_fetch::open(path)?), path.display().to_string()),
    };
    let mut bytes = Vec::new();
    input.take(MAX_SETTINGS + 1).read_to_end(&mut bytes).map_err(|cause| Error::io("read", &name, &cause))?;
    if bytes.len() as u64 > MAX_SETTINGS {
        return Err(Error::cannot("use", &name, format!("it is larger than {} MiB", MAX_SETTINGS >> 20)));
    }
    host.requests_also(&bytes);
    let text = String::from_utf8(bytes).map_err(|_| Error::cannot("use", &name, "it is not UTF-8 text"))?;
    node::settings(&text, args)
}

/// Joins this host. An error tells whether the token was refused, so that it is not tried again.
pub(super) fn join(
    host: &mut Host,
    call: &Call<'_>,
    token: Option<ReadToken>,
) -> std::result::Result<Outcome, NotIssued> {
    host.prepare_change()?;
    let ended = join_prepared(host, call, token);
    let exit = match &ended {
        Ok(outcome) => outcome.exit,
        Err(NotIssued::Refused(error) | NotIssued::Failed(error)) => error.exit(),
    };
    program::clean_after(host, exit)?;
    ended
}

fn join_prepared(
    host: &mut Host,
    call: &Call<'_>,
    token: Option<ReadToken>,
) -> std::result::Result<Outcome, NotIssued> {
    let Call { args, cloud, .. } = call;
    let release = &args.version;
    let now = edge_host::now();
    times::check_clock(now)?;
    let mut here = read_host(&host.root, Some(release.minor))?;
    let name = match (&call.request.node_name, own_node_name(&here.name)) {
        (Some(given), _) => given.clone(),
        (None, Some(own)) => own,
        (None, None) => {
            let finding = diagnose::host::node_name(&here.name);
            let error = diagnose::first_error(finding.as_slice());
            return Err(error
                .unwrap_or_else(|| Error::failed("cannot join without a name"))
                .with_exit(Exit::Refused)
                .into());
        }
    };
    let install = install::read(host, release.minor)?;
    refuse_processes(&here)?;
    refuse(host, &install, release)?;
    let https = cloud.https.to_string();
    let (hub, tunnel) = (cloud.hub.to_string(), cloud.tunnel.to_string());
    let joined = Joined {
        release,
        hub: &hub,
        https: &https,
        tunnel: &tunnel,
        node_name: Some(&name),
        labels: &call.node.labels,
        taints: &call.node.taints,
        settings: &call.settings,
    };
    // What cannot be configured is refused before cloudcore is asked, and the host is judged as edgecore will find it.
    here.config.document = crate::plan::config::after(&joined, &install.facts.config)?;
    let source = source(host, call, &install)?;
    let findings = of_host(host, &here, Some(release.minor), Some(&name))?;
    diagnose::first_error(&findings).map_or(Ok(()), Err)?;
    print(host, &findings);
    let pair = install::pair(&install.facts.pair, &name, release.minor, now);
    let known = token.as_ref().and_then(|token| token.as_ref().ok()).cloned();
    let own = Own { pair: &pair, lone: install::lone_key(&install.facts.pair) };
    let (ca, issued) = issue::certificate(host, call, token, own, &name, now)?;
    let program = new_program(host, release, source)?;
    let has_systemd = install.facts.unit.has_systemd;
    let ending = if args.no_start { Ending::NoStart } else { Ending::Run };
    let (plan, _) = plan(&joined, with_unit(host, install)?, New { issued, program }, ending)?;
    let waiting = Waiting {
        cloud,
        ca: &ca,
        identity: None,
        node: &name,
        version: release.minor,
        token: known.as_ref(),
        within: Duration::from_secs(args.wait),
    };
    Ok(finish(host, plan, &waiting, (ending, has_systemd), release)?)
}

/// Applies the plan, and reports success only for what was observed.
fn finish(
    host: &mut Host,
    plan: Plan,
    waiting: &Waiting<'_>,
    (ending, has_systemd): (Ending, bool),
    release: &Release,
) -> Result<Outcome> {
    let waits = ending == Ending::Run && has_systemd;
    let is_empty = plan.is_empty();
    let is_real = host.mode == Mode::Apply;
    if is_empty && waits && is_real {
        joined::wait(host, waiting)?;
    }
    let outcome = apply(host, plan)?;
    if !is_real || outcome.exit != Exit::Done {
        return Ok(outcome);
    }
    if !waits {
        if ending == Ending::Run {
            host.report.warning("systemd is not running: edgecore is installed, but was not started");
        }
        return Ok(outcome);
    }
    if !is_empty {
        joined::wait(host, waiting)?;
    }
    host.report.line(&format!("edgecore {} is connected to {} as {}", release.tag(), waiting.cloud.hub, waiting.node));
    Ok(outcome)
}

/// The facts with the unit that will be there, so that a plan can enable it.
pub(super) fn with_unit(host: &Host, install: Install) -> Result<crate::plan::HostFacts> {
    let mut facts = install.facts;
    // The plan still has to see that there is none.
    if facts.unit.file.is_none() {
        let text = crate::plan::unit::edgecore(&facts.config.path.display().to_string());
        let file = Path::new(crate::plan::unit::UNIT_FILE);
        facts.new_unit = Some(facts.unit.clone().with_file(&host.root, file, &text)?);
    }
    Ok(facts)
}

/// Refuses (exit 4) a host that is a node of Kubernetes, or where another edgecore runs.
fn refuse_processes(here: &HostFacts) -> Result<()> {
    let mut all = diagnose::host::processes(here);
    all.extend(diagnose::host::second(here));
    diagnose::first_error(&all).map_or(Ok(()), |error| Err(error.with_exit(Exit::Refused)))
}

/// Prints the warnings among findings.
fn print(host: &mut Host, findings: &[Finding]) {
    for finding in findings.iter().filter(|finding| finding.severity == Severity::Warning) {
        let place = if finding.file.is_empty() { String::new() } else { format!("{}: ", finding.file) };
        host.report.warning(&format!("{place}{}", finding.text));
        if let Some(hint) = &finding.hint {
            host.report.hint(hint);
        }
    }
}

/// Refuses (exit 4) a host on which a join would break what is there.
pub(super) fn refuse(host: &Host, install: &Install, release: &Release) -> Result<()> {
    let tag = release.tag();
    let shown = host.root.display(Path::new(INSTALLED)).display().to_string();
    match &install.version {
        None => {}
        Some(None) => {
            return Err(Error::refused(format!("cannot join: {shown} exists, and its version cannot be read"))
                .hint(format!("if it is a leftover, move it away: mv {shown} {shown}.old")));
        }
        Some(Some(version)) if *version != tag => {
            return Err(Error::refused(format!("cannot join with edgecore {tag}: {version} is installed in {shown}"))
                .hint(format!("upgrade it: keadm upgrade edge --toVersion {tag}; or join with --version {version}")));
        }
        Some(Some(_)) => {}
    }
    match &install.starts {
        Some(program) if program != INSTALLED => {
            Err(Error::refused(format!("cannot join: {} starts {program}, and not {INSTALLED}", Kind::EdgeCore.unit()))
                .hint("remove that installation first; see what it consists of: edge-reset scan"))
        }
        _ => Ok(()),
    }
}

/// Where the program is from, without using the network; none where that of the release is installed.
pub(super) fn source(host: &Host, call: &Call<'_>, install: &Install) -> Result<Option<(Source, Arch)>> {
    let (args, release) = (call.args, &call.args.version);
    let unknown = || Error::failed("cannot find out the architecture of this system").hint("use a system with /bin/sh");
    // The programs of a system decide: a 64-bit kernel may run a 32-bit system.
    let arch = Arch::of_programs(&host.root).or_else(|| Arch::of_host(&host.root)).ok_or_else(unknown)?;
    let options = Options {
        archive: args.source.archive.clone(),
        sha512: args.source.sha512.clone(),
        offline: args.source.offline.clone(),
        mirror: args.source.mirror.clone(),
    };
    let is_installed = install.version == Some(Some(release.tag()));
    let is_local =
        options.offline.is_some() || options.archive.as_ref().is_some_and(|archive| !archive.contains("://"));
    if is_installed && !is_local {
        return Ok(None);
    }
    let source = select(&options, release, arch)?;
    debug_assert!(is_local == matches!(source.place, Place::File(_)), "a local source is a file");
    Ok(Some((source, arch)))
}

/// The program to install; none where it is installed, or in a dry run that would have to download it.
pub(super) fn new_program(
    host: &mut Host,
    release: &Release,
    source: Option<(Source, Arch)>,
) -> Result<Option<NewProgram>> {
    let Some((source, arch)) = source else { return Ok(None) };
    let Some(obtained) = obtain(host, &source, release, arch)? else {
        host.count_unlisted();
        return Ok(None);
    };
    let file = match &obtained.path {
        Some(path) => host.root.open(path)?,
        None => None,
    };
    let content: edge_host::action::ContentWriter = Box::new(move |to| {
        let mut file = file.ok_or_else(|| Error::failed("cannot install edgecore: it was not unpacked"))?;
        std::io::copy(&mut file, to).map(|_| ()).map_err(|cause| Error::io("write", INSTALLED, &cause))
    });
    Ok(Some(NewProgram { content, sha256: obtained.sha256, from: obtained.from }))
}
