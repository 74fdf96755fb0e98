//! From the command line and standard input to what is wanted.

use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use edge_host::{Error, MAX_READ, Result, ResultExt};
use edge_kubeedge::stream::{FIRST_VERSION, STREAM_PORT, dialled_port};

use crate::cli::AddArgs;
use crate::pair::{Pair, distinct};
use crate::tunnelport;
use crate::wanted::{HandMadeRules, Kept, Persist, Wanted};

/// What these options ask for; all of standard input is read, if it is asked for.
pub(crate) fn wanted(args: &AddArgs, lock_wait: Duration) -> Result<Wanted> {
    Ok(Wanted {
        pairs: pairs(args)?,
        reach: args.from,
        engine: args.backend,
        persist: if args.persist { Persist::Yes } else { Persist::AsItIs },
        by_hand: if args.adopt { HandMadeRules::Adopt } else { HandMadeRules::Leave },
        kept: if args.force { Kept::Add } else { Kept::Yield },
        lock_wait,
    })
}

fn pairs(args: &AddArgs) -> Result<Vec<Pair>> {
    if let Some(path) = &args.tunnelport {
        return distinct(tunnelport::parse(&input(path)?)?);
    }
    let Some(ip) = args.cloudcore else {
        return typed(&args.pairs);
    };
    let Some(version) = args.kubeedge_version else {
        return Err(Error::usage(format!("cannot redirect to {ip}: which port the API server dials is not known"))
            .hint(format!("add --kubeedge-version, or say it: edge-redirect add PORT={ip}:{}", STREAM_PORT)));
    };
    let port = dialled_port(version).ok_or_else(|| {
        let why = format!("kubectl logs came with KubeEdge {FIRST_VERSION}");
        Error::usage(format!("cannot use --kubeedge-version {version}: {why}"))
    })?;
    let pair = Pair::new(port, SocketAddr::new(ip, STREAM_PORT));
    Ok(vec![pair.map_err(|cause| Error::usage(format!("cannot use --cloudcore {ip}: {cause}")))?])
}

/// Pairs as they were typed; at least one.
pub(crate) fn typed(texts: &[String]) -> Result<Vec<Pair>> {
    if texts.is_empty() {
        return Err(Error::usage("cannot redirect: neither a port and an address nor a cloudcore is given").hint(
            "edge-redirect add 10351=192.0.2.1:10003, or --cloudcore IP --kubeedge-version V, or --tunnelport -",
        ));
    }
    distinct(texts.iter().map(|text| Pair::parse(text)).collect::<Result<_>>()?)
}

fn input(path: &Path) -> Result<String> {
    let reader: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        // The operator's own file, wherever --root is.
        Box::new(std::fs::File::open(path).on("read", path)?)
    };
    let mut text = String::new();
    let read = reader.take(MAX_READ + 1).read_to_string(&mut text).on("read", path)?;
    if read as u64 > MAX_READ {
        return Err(Error::failed(format!("cannot read {}: it is larger than {} MiB", path.display(), MAX_READ >> 20)));
    }
    Ok(text)
}
