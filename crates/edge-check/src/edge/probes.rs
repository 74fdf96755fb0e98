//! What answers on the way to cloudcore, and on the node itself: all probes at once.

use std::net::{IpAddr, Ipv4Addr};
use std::thread;

use edge_host::now;
use edge_hub::{Address, Exchange, Failure, Request, Tls, Trust, exchange, exchange_plain};
use edge_pki::cert::Certificate;

use super::config::Config;
use super::pair::Pair;
use crate::probe::{MOST, deadline};

/// A server that accepts the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reached {
    /// The address that was connected to.
    pub(crate) address: IpAddr,
    /// Whether it names the CAs of its clients.
    pub(crate) verifies_clients: bool,
    /// The status of its answer.
    pub(crate) status: u16,
    /// Whether its answer is a certificate.
    pub(crate) is_certificate: bool,
}

/// What the probes found. None is a port that the configuration does not name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Probes {
    /// When cloudcore sent its answer by its own clock, and the time of this host then.
    pub(crate) clocks: Option<(i64, i64)>,
    /// The CA that cloudcore hands out, in DER.
    pub(crate) ca: Option<Vec<u8>>,
    /// The HTTPS port, trusted by the CA of the node.
    pub(crate) https: Option<Result<Reached, Failure>>,
    /// The hub, with the pair of the node.
    pub(crate) hub: Option<Result<Reached, Failure>>,
    /// The tunnel, with its pair.
    pub(crate) tunnel: Option<Result<Reached, Failure>>,
    /// The kubelet of edgecore on 127.0.0.1.
    pub(crate) kubelet: Option<Result<(), Failure>>,
}

/// Connects to everything that the configuration names.
pub(crate) fn all(config: &Config, pair: Option<&Pair>, tunnel_pair: Option<&Pair>) -> Probes {
    let kubelet = Address::of_ip(IpAddr::V4(Ipv4Addr::LOCALHOST), config.kubelet);
    thread::scope(|scope| {
        let unverified = config.https.as_ref().map(|to| {
            scope.spawn(move || {
                let answer = exchange(to, Tls::UNVERIFIED, &Request::get("/ca.crt"), MOST, deadline());
                (answer, now())
            })
        });
        let trusted = |to: &Option<Address>, pair: Option<&Pair>, path: &'static str| {
            let (to, pair) = (to.clone()?, pair?.clone());
            Some(scope.spawn(move || {
                let tls = Tls { trust: Trust::Ca { ca: &pair.ca, now: now() }, identity: Some(&pair.identity) };
                // Any answer shows that the server accepts the client.
                exchange(&to, tls, &Request::get(path), MOST, deadline()).map(|found| reached(&found))
            }))
        };
        let https = trusted(&config.https, pair, "/ca.crt");
        let hub = trusted(&config.hub, pair, "/");
        let tunnel = trusted(&config.tunnel, tunnel_pair, "/");
        let kubelet =
            scope.spawn(move || exchange_plain(&kubelet, &Request::get("/healthz"), MOST, deadline()).map(drop));
        let mut probes = Probes {
            kubelet: kubelet.join().ok(),
            https: https.and_then(|thread| thread.join().ok()),
            hub: hub.and_then(|thread| thread.join().ok()),
            tunnel: tunnel.and_then(|thread| thread.join().ok()),
            ..Probes::default()
        };
        match unverified.map(thread::ScopedJoinHandle::join) {
            Some(Ok((Ok(found), now))) => {
                probes.clocks = found.answer.date().map(|date| (date, now));
                if is_certificate(&found) {
                    probes.ca = Some(found.answer.body);
                } else if probes.https.is_none() {
                    probes.https = Some(Ok(reached(&found)));
                }
            }
            // A node that joins has no certificate yet: the HTTPS port never requires one.
            Some(Ok((Err(Failure::CertificateRequired), _))) => probes.https = Some(Err(Failure::CertificateRequired)),
            // Without a pair nothing else shows that the port does not answer.
            Some(Ok((Err(failure), _))) if probes.https.is_none() => probes.https = Some(Err(failure)),
            _ => {}
        }
        probes
    })
}

fn reached(found: &Exchange) -> Reached {
    Reached {
        address: found.peer.address.ip().to_canonical(),
        verifies_clients: found.peer.verifies_clients,
        status: found.answer.status,
        is_certificate: is_certificate(found),
    }
}

/// cloudcore hands out its CA in DER.
fn is_certificate(found: &Exchange) -> bool {
    found.answer.status == 200 && Certificate::from_der(&found.answer.body).is_ok()
}
