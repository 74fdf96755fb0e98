//! `install docker` on the command line, with its values.

use std::net::IpAddr;

use clap::Args;
use edge_apt::Stream;
use edge_fetch::RegistryMirror;
use edge_kubeedge::Minor;

use super::{Driver, FromArgs};

/// `install docker`.
#[derive(Debug, Clone, Args)]
// Each becomes the last argument, and so all that follow the first are named.
#[command(mut_arg("apt_mirror", |arg| arg.help("Install from this copy of Docker's repository for this distribution")))]
#[command(mut_arg("key", |arg| arg.help("The key of --apt-mirror, if it is not signed with Docker's key")))]
#[command(mut_arg("fingerprint", |arg| arg))]
#[command(mut_arg("wait", |arg| arg.help("How long to wait for dockerd to start, and for other processes that use apt")))]
pub struct DockerArgs {
    /// Install this version from Docker's repository: 28, 28.3 or 28.3.2 [default: the installed package, or the distribution's]
    #[arg(long, value_name = "V", value_parser = docker_version)]
    pub version: Option<Stream>,

    /// The cgroup driver [default: unchanged; dockerd's own default depends on the host]
    #[arg(long, value_name = "DRIVER")]
    pub cgroup_driver: Option<Driver>,

    /// Pull images of Docker Hub from this mirror first; may be repeated, in order of preference
    #[arg(long, value_name = "URL", value_parser = mirror)]
    pub registry_mirror: Vec<String>,

    /// Use this registry without TLS, or with a certificate that is not trusted; may be repeated
    #[arg(long, value_name = "HOST", value_parser = insecure_registry)]
    pub insecure_registry: Vec<String>,

    /// Change the cgroup driver although containers are running: they end with the restart of dockerd
    #[arg(long)]
    pub yes: bool,

    /// KubeEdge version of this node: 1.12, v1.12 [default: that of the installed edgecore]
    #[arg(long, value_name = "V")]
    pub kubeedge_version: Option<Minor>,

    /// Install it beside an edgecore that cannot use Docker, for other containers than pods
    #[arg(long)]
    pub beside_edgecore: bool,

    /// Hold the package, so that apt does not upgrade it; always done with --version
    #[arg(long)]
    pub hold: bool,

    /// Where the packages are from.
    #[command(flatten)]
    pub from: FromArgs,
}

fn docker_version(text: &str) -> Result<Stream, String> {
    let bad = || format!("{text:?} is not a valid version: expected one such as 28, 28.3 or 28.3.2");
    match Stream::parse(text) {
        Ok(stream) if text.split('.').count() <= 3 => Ok(stream),
        _ => Err(bad()),
    }
}

/// dockerd has mirrors of Docker Hub only.
fn mirror(text: &str) -> Result<String, String> {
    let parsed: Result<RegistryMirror, String> = format!("docker.io={text}").parse();
    let why = |why: String| why.split(": expected").next().unwrap_or_default().to_owned();
    parsed
        .map(|mirror| mirror.url())
        .map_err(|cause| format!("{}: expected a URL such as https://mirror.example", why(cause)))
}

fn insecure_registry(text: &str) -> Result<String, String> {
    let (host, bits) = text.split_once('/').map_or((text, None), |(host, bits)| (host, Some(bits)));
    let is_host = || format!("docker.io=https://{host}").parse::<RegistryMirror>().is_ok();
    let is_network = |bits: &str| {
        let most = host.parse().map(|address: IpAddr| if address.is_ipv4() { 32 } else { 128 });
        bits.bytes().all(|digit| digit.is_ascii_digit())
            && most.is_ok_and(|most| bits.parse().is_ok_and(|bits: u8| bits <= most))
    };
    match bits.map_or_else(is_host, is_network) {
        true => Ok(text.to_owned()),
        false => {
            Err("expected a host without a scheme, or a CIDR, such as registry.example:5000 or 10.0.0.0/8".to_owned())
        }
    }
}
