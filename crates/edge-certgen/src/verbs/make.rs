//! `edge-certgen stream`, `ca`, `server`, `edge` and `genCertAndKey`: make key pairs.

use std::path::Path;

use edge_host::action::Bytes;
use edge_host::{Error, Exit, Host, Inverse, Mode, Node, Outcome, Plan, Result, apply, apply_part};
use edge_pki::cert::{Certificate, bundle_from_pem, each_from_pem};
use edge_pki::encoding::{skipped, without_keys};
use edge_pki::issue::Contents;
use edge_pki::key::PrivateKey;
use edge_pki::names::Name;
use edge_pki::{names, times};

use crate::authority::{self, Ready};
use crate::cli::{Names, Options};
use crate::cloudcore;
use crate::cluster;
use crate::diagnose::cluster::{Known, lacks_nodes};
use crate::edgecore;
use crate::facts::{self, Source};
use crate::kind::{Dirs, Kind};
use crate::plan::{Decision, Key, decide, decide_authority, plan};
use crate::request;
use crate::request::{KeyChoice, Request};

const CLOUD: &str = "restart cloudcore, as it reads certificates only when it starts: systemctl restart cloudcore";
const EDGE: &str = "copy rootCA.crt, edge.crt and edge.key to the node (as ca/rootCA.crt, certs/server.crt and certs/server.key) and \
restart edgecore there";

const CA_KEY_HINT: &str = "anyone who can read the private key of the CA can sign certificates";

pub(crate) fn stream(host: &mut Host, options: &Options, given: &Names) -> Result<Outcome> {
    let kind = Kind::Stream;
    let (names, are_complete) = (request::names_or_variables(given)?, request::are_complete(given)?);
    let (dirs, entry) = (request::dirs(host, options)?, kind.entry()?);
    let request = request::of_pair(options, &entry, names, None)?;
    let authority = request::authority(options, &kind)?;
    let call = Call { options, dirs, kind, request };
    let key = call.given_key()?;
    host.prepare_edit(request::are_all_named(options)?)?;
    let now = clock(host)?;
    let call = call.with_names(host, are_complete)?;
    let source = facts::cluster_authority(host, &authority)?;
    let cloud = cloudcore::read(host).and_then(|(_, read)| read.ok()).map(|found| found.names).unwrap_or_default();
    let nodes_given = !given.node_ip.is_empty() || !given.node_name.is_empty();
    let known = Known { cloud: &cloud, node: &edgecore::names(host), nodes_given };
    if let Some(text) = lacks_nodes(&call.request.names, &cluster::read(host)?, known) {
        host.report.warning(&text);
    }
    let mut plan = Plan::new();
    let copy = host.root.find(&call.dirs.stream_ca())?;
    if copy.bytes != source.bytes && !contains_all(&copy.bytes, &source) {
        let node = Node::File { content: Bytes::Known(source.bytes.clone()), mode: 0o644 };
        let why = if source.is_mixed {
            format!("only the certificates of {}", source.file)
        } else {
            format!("a copy of {}", source.file)
        };
        plan.write(call.dirs.stream_ca(), copy, node, Inverse::Whole, why);
    }
    call.leaf(host, &source, key, now, &mut plan)?;
    refuse_cluster_ca(host, &plan)?;
    let outcome = apply(host, plan)?;
    Ok(hint_next_step(host, &call.kind, outcome))
}

/// Whether a bundle of the user's contains all certificates of the CA, and nothing but valid certificates.
fn contains_all(bytes: &[u8], source: &Source) -> bool {
    let is_public = without_keys(bytes).is_ok_and(|public| public == bytes);
    let is_sound = skipped(bytes) == 0 && each_from_pem(bytes).is_ok_and(|each| each.iter().all(Result::is_ok));
    let bundle = bundle_from_pem(bytes).unwrap_or_default();
    let has = |certificate: &Certificate| bundle.iter().any(|other| other.der == certificate.der);
    is_public && is_sound && source.certificates.iter().all(has)
}

