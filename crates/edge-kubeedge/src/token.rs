//! The token of KubeEdge with which an edge node gets its certificate, and the other tokens that are pasted in its place.
//!
//! It is `hex(sha256(CA)).JWT`: cloudcore signs the JWT (HS256) with the key of its CA, and its only claim is `exp`
//! (kubeedge v1.23 `pkg/security/token`). edgecore names no part of a damaged one, so [`TokenError`] does. No error and
//! no `Debug` contains any part of a token.

mod jwt;
mod secret;

pub use jwt::{Jwt, JwtError};
pub use secret::{Secret, SecretError, secrets};

use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// The checksum of the CA: SHA-256 in hex.
const CA_HASH: usize = 64;
/// An HMAC-SHA256 in base64url.
const SIGNATURE: usize = 43;
/// The algorithm that cloudcore signs with.
const ALGORITHM: &str = "HS256";
/// The key of a Secret that has the token, and the Secret that cloudcore makes.
pub const TOKEN_KEY: &str = "tokendata";
/// The Secret with the token, in every version.
pub const TOKEN_SECRET: &str = "tokensecret";
/// The namespace of that Secret, in every version.
pub const TOKEN_NAMESPACE: &str = "kubeedge";
/// Shorter texts are not taken for base64: they may be names.
const MIN_ENCODED: usize = 16;

/// A text that is never printed by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    /// A text that is secret from now on.
    pub fn new(text: impl Into<String>) -> SecretText {
        SecretText(text.into())
    }

    /// The text itself, for its one use.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(edge_host::STRUCK)
    }
}

/// A token of KubeEdge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// SHA-256 of the CA certificate (DER) of cloudcore's hub, in hex.
    pub ca_hash: String,
    /// When it expires, in seconds since 1970; none if it has no `exp`.
    pub expires: Option<i64>,
    jwt: SecretText,
}

/// What is wrong with a token, for `cannot use the token: …`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// There is nothing.
    #[error("it is empty")]
    Empty,
    /// White space in the middle, such as a token that a terminal has wrapped.
    #[error("it has a space or line break in the middle")]
    Space,
    /// A JWT without the checksum of the CA.
    #[error("its first part, the checksum of cloudcore's CA, is missing: it is only the JWT")]
    NoCaHash,
    /// The first part is not a checksum.
    #[error("its first part is not the checksum of a CA: expected {CA_HASH} hexadecimal digits in lower case")]
    CaHash,
    /// Fewer parts than a token has.
    #[error("it is cut off: it has {0} of 4 parts that are separated by dots")]
    Parts(usize),
    /// The JWT is damaged.
    #[error("{0}")]
    Jwt(#[from] JwtError),
    /// Signed by another algorithm: by no cloudcore.
    #[error("its signature algorithm is {0:?}: cloudcore's tokens have {ALGORITHM}")]
    Algorithm(String),
    /// The end of the token is missing.
    #[error("it is cut off: its signature has {0} of {SIGNATURE} characters")]
    SignatureShort(usize),
    /// Something is glued to it: keadm 1.12 and older print no line break after the token.
    #[error("it has {0} characters after its signature, such as a shell prompt that was copied with it")]
    Glued(usize),
    /// A character that a signature cannot have.
    #[error("its signature is damaged: it is not base64url")]
    Signature,
    /// The base64 of base64.
    #[error("it is base64 in base64: it was encoded twice")]
    EncodedTwice,
    /// Not a token, but what can be told apart from one.
    #[error("it is not a token of KubeEdge, but {0}")]
    Other(&'static str),
    /// It is a Secret without this key.
    #[error("{0}")]
    Secret(#[from] SecretError),
    /// Several Secrets with a token.
    #[error("it contains {0} Secrets with a token: expected one")]
    Several(usize),
}

impl Token {
    /// A token as `keadm gettoken` prints it; white space around it is ignored.
    ///
    /// # Errors
    /// The first part that is wrong.
    pub fn parse(text: &str) -> Result<Token, TokenError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(TokenError::Empty);
        }
        if let Some(other) = other_than_token(text) {
            return Err(TokenError::Other(other));
        }
        let parts: Vec<&str> = text.split('.').collect();
        let is_hash =
            |part: &str| part.len() == CA_HASH && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !is_hash(parts[0]) {
            return Err(if parts.len() == 3 && Jwt::parse(text).is_ok() {
                TokenError::NoCaHash
            } else {
                TokenError::CaHash
            });
        }
        // A prompt that is glued to the token may have a space.
        let has_space = |part: &&str| part.contains(char::is_whitespace);
        if parts.iter().take(3).any(has_space) {
            return Err(TokenError::Space);
        }
        let [_, header, claims, signature @ ..] = parts.as_slice() else { return Err(TokenError::Parts(parts.len())) };
        if signature.is_empty() {
            return Err(TokenError::Parts(parts.len()));
        }
        let jwt = Jwt::of_parts(header, claims)?;
        if jwt.algorithm != ALGORITHM {
            return Err(TokenError::Algorithm(jwt.algorithm));
        }
        // A prompt that is glued to it may have dots.
        check_signature(&signature.join("."))?;
        let (ca_hash, signed) = text.split_once('.').unwrap_or_default();
        Ok(Token { ca_hash: ca_hash.to_owned(), expires: jwt.time("exp"), jwt: SecretText::new(signed) })
    }

    /// A token as it is pasted or piped: itself, in base64, or in the Secret that `kubectl get secret -o json` or
    /// `-o yaml` prints, also in a List.
    ///
    /// # Errors
    /// As [`Token::parse`], and what is wrong with the Secret.
    pub fn from_input(text: &str) -> Result<Token, TokenError> {
        if !is_object(text) {
            return match decoded(text)? {
                Some(inner) => Token::parse(&inner),
                None => Token::parse(text),
            };
        }
        let all = secrets(text)?;
        let tokens: Vec<&Secret> = all.iter().filter(|secret| secret.has(TOKEN_KEY)).collect();
        match tokens.as_slice() {
            [] => Err(SecretError::NoKey(TOKEN_KEY.to_owned()).into()),
            [secret] => Token::of_secret(secret),
            several => Err(TokenError::Several(several.len())),
        }
    }

    /// The token in cloudcore's Secret.
    ///
    /// # Errors
    /// As [`Token::parse`], and what is wrong with the Secret.
    pub fn of_secret(secret: &Secret) -> Result<Token, TokenError> {
        let text = secret.text(TOKEN_KEY)?;
        if decoded(text.expose())?.is_some() {
            return Err(TokenError::EncodedTwice);
        }
        Token::parse(text.expose())
    }

    /// What is sent to cloudcore: `Authorization: Bearer JWT`.
    pub fn jwt(&self) -> &SecretText {
        &self.jwt
    }

    /// The token as cloudcore made it.
    pub fn whole(&self) -> SecretText {
        SecretText::new(format!("{}.{}", self.ca_hash, self.jwt.expose()))
    }
}

