//! `edge-certgen stream`, `ca`, `server`, `edge` and genCertAndKey.

use std::path::Path;

use edge_host::action::Bytes;
use edge_host::{Error, Exit, Host, Inverse, Mode, Node, Outcome, Plan, Result, apply, apply_part};

use crate::authority::{self, Ready};
use crate::cli::{Names, Options};
use crate::facts::{self, Source};
use crate::issue::Request;
use crate::key::PrivateKey;
use crate::kind::{Dirs, Kind, Knowledge, places};
use crate::names::Name;
use crate::plan::{Decision, Key, decide, decide_authority, plan};
use crate::wanted::{KeyWish, Wanted};
use crate::{names, times, wanted};

const CLOUD: &str = "restart cloudcore (systemctl restart cloudcore): it reads certificates only when it starts";
const EDGE: &str = "put rootCA.crt, edge.crt and edge.key on the node (as ca/rootCA.crt, certs/server.crt and server.key) and \
restart edgecore there";

const READ_BY_MORE: &str = "a server's key is on more hosts, and whoever reads this one can sign anything";

pub(crate) fn stream(host: &mut Host, options: &Options, given: &Names) -> Result<Outcome> {
    let kind = Kind::Stream;
    let names = wanted::names_or_variables(given)?;
    let (dirs, known) = (wanted::dirs(host, options)?, kind.knowledge()?);
    let asked = wanted::wanted(options, &known, names, None)?;
    let authority = wanted::authority(options, &kind)?;
    let call = Call { options, dirs, kind, asked, known };
    let key = call.given_key()?;
    host.prepare_change()?;
    let now = clock(host)?;
    let call = call.named(host)?;
    let source = facts::cluster_authority(host, &authority)?;
    let mut plan = Plan::new();
    let copy = host.root.find(&call.dirs.stream_ca())?;
    if copy.bytes != source.bytes {
        let node = Node::File { content: Bytes::Known(source.bytes.clone()), mode: 0o644 };
        let why = if source.is_mixed {
            format!("the certificates in {}, and nothing else of it", source.shown)
        } else {
            format!("a copy of {}", source.shown)
        };
        plan.write(call.dirs.stream_ca(), copy, node, Inverse::Whole, why);
    }
    call.leaf(host, &source, key, now, &mut plan)?;
    spare_cluster(host, &plan)?;
    let outcome = apply(host, plan)?;
    Ok(said(host, &call.kind, outcome))
}

pub(crate) fn ca(host: &mut Host, options: &Options) -> Result<Outcome> {
    let mut plan = Plan::new();
    let call = Call::of_authority(host, options)?;
    let key = call.given_key()?;
    host.prepare_change()?;
    let now = clock(host)?;
    call.authority(host, key, now, &mut plan)?;
    spare_cluster(host, &plan)?;
    let outcome = apply(host, plan)?;
    Ok(said(host, &call.kind, outcome))
}

pub(crate) fn server(host: &mut Host, options: &Options, given: &Names) -> Result<Outcome> {
    let names = wanted::names_or_variables(given)?;
    by_hub(host, options, &Kind::Server, names, None)
}

pub(crate) fn edge(host: &mut Host, options: &Options, given: &Names) -> Result<Outcome> {
    let names = wanted::names(given)?;
    // As it stands in the certificate: commas taken apart, in the letters that Kubernetes has.
    let node_names = wanted::names(&Names { node_name: given.node_name.clone(), ..Names::default() })?;
    let node = match node_names.as_slice() {
        [] => None,
        [Name::Dns(name)] => Some(name.as_str()),
        _ => {
            return Err(Error::usage("cannot make one pair for several edge nodes")
                .hint("call edge-certgen edge for each, with a --cert-dir of its own"));
        }
    };
    by_hub(host, options, &Kind::Edge, names, node)
}

/// genCertAndKey NAME [IP…].
pub(crate) fn named(host: &mut Host, options: &Options, name: &str, addresses: &[String]) -> Result<Outcome> {
    let kind = Kind::named(name)?;
    let given = addresses.iter().map(|text| names::address("IP", text)).collect::<Result<Vec<_>>>()?;
    if ["rootCA", "streamCA"].contains(&kind.stem()) {
        return Err(Error::usage(format!("cannot make {name} so: it is a CA's name"))
            .hint("edge-certgen ca makes rootCA, edge-certgen stream streamCA"));
    }
    if kind == Kind::Stream {
        return Err(
            Error::usage("cannot make stream so: it is signed by the cluster's CA").hint("edge-certgen stream --ip IP")
        );
    }
    by_hub(host, options, &kind, given, None)
}

