//! Finds the chain from a certificate to a CA that a client trusts, as Go's crypto/x509 does. Pure.
//!
//! Every certificate of the client's bundle is an anchor, also an intermediate one. Several CAs may have one name
//! (the old and the new CA of a cluster are both `CN=kubernetes`), so the signature decides, not the name.

use crate::cert::{Authority, Certificate};
use crate::sign::Signed;

/// How many signatures are checked for one certificate, as in Go.
const MAX_CHECKS: usize = 100;
/// How many certificates a chain may have.
const MAX_LENGTH: usize = 10;

/// A chain from a certificate to an anchor.
#[derive(Debug, Clone)]
pub struct Chain<'a> {
    /// The CAs, from the one that signed the certificate to the anchor; empty where the certificate is an anchor.
    pub issuers: Vec<&'a Certificate>,
    /// Whether all signatures could be checked.
    pub is_checked: bool,
}

/// Why clients do not accept a chain.
#[derive(Debug, Clone, Copy)]
pub enum Problem<'a> {
    /// This CA has expired.
    Expired(&'a Certificate),
    /// This CA is not valid yet.
    NotYetValid(&'a Certificate),
    /// This certificate may not sign certificates.
    NotCa(&'a Certificate),
}

impl<'a> Chain<'a> {
    /// The CA of the client's bundle that it ends in.
    pub fn anchor(&self) -> Option<&'a Certificate> {
        self.issuers.last().copied()
    }

    /// What is wrong with it at this time.
    pub fn problem(&self, now: i64) -> Option<Problem<'a>> {
        self.issuers.iter().find_map(|issuer| {
            if issuer.authority != Authority::Yes {
                Some(Problem::NotCa(issuer))
            } else if now > issuer.not_after {
                Some(Problem::Expired(issuer))
            } else if now < issuer.not_before {
                Some(Problem::NotYetValid(issuer))
            } else {
                None
            }
        })
    }

    /// When the first of its CAs expires; none where it has no CA.
    pub fn not_after(&self) -> Option<i64> {
        self.issuers.iter().map(|issuer| issuer.not_after).min()
    }
}

/// The best chain: one without problems before one with, and the one that expires last.
///
/// `intermediates` are the certificates that the server sends with its own.
pub fn find<'a>(
    certificate: &Certificate,
    intermediates: &'a [Certificate],
    anchors: &'a [Certificate],
    now: i64,
) -> Option<Chain<'a>> {
    if anchors.iter().any(|anchor| anchor.der == certificate.der) {
        return Some(Chain { issuers: Vec::new(), is_checked: true });
    }
    let mut search = Search { intermediates, anchors, checks: 0, found: Vec::new() };
    search.from(certificate, &mut Vec::new(), true);
    search.found.into_iter().max_by_key(|chain| (chain.is_checked, chain.problem(now).is_none(), chain.not_after()))
}

struct Search<'a> {
    intermediates: &'a [Certificate],
    anchors: &'a [Certificate],
    checks: usize,
    found: Vec<Chain<'a>>,
}

impl<'a> Search<'a> {
    fn from(&mut self, certificate: &Certificate, so_far: &mut Vec<&'a Certificate>, is_checked: bool) {
        let (anchors, intermediates) = (self.anchors, self.intermediates);
        for (issuers, are_anchors) in [(anchors, true), (intermediates, false)] {
            for issuer in issuers {
                let is_loop = so_far.iter().any(|other| other.der == issuer.der);
                if is_loop || self.checks >= MAX_CHECKS || !certificate.names_issuer(issuer) {
                    continue;
                }
                self.checks += 1;
                let signed = certificate.signed_by(issuer);
                if signed == Signed::No {
                    continue;
                }
                let is_checked = is_checked && signed == Signed::Yes;
                so_far.push(issuer);
                if are_anchors {
                    self.found.push(Chain { issuers: so_far.clone(), is_checked });
                } else if so_far.len() < MAX_LENGTH {
                    self.from(issuer, so_far, is_checked);
                }
                so_far.pop();
            }
        }
    }
}
