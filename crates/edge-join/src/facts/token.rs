//! Reads the token from standard input or a file of the caller. No error contains any part of it or of what was read.

use std::fs::File;
use std::io::Read;

use edge_host::{Error, Result};
use edge_kubeedge::token::{Token, TokenError};

use crate::request::TokenSource;

/// A List of all Secrets of a namespace is smaller.
const MAX_INPUT: u64 = 1 << 20;

/// Reads the token; the inner error is what is wrong with it.
///
/// # Errors
/// Exit 1 if the input cannot be read. The name of a file is not repeated: it may be a token.
pub fn read(source: &TokenSource) -> Result<Result<Token, TokenError>> {
    let (name, input): (_, Box<dyn Read>) = match source {
        TokenSource::Stdin => ("the token from standard input", Box::new(std::io::stdin())),
        TokenSource::File(path) => {
            let name = "the file of --token";
            let file = File::open(path).map_err(|cause| {
                Error::io("read", name, &cause)
                    .hint("name a file, or pipe the token and use --token -; the token itself is not accepted here")
            })?;
            (name, Box::new(file))
        }
    };
    let mut bytes = Vec::new();
    input.take(MAX_INPUT + 1).read_to_end(&mut bytes).map_err(|cause| Error::io("read", name, &cause))?;
    if bytes.len() as u64 > MAX_INPUT {
        return Err(Error::cannot("read", name, format!("it is larger than {} MiB", MAX_INPUT >> 20)));
    }
    let text = String::from_utf8(bytes).map_err(|_| Error::cannot("read", name, "it is not UTF-8 text"))?;
    Ok(Token::from_input(text.trim_start_matches('\u{feff}')))
}
