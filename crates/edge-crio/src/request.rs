//! What the user requests of CRI-O's configuration, checked without reading the host.

use std::io::Read;

use edge_fetch::Proxy;
use edge_host::{Error, Result, ResultExt};

use crate::cli::InstallArgs;
use crate::config::{Keys, Mirror, reference_problem};

/// The requested configuration; what is not named is left as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// Keys of the drop-in.
    pub keys: Keys,
    /// Registry mirrors.
    pub mirrors: Vec<Mirror>,
    /// A proxy for the daemon.
    pub proxy: Option<Proxy>,
}

impl Request {
    /// From the options of `install`. Reads a proxy from standard input if it is `-`.
    pub(crate) fn of(args: &InstallArgs) -> Result<Request> {
        if let Some(image) = &args.pause_image
            && let Some(problem) = reference_problem(image)
        {
            return Err(Error::usage(format!("cannot use the image {image:?}: {problem}"))
                .hint("give a reference such as registry.k8s.io/pause:3.10"));
        }
        Ok(Request {
            keys: Keys { driver: args.cgroup_driver, pause_image: args.pause_image.clone() },
            mirrors: args.registry_mirror.clone(),
            proxy: args.proxy.as_deref().map(|proxy| read_proxy(proxy, args.no_proxy.as_deref())).transpose()?,
        })
    }
}

/// A password is not accepted on the command line, which every user of the host can read.
fn read_proxy(given: &str, except: Option<&str>) -> Result<Proxy> {
    if given != "-" {
        let proxy = Proxy::parse(given, except)?;
        return match proxy.has_credentials() {
            true => Err(Error::usage(
                "cannot use --proxy with a password: every user of this host can read the command line",
            )
            .hint("write the address to a file that only root can read: edge-crio install … --proxy - < FILE")),
            false => Ok(proxy),
        };
    }
    let mut text = String::new();
    std::io::stdin().take(4096).read_to_string(&mut text).on("read", "standard input")?;
    match text.strip_suffix('\n').filter(|line| !line.is_empty() && !line.contains('\n')) {
        Some(line) => Proxy::parse(line.trim_end_matches('\r'), except),
        None => Err(Error::failed("cannot use standard input: expected one line with the address of the proxy")
            .hint("check the output of the program before the pipe")),
    }
}
