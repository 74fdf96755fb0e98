//! `edge-redirect render`: prints documents for other programs.

use edge_firewall::{Family, script};
use edge_host::{Error, Host, Outcome, Result};

use super::stored;
use crate::cli::{Document, RenderArgs};
use crate::persist;
use crate::redirect::Redirect;
use crate::request::{Traffic, not_needed, parse_all};
use crate::rules::{TABLE, owned, owner};
use crate::unit::{self, FILE};

pub(crate) fn run(host: &mut Host, args: &RenderArgs) -> Result<Outcome> {
    if host.report.is_json() {
        return Err(Error::usage("cannot render as JSON: the output is a document for another program"));
    }
    let text = match args.what {
        Document::Systemd if args.redirects.is_empty() && args.from.is_none() => {
            let program = unit::program(host)?;
            if let Some(note) = &program.note {
                host.report.note(note);
            }
            unit::render(&program.path)?
        }
        Document::Systemd => {
            return Err(Error::usage("cannot render the unit for single ports: it restores the stored redirects")
                .hint(format!("store them in {FILE}: edge-redirect add PORT=IP:PORT --persist")));
        }
        Document::IptablesRestore => rules(host, args)?,
    };
    host.report.document(text.as_bytes())?;
    Ok(Outcome::default())
}

fn rules(host: &Host, args: &RenderArgs) -> Result<String> {
    let (redirects, traffic): (Vec<Redirect>, Traffic) = if args.redirects.is_empty() {
        let facts = persist::facts(host, false)?;
        let stored = stored(facts.stored.as_ref(), "render")?;
        (stored.redirects.clone(), args.from.unwrap_or(stored.traffic))
    } else {
        let redirects = parse_all(&args.redirects)?;
        if !args.force_port {
            not_needed(&redirects)?;
        }
        (redirects, args.from.unwrap_or(Traffic::Output))
    };
    let has = |family| redirects.iter().any(|redirect| redirect.family() == family);
    if has(Family::V4) && has(Family::V6) {
        return Err(Error::usage("cannot render IPv4 and IPv6 together: each has its own program")
            .hint("name the redirects of one of them: edge-redirect render iptables-restore PORT=IP:PORT"));
    }
    Ok(script(TABLE, None, &owner(), &owned(&redirects, traffic)).unwrap_or_default())
}
