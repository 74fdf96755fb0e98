//! Redacts secrets: one list of secret-looking names and one reader of URLs for every message, difference, record and
//! journal entry of the project.

mod args;
mod name;
mod text;
mod url;

pub(crate) use args::{may_be_token, redact_args};
pub use name::is_secret_name;
pub use text::redact;
pub(crate) use url::without_credentials;
pub use url::{has_credentials, shown_url};

/// Replaces a secret.
pub const STRUCK: &str = "***";