/// A pair signed by rootCA, which is made first if it is not there: as one run.
fn by_hub(host: &mut Host, options: &Options, kind: &Kind, names: Vec<Name>, node: Option<&str>) -> Result<Outcome> {
    let outcome = make_by_hub(host, options, kind, names, node)?;
    Ok(said(host, kind, outcome))
}

/// The same without a word about a restart.
pub(crate) fn make_by_hub(
    host: &mut Host,
    options: &Options,
    kind: &Kind,
    names: Vec<Name>,
    node: Option<&str>,
) -> Result<Outcome> {
    let (dirs, known) = (wanted::dirs(host, options)?, kind.knowledge()?);
    let asked = wanted::wanted(options, &known, names, node)?;
    let authority = wanted::authority(options, kind)?;
    let call = Call { options, dirs, kind: kind.clone(), asked, known };
    let key = call.given_key()?;
    host.prepare_change()?;
    let now = clock(host)?;
    let call = call.named(host)?;
    let found = facts::hub_authority(host, &authority, &call.dirs)?;
    let source = match found {
        Some(source) => source,
        None => {
            let of_authority = Call::of_missing_authority(host, options)?;
            let mut plan = Plan::new();
            of_authority.authority(host, None, now, &mut plan)?;
            spare_cluster(host, &plan)?;
            apply_part(host, plan)?;
            if host.mode == Mode::DryRun {
                let mut plan = Plan::new();
                let (key, certificate) = (call.dirs.key(&call.kind), call.dirs.certificate(&call.kind));
                plan.note(format!("then, signed by it: {} and {}", key.display(), certificate.display()));
                let mut outcome = apply(host, plan)?;
                outcome.exit = outcome.exit.worst(Exit::Differs);
                return Ok(outcome);
            }
            facts::hub_authority(host, &authority, &call.dirs)?
                .ok_or_else(|| Error::failed("cannot sign: rootCA.crt was removed meanwhile"))?
        }
    };
    let mut plan = Plan::new();
    call.leaf(host, &source, key, now, &mut plan)?;
    spare_cluster(host, &plan)?;
    apply(host, plan)
}

/// Refuses to change the cluster's own CA, which a link of the user's may lead to.
fn spare_cluster(host: &Host, plan: &Plan) -> Result<()> {
    for action in &plan.actions {
        let Some(path) = action.path() else { continue };
        let target = host.root.canonical(path)?;
        for place in places()? {
            for file in [&place.certificate, &place.key] {
                if host.root.canonical(file)? != target {
                    continue;
                }
                let (shown, cluster) = (path.display(), &place.cluster);
                return Err(if path == target {
                    Error::refused(format!("cannot write {shown}: it is the CA of {cluster}"))
                        .hint("every certificate of the cluster hangs on it")
                } else {
                    Error::refused(format!(
                        "cannot write {shown}: it leads to {}, the CA of {cluster}",
                        target.display()
                    ))
                    .hint(format!("remove the link {shown} and run again"))
                });
            }
        }
    }
    Ok(())
}

fn clock(host: &Host) -> Result<i64> {
    let now = facts::now();
    host.check_interrupt()?;
    times::believed(now)?;
    Ok(now)
}

/// What to do for the change to count: on this host, or where the pair belongs.
fn said(host: &mut Host, kind: &Kind, outcome: Outcome) -> Outcome {
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
    asked: Wanted,
    known: Knowledge,
}

