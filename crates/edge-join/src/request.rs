//! What the user requested, validated without access to the host.

pub mod node;

use std::path::{Path, PathBuf};

use edge_host::{Error, Result};
use edge_hub::Address;
use edge_kubeedge::token::{Token, is_bootstrap_token};
use edge_kubeedge::value::is_node_name;

use crate::cli::Connection;

const STDIN: &str = "-";
/// The call of `check` that a hint names.
pub const CHECK: &str = "check --cloudcore HOST --token -";
/// The call of `apply` that a hint names.
pub const APPLY: &str = "apply --cloudcore HOST --version VERSION --token -";
/// The beginning of a JSON object in base64 and base64url.
const JWT: &str = "eyJ";
/// A checksum of a CA in hex.
const CA_HASH: usize = 64;
/// File names are shorter, as a rule; a token in base64 is not.
const LONGEST_NAME: usize = 100;
const SHOWN: usize = 80;

/// Where a token is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenSource {
    /// Standard input.
    Stdin,
    /// A file of the caller, also with `--root`.
    File(PathBuf),
}

/// The ports of one cloudcore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cloud {
    /// Where it issues certificates.
    pub https: Address,
    /// Its hub.
    pub hub: Address,
    /// Its tunnel.
    pub tunnel: Address,
}

/// Where to connect, as whom, and with which token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The cloudcore; none if nothing is to be connected to.
    pub cloud: Option<Cloud>,
    /// The name of the node; none for that of the host.
    pub node_name: Option<String>,
    /// Where the token is read from; none if there is no token.
    pub token: Option<TokenSource>,
}

impl Request {
    /// Validates the options of a call, [`CHECK`] or [`APPLY`].
    ///
    /// # Errors
    /// Exit 2 with what was expected; a value that may be a token is not repeated.
    pub fn new(connection: &Connection, call: &str) -> Result<Request> {
        if !connection.unexpected.is_empty() {
            return Err(Error::usage(
                "cannot use an argument without an option: it is not printed, as it may be a token",
            )
            .hint(pipe(call)));
        }
        let cloud = connection.cloudcore.as_deref().map(|host| cloud(host, connection)).transpose()?;
        let node_name = connection.node_name.as_deref().map(node_name).transpose()?;
        let token = connection.token.as_deref().map(|path| token_source(path, call)).transpose()?;
        Ok(Request { cloud, node_name, token })
    }

    /// The cloudcore, for a verb that cannot do without.
    ///
    /// # Errors
    /// Exit 2 if the option is missing.
    pub fn must_have_cloud(&self) -> Result<&Cloud> {
        self.cloud
            .as_ref()
            .ok_or_else(|| Error::usage("cannot join without --cloudcore: expected the host of cloudcore"))
    }
}

fn cloud(host: &str, connection: &Connection) -> Result<Cloud> {
    let address = Address::parse("--cloudcore", host, connection.https_port)?;
    let ports = [connection.https_port, connection.hub_port, connection.tunnel_port];
    if let Some((_, port)) = ports.iter().enumerate().find(|(at, port)| ports.iter().take(*at).any(|one| one == *port))
    {
        return Err(Error::usage(format!("cannot use port {port} twice: expected three different ports"))
            .hint("cloudcore's defaults are --https-port 10002 --hub-port 10000 --tunnel-port 10004"));
    }
    Ok(Cloud {
        hub: address.with_port(connection.hub_port),
        tunnel: address.with_port(connection.tunnel_port),
        https: address,
    })
}

/// The name of a node as it is registered: in lower case, as the API server requires it.
///
/// # Errors
/// Exit 2 with what was expected.
pub fn node_name(text: &str) -> Result<String> {
    let name = text.trim_end_matches('.').to_ascii_lowercase();
    if is_node_name(&name) {
        return Ok(name);
    }
    let shown: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    Err(Error::usage(format!(
        "cannot use the node name \"{shown}\": expected letters, digits, \"-\" and \".\", with a letter or digit at both ends of each part"
    ))
    .hint("name the node with --node-name NAME"))
}

/// The name of a host as that of its node; none where it cannot be one.
pub fn own_node_name(host: &str) -> Option<String> {
    node_name(host).ok()
}

/// How a token gets to a call without being an argument of it.
pub(crate) fn pipe(call: &str) -> String {
    format!("pipe it: kubectl get secret -n kubeedge tokensecret -o json | ssh edge edge-join {call}")
}