pub(crate) fn ca(host: &mut Host, options: &Options) -> Result<Outcome> {
    let mut plan = Plan::new();
    let call = Call::of_authority(host, options)?;
    let key = call.given_key()?;
    host.prepare_edit(request::is_named(&options.ca_dir, "CA_PATH")?)?;
    let now = clock(host)?;
    call.authority(host, key, now, &mut plan)?;
    refuse_cluster_ca(host, &plan)?;
    let outcome = apply(host, plan)?;
    Ok(hint_next_step(host, &call.kind, outcome))
}

pub(crate) fn server(host: &mut Host, options: &Options, given: &Names) -> Result<Outcome> {
    let names = (request::names_or_variables(given)?, request::are_complete(given)?);
    by_hub(host, options, HubPair { kind: &Kind::Server, names, node: None, is_for_all: false })
}

pub(crate) fn edge(host: &mut Host, options: &Options, given: &Names) -> Result<Outcome> {
    let names = request::names(given)?;
    // As in the certificate: split at commas.
    let node_names = request::names(&Names { node_name: given.node_name.clone(), ..Names::default() })?;
    let node = match node_names.as_slice() {
        [] => None,
        [Name::Dns(name)] => Some(name.as_str()),
        _ => {
            return Err(Error::usage("cannot make one key pair for several edge nodes")
                .hint("make one for each node: edge-certgen edge --cert-dir DIR"));
        }
    };
    let are_complete = !names.is_empty();
    by_hub(host, options, HubPair { kind: &Kind::Edge, names: (names, are_complete), node, is_for_all: false })
}

/// `genCertAndKey NAME [IP…]`.
pub(crate) fn named(host: &mut Host, options: &Options, name: &str, addresses: &[String]) -> Result<Outcome> {
    let kind = Kind::named(name)?;
    let given = addresses.iter().map(|text| names::address("IP", text)).collect::<Result<Vec<_>>>()?;
    if ["rootCA", "streamCA"].contains(&kind.stem()) {
        return Err(Error::usage(format!("cannot make {name} with genCertAndKey: it is the name of a CA"))
            .hint("for rootCA: edge-certgen ca; for streamCA: edge-certgen stream"));
    }
    if kind == Kind::Stream {
        return Err(Error::usage("cannot make stream with genCertAndKey: it is signed by the cluster's CA")
            .hint("make it: edge-certgen stream --ip IP"));
    }
    let are_complete = !given.is_empty();
    by_hub(host, options, HubPair { kind: &kind, names: (given, are_complete), node: None, is_for_all: true })
}

/// A key pair signed by rootCA.
pub(crate) struct HubPair<'a> {
    pub(crate) kind: &'a Kind,
    /// The names that are given, and whether they are all that the certificate must have.
    pub(crate) names: (Vec<Name>, bool),
    pub(crate) node: Option<&'a str>,
    /// As certgen.sh made it, whatever its name: people copy its `server` to edge nodes, and old manifests of cloudcore
    /// mount its `edge`, so it serves as a server and as a client.
    pub(crate) is_for_all: bool,
}

/// Makes the pair, and rootCA first if it is missing, in one run.
fn by_hub(host: &mut Host, options: &Options, pair: HubPair<'_>) -> Result<Outcome> {
    let kind = pair.kind;
    let outcome = make_by_hub(host, options, pair)?;
    Ok(hint_next_step(host, kind, outcome))
}

