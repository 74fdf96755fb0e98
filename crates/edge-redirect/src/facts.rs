//! What exists on the host: the rules of both backends, and the files for the next boot.

use edge_firewall::{Family, Firewall};
use edge_host::{Host, Result};

use crate::cloudcore::{Manager, manager};
use crate::persist;
use crate::request::Request;
use crate::rules::{TABLE, has_kept_chain, scope};

/// What was read in this call.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// None with --root, where nothing live is read.
    pub(crate) firewall: Option<Firewall>,
    pub(crate) persist: persist::Facts,
    /// Who manages cloudcore's own chain.
    pub(crate) manager: Manager,
}

impl Facts {
    /// Notes about live rules that iptables does not show.
    pub(crate) fn notes(&self) -> impl Iterator<Item = &str> {
        self.firewall.iter().flat_map(Firewall::notes)
    }

    /// Why no live rules were read, if none were.
    pub(crate) fn why_not_live(&self) -> Option<&'static str> {
        match &self.firewall {
            None => Some("with --root no live rules are read or changed"),
            Some(firewall) if firewall.seen.is_empty() => {
                Some("iptables is not installed: no live rules are read or changed")
            }
            Some(_) => None,
        }
    }
}

/// Reads the rules of each address family that this host has programs for; none if iptables is not installed.
pub(crate) fn all(host: &Host, reads_units: bool) -> Result<Facts> {
    let firewall = if host.root.is_live() { Some(Firewall::read_any(&host.root, &scope())?) } else { None };
    let manager = proven(manager(host, None)?, firewall.as_ref())?;
    Ok(Facts { firewall, persist: persist::facts(host, reads_units)?, manager })
}

/// Only cloudcore 1.8 and later make the chain; with a configuration that does not turn that off, they manage it.
fn proven(manager: Manager, firewall: Option<&Firewall>) -> Result<Manager> {
    let (Manager::Unknown(file), Some(firewall)) = (&manager, firewall) else { return Ok(manager) };
    let has_chain = firewall.views()?.iter().any(|view| has_kept_chain(view.save.table(TABLE)));
    Ok(if has_chain { Manager::Cloudcore(file.clone()) } else { manager })
}

/// Reads the rules of the address families of the redirects, and of the others only if the redirects are stored.
///
/// Errors: exit 4 if a table cannot be read.
pub(crate) fn for_request(host: &Host, request: &Request) -> Result<Facts> {
    let (stored, manager) = (persist::facts(host, request.persist)?, manager(host, request.version)?);
    if !host.root.is_live() {
        return Ok(Facts { firewall: None, persist: stored, manager });
    }
    let needed = |family: &Family| request.redirects.iter().any(|redirect| redirect.family() == *family);
    let families: Vec<Family> = Family::ALL.into_iter().filter(needed).collect();
    let scope = scope();
    let mut firewall = Firewall::read(&host.root, &families, &scope)?;
    if request.persist || stored.stored.is_some() {
        let others: Vec<Family> = Family::ALL.into_iter().filter(|family| !needed(family)).collect();
        firewall.read_others(&host.root, &others, &scope)?;
    }
    firewall.readable()?;
    let manager = proven(manager, Some(&firewall))?;
    Ok(Facts { firewall: Some(firewall), persist: stored, manager })
}
