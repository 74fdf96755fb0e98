//! A join of an image: everything but the token is put into it, and its first boot joins.

use std::path::Path;

use edge_host::action::Bytes;
use edge_host::{Error, Exit, Host, Inverse, Mode, Node, Outcome, Plan, Result, State, apply};
use edge_kubeedge::stream::{HTTPS_PORT, TUNNEL_PORT, WEBSOCKET_PORT};
use edge_kubeedge::token::Token;

use super::apply::{Call, join, new_program, refuse, source, with_unit};
use crate::certificate::NotIssued;
use crate::facts::install;
use crate::plan::unit::{FIRST_BOOT_FILE, FIRST_BOOT_LINK, TOKEN_FILE, first_boot as unit_text};
use crate::plan::{Ending, Joined, New, plan};
use crate::program;

/// Where a package or the install script puts this program.
const PROGRAMS: [&str; 2] = ["/usr/bin/edge-join", "/usr/local/bin/edge-join"];
const ONLY_OWNER: u32 = 0o600;

/// An image is copied to many hosts, and what is in it can be read by whoever has it.
pub(super) fn token_refused(host: &Host) -> Error {
    Error::refused("cannot join with --root and --token: a token in an image would be copied with it").hint(format!(
        "leave --token out; for the first boot of one host: install -m 600 -D TOKEN_FILE {}",
        host.root.display(Path::new(TOKEN_FILE)).display()
    ))
}

/// Prepares the image below --root.
pub(super) fn run(host: &mut Host, call: &Call<'_>) -> Result<Outcome> {
    host.prepare_change()?;
    let ended = run_prepared(host, call);
    program::clean_after(host, ended.as_ref().map_or_else(Error::exit, |outcome| outcome.exit))?;
    ended
}

fn run_prepared(host: &mut Host, call: &Call<'_>) -> Result<Outcome> {
    let release = &call.args.version;
    let install = install::read(host, release.minor)?;
    refuse(host, &install, release)?;
    let program = own_program(host)?;
    let source = source(host, call, &install)?;
    let https = call.cloud.https.to_string();
    let (hub, tunnel) = (call.cloud.hub.to_string(), call.cloud.tunnel.to_string());
    let joined = Joined {
        release,
        hub: &hub,
        https: &https,
        tunnel: &tunnel,
        // Each host that boots from it has a name of its own.
        node_name: call.request.node_name.as_deref(),
        labels: &call.node.labels,
        taints: &call.node.taints,
        settings: &call.settings,
    };
    // What cannot be configured is refused before anything is downloaded.
    crate::plan::config::after(&joined, &install.facts.config)?;
    let new = New { issued: None, program: new_program(host, release, source)? };
    let (mut plan, _) = plan(&joined, with_unit(host, install)?, new, Ending::Image)?;
    plan_first_boot(host, &mut plan, &unit_text(&words(program, call)))?;
    let outcome = apply(host, plan)?;
    if host.mode == Mode::Apply {
        let shown = host.root.display(Path::new(TOKEN_FILE));
        host.report.hint(&format!(
            "before the first boot, put the token in place: install -m 600 -D TOKEN_FILE {}",
            shown.display()
        ));
    }
    Ok(outcome)
}

/// The program in the image that joins.
fn own_program(host: &Host) -> Result<&'static str> {
    for path in PROGRAMS {
        if host.root.find_large(Path::new(path))?.exists() {
            return Ok(path);
        }
    }
    Err(Error::failed("cannot prepare the first boot: edge-join is not installed in the image")
        .hint("install the package edgeutils in the image first"))
}