/// The same without the hint about a restart.
pub(crate) fn make_by_hub(host: &mut Host, options: &Options, pair: HubPair<'_>) -> Result<Outcome> {
    let HubPair { kind, names: (names, names_are_complete), node, is_for_all } = pair;
    let (dirs, mut entry) = (request::dirs(host, options)?, kind.entry()?);
    if is_for_all {
        entry.usages = Kind::Other(kind.stem().to_owned()).entry()?.usages;
    }
    let request = request::of_pair(options, &entry, names, node)?;
    let authority = request::authority(options, kind)?;
    let call = Call { options, dirs, kind: kind.clone(), request };
    let key = call.given_key()?;
    host.prepare_edit(request::are_all_named(options)?)?;
    let now = clock(host)?;
    let call = call.with_names(host, names_are_complete)?;
    let found = facts::hub_authority(host, &authority, &call.dirs)?;
    let source = match found {
        Some(source) => source,
        None => {
            let of_authority = Call::of_missing_authority(host, options)?;
            let mut plan = Plan::new();
            of_authority.authority(host, None, now, &mut plan)?;
            refuse_cluster_ca(host, &plan)?;
            apply_part(host, plan)?;
            if host.mode == Mode::DryRun {
                let mut plan = Plan::new();
                let (key, certificate) = (call.dirs.key(&call.kind), call.dirs.certificate(&call.kind));
                plan.note(format!("then {} and {}, signed by it", key.display(), certificate.display()));
                let mut outcome = apply(host, plan)?;
                outcome.exit = outcome.exit.worst(Exit::Differs);
                return Ok(outcome);
            }
            facts::hub_authority(host, &authority, &call.dirs)?
                .ok_or_else(|| Error::failed("cannot sign with rootCA.crt: it was removed during this run"))?
        }
    };
    let mut plan = Plan::new();
    call.leaf(host, &source, key, now, &mut plan)?;
    refuse_cluster_ca(host, &plan)?;
    apply(host, plan)
}

/// Refuses to change the cluster's own CA, which a path may be a link to.
fn refuse_cluster_ca(host: &Host, plan: &Plan) -> Result<()> {
    for action in &plan.actions {
        let Some(path) = action.path() else { continue };
        let target = host.root.canonical(path)?;
        for place in cluster::distributions(host)? {
            for file in [&place.certificate, &place.key] {
                // What cannot be resolved, as a user who may not enter its directory, is not the target.
                if host.root.canonical(file).ok().as_ref() != Some(&target) {
                    continue;
                }
                let (shown, cluster) = (path.display(), &place.cluster);
                return Err(if path == target {
                    Error::refused(format!("cannot write {shown}: it is the CA of {cluster}"))
                        .hint("choose another directory with --cert-dir or --ca-dir: all certificates of the cluster depend on this CA")
                } else {
                    Error::refused(format!(
                        "cannot write {shown}: it is a link to {}, the CA of {cluster}",
                        target.display()
                    ))
                    .hint(format!("remove the symbolic link at or above {shown} and run again"))
                });
            }
        }
    }
    Ok(())
}

fn clock(host: &Host) -> Result<i64> {
    let now = edge_host::now();
    host.check_interrupt()?;
    times::check_clock(now)?;
    Ok(now)
}

/// Prints what must be done for the change to take effect.
fn hint_next_step(host: &mut Host, kind: &Kind, outcome: Outcome) -> Outcome {
    let hint = match kind {
        Kind::Stream | Kind::Ca | Kind::Server => Some(CLOUD).filter(|_| host.root.is_live()),
        Kind::Edge => Some(EDGE),
        Kind::Other(_) => None,
    };
    if let Some(hint) = hint.filter(|_| outcome.changed && host.mode == Mode::Apply) {
        host.report.hint(hint);
    }
    outcome
}

/// What one call makes.
struct Call<'a> {
    options: &'a Options,
    dirs: Dirs,
    kind: Kind,
    request: Request,
}