impl<'a> Call<'a> {
    fn of_authority(host: &Host, options: &'a Options) -> Result<Call<'a>> {
        let known = Kind::Ca.knowledge()?;
        if options.ca.is_some() || options.ca_key.is_some() {
            return Err(Error::usage("cannot take --ca and --ca-key here: the hub's CA signs itself"));
        }
        let mut asked = wanted::wanted(options, &known, Vec::new(), None)?;
        if options.subject.is_none() {
            // SUBJECT is what certgen.sh gives to everything; a CA with the name of what it signs confuses clients.
            asked.subject = crate::subject::parse(&known.subject)?;
        }
        Ok(Call { options, dirs: wanted::dirs(host, options)?, kind: Kind::Ca, asked, known })
    }

    /// rootCA where it is made on the way to another pair: by what is usual, whatever is said of that pair.
    fn of_missing_authority(host: &Host, options: &'a Options) -> Result<Call<'a>> {
        let known = Kind::Ca.knowledge()?;
        let mut call = Call::of_authority(host, options)?;
        call.asked.subject = crate::subject::parse(&known.subject)?;
        call.asked.subject_must_be = None;
        call.asked.days = known.days;
        call.asked.algorithm = None;
        call.asked.key = KeyWish::Keep;
        Ok(call)
    }

    fn given_key(&self) -> Result<Option<PrivateKey>> {
        self.options
            .key
            .as_deref()
            .map(|path| {
                let path = if wanted::is_stdin(path) { path.to_path_buf() } else { wanted::absolute("--key", path)? };
                facts::own_key(Path::new(&path))
            })
            .transpose()
    }

    /// The names of the pair: before anything is made on the way to it.
    fn named(mut self, host: &Host) -> Result<Call<'a>> {
        if self.asked.names.is_empty() {
            // A renewal from a timer names nothing anew.
            let pair = facts::pair(host, &self.dirs, &self.kind)?;
            self.asked.names = pair.certificate.good().map(|certificate| certificate.names.clone()).unwrap_or_default();
        }
        let stem = self.kind.stem();
        match self.kind {
            Kind::Edge => return Ok(self),
            Kind::Stream | Kind::Server if self.asked.names.is_empty() => {
                return Err(Error::usage(format!("cannot make {stem}: no address and no name is given"))
                    .hint(format!("what clients call cloudcore by: edge-certgen {stem} --ip IP --dns NAME")));
            }
            _ => {}
        }
        self.asked.names = wanted::with_loopback(self.asked.names)?;
        Ok(self)
    }

    fn leaf(&self, host: &Host, source: &Source, key: Option<PrivateKey>, now: i64, to: &mut Plan) -> Result<()> {
        if key.as_ref().is_some_and(|key| facts::belongs(&source.certificate, key)) {
            return Err(Error::refused("cannot use the key that is given: it is the CA's own").hint(READ_BY_MORE));
        }
        let pair = facts::pair_to_make(host, &self.dirs, &self.kind)?;
        let decision = decide(&pair, &self.asked, key, &source.certificate, now)?;
        let is_ca_s = pair.key.good().is_some_and(|key| facts::belongs(&source.certificate, key));
        if is_ca_s && !matches!(decision, Decision::Make { key: Key::New(_) | Key::Given(_), .. }) {
            let shown = pair.key_path.display();
            return Err(Error::refused(format!("cannot use the key {shown}: it is the CA's own"))
                .hint(format!("remove it and run again: {READ_BY_MORE}")));
        }
        let ready = match &decision {
            Decision::Keep(_) => None,
            Decision::Make { .. } => Some(self.ready(host, source, now)?),
        };
        plan(pair, &self.asked, decision, ready, now, to);
        Ok(())
    }

    fn ready(&self, host: &Host, source: &Source, now: i64) -> Result<Ready> {
        let asked = &self.asked;
        let request =
            Request { subject: asked.subject.clone(), names: Vec::new(), usages: Vec::new(), now, days: asked.days };
        authority::ready(host, source, now, request.not_after())
    }

    fn authority(&self, host: &Host, key: Option<PrivateKey>, now: i64, to: &mut Plan) -> Result<()> {
        let pair = facts::pair_to_make(host, &self.dirs, &self.kind)?;
        let had = pair.certificate.good().is_some();
        let decision = decide_authority(&pair, &self.asked, key, now)?;
        if had && matches!(decision, Decision::Make { .. }) {
            to.note(format!(
                "edge nodes trust {} as it was when they joined: those signed by another key must join again, and tokens change",
                self.known.what
            ));
        }
        plan(pair, &self.asked, decision, None, now, to);
        Ok(())
    }
}
