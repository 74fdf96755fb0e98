//! A utility for the tests of the library edge-apt: installs and removes as the utilities above it do.
//!
//! A package is `NAME` (any version), `NAME=VERSION` (this one) or `NAME~1.34` (the newest of a stream).

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use edge_apt::{
    Fingerprint, KeyFrom, Layout, Offline, PackageName, PackageRequest, Pin, Removal, Request, Source, Stream, Version,
    VersionRequest,
};
use edge_host::{Common, Error, Exit, Host, Outcome, Plan, Result, UndoArgs, undo};

#[derive(Debug, Parser)]
#[command(name = "edge-apt-fixture", version)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Install packages
    Install(Box<Install>),
    /// Remove them, with source and pin
    Remove {
        packages: Vec<String>,
        #[arg(long)]
        name: Option<String>,
        #[arg(long)]
        wait: u64,
    },
    /// Undo the newest run; with --id, another one
    Undo(UndoArgs),
}

#[derive(Debug, Args)]
struct Install {
    packages: Vec<String>,
    /// Name of source and pin
    #[arg(long, default_value = "test")]
    name: String,
    #[arg(long)]
    uri: Option<String>,
    /// SUITE/COMPONENT; flat without it
    #[arg(long)]
    dist: Option<String>,
    #[arg(long)]
    key_file: Option<PathBuf>,
    #[arg(long)]
    key_url: Option<String>,
    #[arg(long)]
    fingerprint: Vec<String>,
    #[arg(long)]
    pin: Option<String>,
    #[arg(long)]
    offline: Option<PathBuf>,
    #[arg(long)]
    hold: bool,
    #[arg(long)]
    downgrade: bool,
    #[arg(long, default_value_t = 60)]
    wait: u64,
}

fn main() -> ExitCode {
    edge_host::main("edge-apt-fixture", |cli: &Cli| &cli.common, run)
}

fn run(cli: Cli, host: &mut Host) -> Result<Outcome> {
    match cli.verb {
        Verb::Install(args) => {
            let request = request(&args)?;
            let installed = edge_apt::install(host, &request)?;
            let mut outcome = edge_host::apply(host, Plan::new())?;
            for (name, version) in &installed.packages {
                let version = version.as_ref().map_or("not known yet", Version::as_str);
                host.report.line(&format!("{name} {version}"));
            }
            if installed.waits {
                outcome.exit = outcome.exit.worst(Exit::Differs);
            }
            Ok(outcome)
        }
        Verb::Remove { packages, name, wait } => {
            let packages = packages.iter().map(|name| PackageName::parse(name)).collect::<Result<_>>()?;
            let removal = Removal { packages, source: name.clone(), pin: name, wait: Duration::from_secs(wait) };
            edge_apt::remove(host, &removal)?;
            edge_host::apply(host, Plan::new())
        }
        Verb::Undo(args) => undo::run(host, &args, &[&edge_apt::PackageRemovals]),
    }
}

fn request(args: &Install) -> Result<Request> {
    let source = args.uri.clone().map(|uri| source(args, uri)).transpose()?;
    let pin = args.pin.as_ref().map(|pin| Pin {
        name: args.name.clone(),
        package: "edge-*".to_owned(),
        pin: pin.clone(),
        priority: 990,
    });
    Ok(Request {
        source,
        pin,
        obsolete: Vec::new(),
        packages: args.packages.iter().map(|text| package(text)).collect::<Result<_>>()?,
        hold: args.hold,
        downgrade: args.downgrade,
        offline: args.offline.as_deref().map(Offline::open).transpose()?,
        wait: Duration::from_secs(args.wait),
    })
}

fn source(args: &Install, uri: String) -> Result<Source> {
    let key = match (&args.key_file, &args.key_url) {
        (Some(file), _) => KeyFrom::Bytes(std::fs::read(file).map_err(|cause| Error::io("read", file, &cause))?),
        (None, Some(url)) => KeyFrom::Url(url.clone()),
        (None, None) => return Err(Error::usage("cannot add a source without a key")),
    };
    let layout = match args.dist.as_deref().and_then(|dist| dist.split_once('/')) {
        Some((suite, component)) => {
            Layout::Dist { suites: vec![suite.to_owned()], components: vec![component.to_owned()] }
        }
        None => Layout::Flat,
    };
    let fingerprints = args.fingerprint.iter().map(|text| Fingerprint::parse(text)).collect::<Result<_>>()?;
    Ok(Source { name: args.name.clone(), uri, layout, key, fingerprints })
}

fn package(text: &str) -> Result<PackageRequest> {
    let (name, version) = match (text.split_once('='), text.split_once('~')) {
        (Some((name, version)), _) => (name, VersionRequest::Exact(Version::parse(version)?)),
        (None, Some((name, stream))) => (name, VersionRequest::Stream(Stream::parse(stream)?)),
        (None, None) => (text, VersionRequest::Any),
    };
    Ok(PackageRequest { name: PackageName::parse(name)?, version })
}