impl<'a> Call<'a> {
    fn of_authority(host: &Host, options: &'a Options) -> Result<Call<'a>> {
        let entry = Kind::Ca.entry()?;
        if options.ca.is_some() || options.ca_key.is_some() {
            return Err(Error::usage("cannot use --ca and --ca-key with ca: rootCA signs itself"));
        }
        let mut request = request::of_pair(options, &entry, Vec::new(), None)?;
        if options.subject.is_none() {
            // SUBJECT of certgen.sh is for all certificates, but a CA with the subject of what it signs confuses clients.
            request.subject = edge_pki::subject::parse(&entry.subject)?;
        }
        Ok(Call { options, dirs: request::dirs(host, options)?, kind: Kind::Ca, request })
    }

    /// rootCA made for another key pair: with the defaults, as the options are about that pair.
    fn of_missing_authority(host: &Host, options: &'a Options) -> Result<Call<'a>> {
        let entry = Kind::Ca.entry()?;
        let mut call = Call::of_authority(host, options)?;
        call.request.subject = edge_pki::subject::parse(&entry.subject)?;
        call.request.subject_must_be = None;
        call.request.days = entry.days;
        call.request.algorithm = None;
        call.request.key = KeyChoice::Keep;
        Ok(call)
    }

    fn given_key(&self) -> Result<Option<PrivateKey>> {
        self.options
            .key
            .as_deref()
            .map(|path| {
                let path = if request::is_stdin(path) { path.to_path_buf() } else { request::absolute("--key", path)? };
                facts::own_key(Path::new(&path))
            })
            .transpose()
    }

    /// Adds the SANs to those that are given. Before anything is made.
    fn with_names(mut self, host: &mut Host, are_complete: bool) -> Result<Call<'a>> {
        if !are_complete {
            let pair = facts::pair(host, &self.dirs, &self.kind)?;
            let kept = pair.certificate.valid().map(|certificate| certificate.names.clone()).unwrap_or_default();
            self.request.names = super::sans::complete(host, &self.kind, kept, self.request.names)?;
        }
        if self.kind != Kind::Edge {
            self.request.names = request::with_loopback(self.request.names)?;
        }
        Ok(self)
    }

    fn leaf(&self, host: &Host, source: &Source, key: Option<PrivateKey>, now: i64, to: &mut Plan) -> Result<()> {
        if key.as_ref().is_some_and(|key| source.has_key(key)) {
            return Err(Error::refused("cannot use the given private key: it is the private key of the CA")
                .hint(format!("use another one: {CA_KEY_HINT}")));
        }
        let pair = facts::pair_to_make(host, &self.dirs, &self.kind)?;
        let decision = decide(&pair, &self.request, key, &source.certificates, now)?;
        let is_key_of_ca = pair.key.valid().is_some_and(|key| source.has_key(key));
        if is_key_of_ca && !matches!(decision, Decision::Make { key: Key::New(_) | Key::Given(_), .. }) {
            let shown = pair.key_path.display();
            return Err(Error::refused(format!("cannot use the private key {shown}: it is the private key of the CA"))
                .hint(format!("remove it and run again: {CA_KEY_HINT}")));
        }
        let ready = match &decision {
            Decision::Keep(_) => None,
            Decision::Make { .. } => Some(self.ready(host, source, now)?),
        };
        plan(pair, &self.request, decision, ready, now, to);
        Ok(())
    }

    fn ready(&self, host: &Host, source: &Source, now: i64) -> Result<Ready> {
        let request = &self.request;
        let contents = Contents {
            subject: request.subject.clone(),
            names: Vec::new(),
            usages: Vec::new(),
            now,
            days: request.days,
        };
        authority::ready(host, source, now, contents.not_after())
    }

    fn authority(&self, host: &Host, key: Option<PrivateKey>, now: i64, to: &mut Plan) -> Result<()> {
        let pair = facts::pair_to_make(host, &self.dirs, &self.kind)?;
        let had = pair.certificate.valid().is_some();
        let decision = decide_authority(&pair, &self.request, key, now)?;
        if had && matches!(decision, Decision::Make { .. }) {
            to.note(
                "edge nodes trust the rootCA.crt that they got when they joined: if its private key changes they must join again, and tokens change"
            );
        }
        plan(pair, &self.request, decision, None, now, to);
        Ok(())
    }
}
