//! What the user asks for: redirects, the traffic that they apply to, the backend, and whether they are stored.

use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;
use edge_firewall::Backend;
use edge_host::{Error, Exit, MAX_READ, Result, ResultExt};
use edge_kubeedge::Minor;
use edge_kubeedge::stream::{FIRST_VERSION, STREAM_PORT, dialled_port, needed_by};

use crate::cli::AddArgs;
use crate::redirect::{Redirect, distinct};
use crate::tunnelport;

/// The connections that are redirected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Traffic {
    /// Connections of programs on this host
    Output,
    /// Also connections that this host forwards
    Forward,
}

/// The backend of iptables to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BackendChoice {
    /// The one that this host uses
    Auto,
    /// nf_tables
    Nft,
    /// x_tables
    Legacy,
}

impl BackendChoice {
    /// The backend, unless it is to be found out.
    pub(crate) fn backend(self) -> Option<Backend> {
        match self {
            BackendChoice::Auto => None,
            BackendChoice::Nft => Some(Backend::Nft),
            BackendChoice::Legacy => Some(Backend::Legacy),
        }
    }
}

/// Everything that an `add` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// Each port once per address family.
    pub(crate) redirects: Vec<Redirect>,
    /// Unchanged if not given.
    pub(crate) traffic: Option<Traffic>,
    pub(crate) backend: BackendChoice,
    /// Store the redirects for the next boot; without it they are stored only if some are already.
    pub(crate) persist: bool,
    /// Replace unmanaged rules for the same ports.
    pub(crate) adopt: bool,
    /// Add rules even if cloudcore manages its own chain here.
    pub(crate) force: bool,
    /// The version of cloudcore, if it was given.
    pub(crate) version: Option<Minor>,
    /// How long to wait for the lock of x_tables.
    pub(crate) lock_wait: Duration,
}

impl Request {
    /// Reads the options of `add`, and all of standard input with `--tunnelport -`.
    pub(crate) fn read(args: &AddArgs, lock_wait: Duration) -> Result<Request> {
        let redirects = redirects(args)?;
        if !args.force_port {
            not_needed(&redirects)?;
        }
        Ok(Request {
            redirects,
            version: args.kubeedge_version,
            traffic: args.from,
            backend: args.backend,
            persist: args.persist,
            adopt: args.adopt,
            force: args.force,
            lock_wait,
        })
    }
}

/// Errors: exit 4 for a port that other services need.
pub(crate) fn not_needed(redirects: &[Redirect]) -> Result<()> {
    let needed = redirects.iter().find_map(|redirect| Some((redirect.port, needed_by(redirect.port)?)));
    needed.map_or(Ok(()), |(port, what)| {
        let cause = format!("it is the port of {what}, and connections to every other host would be redirected");
        Err(Error::cannot("redirect", format!("port {port}"), cause).with_exit(Exit::Refused).hint(
            "the API server connects to edge nodes on port 10350 up to KubeEdge 1.6, and on 10351 and later ports from 1.7; \
             --force-port redirects it anyway",
        ))
    })
}

fn redirects(args: &AddArgs) -> Result<Vec<Redirect>> {
    if let Some(path) = &args.tunnelport {
        return distinct(tunnelport::parse(&input(path)?)?);
    }
    let Some(ip) = args.cloudcore else {
        return parse_all(&args.redirects);
    };
    let Some(version) = args.kubeedge_version else {
        return Err(Error::usage(format!("cannot redirect to {ip}: the port depends on the KubeEdge version")).hint(
            format!("add --kubeedge-version VERSION, or name the port: edge-redirect add PORT={ip}:{STREAM_PORT}"),
        ));
    };
    let port = dialled_port(version).ok_or_else(|| {
        let why = format!("kubectl logs is supported since KubeEdge {FIRST_VERSION}");
        Error::usage(format!("cannot use --kubeedge-version {version}: {why}"))
    })?;
    let redirect = Redirect::new(port, SocketAddr::new(ip, STREAM_PORT));
    Ok(vec![redirect.map_err(|cause| Error::usage(format!("cannot use --cloudcore {ip}: {cause}")))?])
}

/// Redirects as they were typed; at least one.
pub(crate) fn parse_all(texts: &[String]) -> Result<Vec<Redirect>> {
    if texts.is_empty() {
        return Err(Error::usage("cannot add a redirect: no port and address given").hint(
            "edge-redirect add 10351=192.0.2.1:10003, or use --cloudcore IP --kubeedge-version V, or --tunnelport FILE",
        ));
    }
    distinct(texts.iter().map(|text| Redirect::parse(text)).collect::<Result<_>>()?)
}

fn input(path: &Path) -> Result<String> {
    let reader: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        // A path on this host even with --root.
        Box::new(std::fs::File::open(path).on("read", path)?)
    };
    let mut text = String::new();
    let read = reader.take(MAX_READ + 1).read_to_string(&mut text).on("read", path)?;
    if read as u64 > MAX_READ {
        return Err(Error::cannot("read", path, format!("it is larger than {} MiB", MAX_READ >> 20)));
    }
    Ok(text)
}