/// The words of the join at the first boot. The settings are in edgecore.yaml already.
fn words(program: &str, call: &Call<'_>) -> Vec<String> {
    let args = call.args;
    let mut words = vec![program.to_owned()];
    let mut add = |more: &[&str]| words.extend(more.iter().map(|word| (*word).to_owned()));
    add(&["apply", "--first-boot", "--cloudcore", &call.cloud.https.url_host(), "--version", args.version.text()]);
    let ports = [
        ("--https-port", args.connection.https_port, HTTPS_PORT),
        ("--hub-port", args.connection.hub_port, WEBSOCKET_PORT),
        ("--tunnel-port", args.connection.tunnel_port, TUNNEL_PORT),
    ];
    for (option, port, usual) in ports {
        if port != usual {
            add(&[option, &port.to_string()]);
        }
    }
    if let Some(name) = &call.request.node_name {
        add(&["--node-name", name]);
    }
    for (key, value) in &call.node.labels {
        add(&["--label", &format!("{key}={value}")]);
    }
    for taint in &args.taints {
        add(&["--taint", taint]);
    }
    add(&["--wait", &args.wait.to_string()]);
    words
}

/// Plans the unit of the first boot, and the link that enables it.
fn plan_first_boot(host: &Host, plan: &mut Plan, text: &str) -> Result<()> {
    let file = host.root.find(Path::new(FIRST_BOOT_FILE))?;
    if file.bytes != text.as_bytes() {
        let node = Node::File { content: Bytes::Known(text.as_bytes().to_vec()), mode: 0o644 };
        plan.write(FIRST_BOOT_FILE, file, node, Inverse::Whole, "joins at the first boot");
    }
    let link = host.root.find_link(Path::new(FIRST_BOOT_LINK))?;
    if link.state == State::Absent {
        let node = Node::Link(FIRST_BOOT_FILE.to_owned());
        plan.write(FIRST_BOOT_LINK, link, node, Inverse::Whole, "enable it at boot");
    }
    Ok(())
}

/// The join at the first boot: it takes the token from its file, and deletes that after the join or a refusal.
pub(super) fn first_boot(host: &mut Host, call: &Call<'_>) -> Result<Outcome> {
    let path = Path::new(TOKEN_FILE);
    let found = host.root.find_link(path)?;
    let cannot = |why: String| {
        Err(Error::refused(format!("cannot use {TOKEN_FILE}: {why}"))
            .hint(format!("put the token there again: install -m 600 -D FILE {TOKEN_FILE}")))
    };
    match &found.state {
        State::Absent => return cannot("it does not exist".to_owned()),
        State::File { mode, uid, .. } if *mode == ONLY_OWNER && *uid == 0 => {}
        State::File { mode, uid, .. } => {
            return cannot(format!("its mode is {mode:04o} and its owner {uid}: expected 0600 and 0 (root)"));
        }
        other => return cannot(format!("it is {}, not a file", other.describe())),
    }
    let text = String::from_utf8_lossy(&found.bytes).into_owned();
    let ended = join(host, call, Some(Token::from_input(&text)));
    if is_used(&ended) && host.mode == Mode::Apply {
        host.root.remove_tree(path)?;
        host.report.note(&format!("{TOKEN_FILE} is deleted"));
    }
    ended.map_err(Error::from)
}

/// Whether the token is of no more use: the join is complete, or the cloudcore that it is for does not accept it. After
/// anything else another boot tries it again.
fn is_used(ended: &std::result::Result<Outcome, NotIssued>) -> bool {
    match ended {
        Ok(outcome) => outcome.exit == Exit::Done,
        Err(not) => matches!(not, NotIssued::Refused(_)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_is_kept_until_the_join_is_complete_or_refused() {
        for exit in [Exit::Done, Exit::Failed, Exit::Differs, Exit::Refused, Exit::Interrupted] {
            assert_eq!(is_used(&Ok(Outcome { exit, ..Outcome::default() })), exit == Exit::Done, "{exit:?}");
        }
        assert!(is_used(&Err(NotIssued::Refused(Error::failed("expired")))));
        assert!(!is_used(&Err(NotIssued::Failed(Error::failed("another CA")))));
    }
}
