//! Tokens, Secrets and kubeconfigs as they are pasted: whatever the text is, no secret is in an error or a description.

use edge_kubeedge::token::{Token, TokenError};
use edge_token::describe::describe;

use super::Target;

/// In every seed, where a secret is.
const MARK: &str = "c2VjcmV0";
const HASH: &str = "6a0f2ab5cd2ae5f0f1dde2e0a8e6f3a4d0b6c1f7e0a19bdf1cbb0a5e1d2c3b4a";
/// `{"alg":"HS256","typ":"JWT"}` and `{"exp":1795000000}`.
const HEAD: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjE3OTUwMDAwMDB9";

pub(super) const TARGET: Target = Target {
    name: "token",
    check,
    read,
    seeds: || {
        let signature = format!("{MARK}{}", "x".repeat(43 - MARK.len()));
        let token = format!("{HASH}.{HEAD}.{signature}");
        let texts = [
            token.clone(),
            format!("{token}\r\n"),
            format!("{HEAD}.{signature}"),
            "abcdef.0123456789abcdef".to_owned(),
            format!(
                "kind: Secret\nmetadata: {{name: tokensecret, namespace: kubeedge}}\nstringData:\n  tokendata: {token}\n"
            ),
            format!(
                "{{\"kind\": \"List\", \"items\": [{{\"kind\": \"Secret\", \"type\": \"kubernetes.io/service-account-token\", \"data\": {{\"token\": \"{MARK}\", \"ca.crt\": \"{MARK}\"}}}}]}}"
            ),
            format!(
                "apiVersion: v1\nkind: Config\nclusters: [{{name: a, cluster: {{server: s}}}}]\nusers:\n- name: u\n  user: {{token: {MARK}, client-certificate-data: {MARK}}}\ncontexts: [{{name: c, context: {{cluster: a, user: u}}}}]\ncurrent-context: c\n"
            ),
        ];
        texts.iter().map(|text| text.as_bytes().to_vec()).collect()
    },
    tokens: &[
        ".",
        "=",
        "\n",
        "\r\n",
        "  ",
        "- ",
        ": ",
        "{",
        "}",
        "eyJ",
        "kind: Secret\n",
        "kind: Config\n",
        "kind: List\n",
        "type: bootstrap.kubernetes.io/token\n",
        "data:\n",
        "stringData:\n",
        "  tokendata: ",
        "  token: ",
        "  ca.crt: ",
        "---\n",
        "\u{feff}",
        "c2VjcmV0",
    ],
    growing: &[
        ("", "A", ""),
        ("", "a{}.", ""),
        ("eyJ", "A", "."),
        ("kind: List\nitems:\n", "- {kind: Secret, stringData: {token-id: a{}}}\n", ""),
        ("kind: Secret\ndata:\n", "  k{}: AAAA\n", ""),
        ("kind: Config\ncontexts:\n", "- {name: c{}, context: {cluster: c, user: u}}\n", "clusters: []\nusers: []\n"),
    ],
};

fn read(data: &[u8]) {
    let text = super::text(data);
    let _ = (Token::from_input(&text), describe(&text));
}

fn check(data: &[u8]) {
    let text = super::text(data);
    match Token::from_input(&text) {
        Ok(token) => {
            assert_eq!(token.ca_hash.len(), HASH.len());
            assert!(!format!("{token:?}").contains(MARK), "{token:?}");
            let again = Token::parse(token.whole().expose());
            assert_eq!(again.as_ref(), Ok(&token), "what cloudcore gets is the token itself");
        }
        // The parser of YAML quotes keys.
        Err(TokenError::Secret(_)) => {}
        Err(error) => assert!(!error.to_string().contains(MARK), "{error}"),
    }
    for description in describe(&text).unwrap_or_default() {
        let shown = format!("{:?} {:?}", description.secret, description.ca);
        assert!(!shown.contains(MARK), "{shown}");
    }
}
