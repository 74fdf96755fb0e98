//! JSON Web Tokens (RFC 7519): the claims of one, which anyone who has it can read. Signatures are not checked.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

/// The header and claims of a JWT.
#[derive(Clone, PartialEq)]
pub struct Jwt {
    /// The signature algorithm: `HS256`, `RS256`.
    pub algorithm: String,
    /// The claims.
    pub claims: Map<String, Value>,
}

/// Claims are no secret, but whoever prints a token by accident prints them with it.
impl std::fmt::Debug for Jwt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Jwt({})", self.algorithm)
    }
}

/// What is wrong with a JWT.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// Not three parts.
    #[error("it is not a JWT: it has {0} of 3 parts that are separated by dots")]
    Parts(usize),
    /// A part is not base64url.
    #[error("the {0} of its JWT is damaged: it is not base64url")]
    Encoding(&'static str),
    /// A part is not JSON.
    #[error("the {0} of its JWT is damaged: it is not a JSON object")]
    Json(&'static str),
    /// The header names no algorithm.
    #[error("the header of its JWT is damaged: it has no signature algorithm (alg)")]
    NoAlgorithm,
}

impl Jwt {
    /// Reads `HEADER.CLAIMS.SIGNATURE`; white space around it is ignored.
    ///
    /// # Errors
    /// The first part that is wrong.
    pub fn parse(text: &str) -> Result<Jwt, JwtError> {
        let parts: Vec<&str> = text.trim().split('.').collect();
        let [header, claims, signature] = parts.as_slice() else { return Err(JwtError::Parts(parts.len())) };
        let jwt = Jwt::of_parts(header, claims)?;
        match URL_SAFE_NO_PAD.decode(signature) {
            Ok(bytes) if !bytes.is_empty() => Ok(jwt),
            _ => Err(JwtError::Encoding("signature")),
        }
    }

    /// Reads a header and claims, in base64url.
    pub(super) fn of_parts(header: &str, claims: &str) -> Result<Jwt, JwtError> {
        let header = object(header, "header")?;
        let algorithm = header.get("alg").and_then(Value::as_str).ok_or(JwtError::NoAlgorithm)?.to_owned();
        Ok(Jwt { algorithm, claims: object(claims, "claims")? })
    }

    /// A claim that is text.
    pub fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim).and_then(Value::as_str)
    }

    /// A claim that is a time, in seconds since 1970: `exp`, `iat`, `nbf`.
    pub fn time(&self, claim: &str) -> Option<i64> {
        let value = self.claims.get(claim)?;
        // RFC 7519 allows fractions.
        #[allow(clippy::cast_possible_truncation, reason = "a number that is too large becomes the largest")]
        value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64))
    }
}

fn object(part: &str, name: &'static str) -> Result<Map<String, Value>, JwtError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| JwtError::Encoding(name))?;
    serde_json::from_slice(&bytes).map_err(|_| JwtError::Json(name))
}