fn check_signature(signature: &str) -> Result<(), TokenError> {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let plain = signature.bytes().take_while(is_plain).count();
    let length = signature.chars().count();
    let is_padded = signature.get(plain..).is_some_and(|rest| rest.bytes().all(|byte| byte == b'='));
    match plain {
        SIGNATURE if length == SIGNATURE => Ok(()),
        0..SIGNATURE if plain == length => Err(TokenError::SignatureShort(length)),
        SIGNATURE.. if !is_padded || plain == length => Err(TokenError::Glued(length - SIGNATURE)),
        _ => Err(TokenError::Signature),
    }
}

/// Other things that are pasted for a token.
fn other_than_token(text: &str) -> Option<&'static str> {
    let text = text.trim_start();
    if text.starts_with("-----BEGIN ") {
        Some("PEM")
    } else if text.starts_with('<') {
        Some("HTML or XML")
    } else if is_bootstrap_token(text) {
        Some("a bootstrap token of kubeadm")
    } else if text.starts_with("sha256:") {
        Some("the checksum of a CA for kubeadm join")
    } else if text.starts_with("keadm ") || text.starts_with("kubeadm ") {
        Some("a command")
    } else {
        None
    }
}

/// Whether a text is a bootstrap token of Kubernetes: `ID.SECRET`, 6 and 16 lower-case letters and digits.
pub fn is_bootstrap_token(text: &str) -> bool {
    let is_plain =
        |part: &str, length| part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'z'));
    text.split_once('.').is_some_and(|(id, secret)| is_plain(id, 6) && is_plain(secret, 16))
}

/// Whether a text is an object in JSON or YAML: it begins with a brace, a document marker or `KEY:`, as no token does.
pub fn is_object(text: &str) -> bool {
    let mut lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    let Some(first) = lines.find(|line| !line.is_empty() && !line.starts_with('#')) else { return false };
    let is_key = |(key, rest): (&str, &str)| {
        key.bytes().all(|byte| byte.is_ascii_alphabetic()) && (rest.is_empty() || rest.starts_with(' '))
    };
    first.starts_with('{') || first == "---" || first.split_once(':').is_some_and(is_key)
}

/// The text that a text stands for in base64, as `kubectl get -o jsonpath` or `base64` prints it; none if it does not.
///
/// # Errors
/// [`TokenError::EncodedTwice`] if the inner text is base64 again.
pub fn decoded(text: &str) -> Result<Option<String>, TokenError> {
    let Some(inner) = decoded_once(text) else { return Ok(None) };
    if decoded_once(&inner).is_some() { Err(TokenError::EncodedTwice) } else { Ok(Some(inner)) }
}

/// A checksum is base64, too, but of bytes that are not text.
fn decoded_once(text: &str) -> Option<String> {
    let plain: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    if plain.len() < MIN_ENCODED {
        return None;
    }
    let inner = String::from_utf8(decode(&plain)?).ok()?;
    let is_readable = inner.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t'));
    is_readable.then_some(inner)
}

/// Base64 with or without padding, as `base64` and Kubernetes write it.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(&STANDARD, config).decode(text).ok()
}

#[cfg(test)]
mod tests;