fn token_source(path: &Path, call: &str) -> Result<TokenSource> {
    if path == Path::new(STDIN) {
        return Ok(TokenSource::Stdin);
    }
    let text = path.to_string_lossy();
    if text.is_empty() {
        return Err(Error::usage("cannot use an empty --token: expected a file, or - for standard input"));
    }
    if may_be_token(&text) {
        return Err(Error::usage(
            "cannot use --token: its value is a token itself, which every user of this host can read in the list of processes",
        )
        .hint(pipe(call)));
    }
    Ok(TokenSource::File(path.to_path_buf()))
}

/// Whether a value is a token or a part of one, also in base64, and not the name of a file.
fn may_be_token(text: &str) -> bool {
    let begins_with_hash = text.get(..CA_HASH).is_some_and(|hash| hash.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let has_jwt = text.starts_with(JWT) || text.contains(".eyJ");
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=-_".contains(&byte);
    let is_long = text.len() > LONGEST_NAME && !text.starts_with('/') && text.bytes().all(is_base64);
    begins_with_hash || has_jwt || is_long || is_bootstrap_token(text) || Token::from_input(text).is_ok()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn connection() -> Connection {
        Connection {
            cloudcore: Some("192.0.2.1".to_owned()),
            token: None,
            node_name: None,
            https_port: 10002,
            hub_port: 10000,
            tunnel_port: 10004,
            unexpected: Vec::new(),
        }
    }

    #[test]
    fn request_has_one_host_and_three_ports() {
        let request = Request::new(&connection(), CHECK).unwrap();
        let cloud = request.must_have_cloud().unwrap();
        let shown = [&cloud.https, &cloud.hub, &cloud.tunnel].map(ToString::to_string);
        assert_eq!(shown, ["192.0.2.1:10002", "192.0.2.1:10000", "192.0.2.1:10004"]);
        let same = Connection { hub_port: 10004, ..connection() };
        assert!(Request::new(&same, CHECK).unwrap_err().message().contains("port 10004 twice"));
        let none = Request::new(&Connection { cloudcore: None, ..connection() }, CHECK).unwrap();
        assert!(none.must_have_cloud().is_err());
    }

    #[test]
    fn node_name_is_lowered_and_validated() {
        assert_eq!(node_name("Edge-1.Example.").unwrap(), "edge-1.example");
        for bad in ["", "edge_1", "-a", "a..b", "a b", "ü", &"a".repeat(254)] {
            assert_eq!(node_name(bad).unwrap_err().exit(), edge_host::Exit::Usage, "{bad}");
        }
    }

    #[test]
    fn token_on_the_command_line_is_refused_and_not_repeated() {
        let hash = "7bfdb726c6194bae2e57625985a5b3f596d49c088944fdb5405e492fc24374e9";
        let jwt =
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjE3OTU5NzAzMzN9.w5EKPmyNFzD51EYE9FsqZTJ-1MBfCw8N-yM1w6Basso";
        let whole = format!("{hash}.{jwt}");
        for value in [whole.as_str(), jwt, hash, &whole[..70], &"Zm9v".repeat(40), "abcdef.0123456789abcdef"] {
            let error = Request::new(&Connection { token: Some(value.into()), ..connection() }, CHECK).unwrap_err();
            let said = format!("{error} {:?}", error.hint_text());
            assert!(said.contains("its value is a token itself") && !said.contains(value), "{said}");
            assert!(said.contains("edge-join check --cloudcore"), "{said}");
        }
        let stray = Connection { unexpected: vec![OsString::from(&whole)], ..connection() };
        let error = Request::new(&stray, APPLY).unwrap_err();
        assert!(
            error
                .hint_text()
                .unwrap()
                .ends_with("| ssh edge edge-join apply --cloudcore HOST --version VERSION --token -")
        );
        assert!(!error.to_string().contains(hash) && error.exit() == edge_host::Exit::Usage);
        for (value, want) in [
            ("-", TokenSource::Stdin),
            ("/run/token", TokenSource::File("/run/token".into())),
            ("token", TokenSource::File("token".into())),
        ] {
            let request = Request::new(&Connection { token: Some(value.into()), ..connection() }, APPLY).unwrap();
            assert_eq!(request.token, Some(want));
        }
    }
}
