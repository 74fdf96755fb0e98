//! What is read, what is refused and with which words, and that no token is printed.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::*;

const HASH: &str = "6a0f2ab5cd2ae5f0f1dde2e0a8e6f3a4d0b6c1f7e0a19bdf1cbb0a5e1d2c3b4a";

fn jwt(header: &str, claims: &str) -> String {
    let signature = "s".repeat(SIGNATURE);
    format!("{}.{}.{signature}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
}

fn good() -> String {
    format!("{HASH}.{}", jwt(r#"{"alg":"HS256","typ":"JWT"}"#, r#"{"exp":1795000000}"#))
}

fn said(text: &str) -> String {
    Token::from_input(text).unwrap_err().to_string()
}

#[test]
fn token_is_read_from_every_form_that_is_pasted() {
    let good = good();
    let encoded = STANDARD.encode(&good);
    let wrapped: Vec<&str> = encoded.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let secret =
        format!(r#"{{"kind": "Secret", "metadata": {{"name": "tokensecret"}}, "data": {{"tokendata": "{encoded}"}}}}"#);
    for text in [
        good.clone(),
        format!("  {good}\r\n"),
        encoded.clone(),
        wrapped.join("\n"),
        secret.clone(),
        format!("\u{feff}{secret}"),
        format!("apiVersion: v1\r\nkind: Secret\r\ndata:\r\n  tokendata: {encoded}\r\n"),
        format!("# from the cluster\n---\nkind: Secret\nstringData: {{tokendata: {good}}}\n"),
        format!(r#"{{"kind": "List", "items": [{secret}, {{"kind": "Secret", "data": {{"casecret": "AA=="}}}}]}}"#),
        format!(r#"{{"kind": "SecretList", "items": [{{"data": {{"tokendata": "{encoded}"}}}}]}}"#),
    ] {
        let token = Token::from_input(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!((token.ca_hash.as_str(), token.expires), (HASH, Some(1_795_000_000)));
        assert_eq!(token.whole().expose(), good);
        assert!(good.ends_with(token.jwt().expose()) && token.jwt().expose().starts_with("eyJ"));
    }
}

#[test]
fn token_error_names_the_part_that_is_wrong() {
    let good = good();
    let (_, signed) = good.split_once('.').unwrap();
    let of = |header: &str, claims: &str| format!("{HASH}.{}", jwt(header, claims));
    let header = r#"{"alg":"HS256"}"#;
    for (text, why) in [
        (String::new(), "it is empty"),
        (" \r\n".to_owned(), "it is empty"),
        (signed.to_owned(), "its first part, the checksum of cloudcore's CA, is missing"),
        (good.replace(HASH, &HASH.to_uppercase()), "its first part is not the checksum of a CA: expected 64"),
        (good[1..].to_owned(), "its first part is not the checksum of a CA"),
        (HASH.to_owned(), "it is cut off: it has 1 of 4 parts"),
        (good.rsplit_once('.').unwrap().0.to_owned(), "it is cut off: it has 3 of 4 parts"),
        (good[..good.len() - 3].to_owned(), "its signature has 40 of 43 characters"),
        (format!("{good}root@cloud:~# "), "it has 13 characters after its signature, such as a shell prompt"),
        (format!("{good}[admin@cloud.example.com ~]$"), "characters after its signature"),
        (good.replacen("eyJ", "ey\nJ", 1), "it has a space or line break in the middle"),
        (of(r#"{"alg":"HS512"}"#, "{}"), "its signature algorithm is \"HS512\""),
        (of(r#"{"alg":"none"}"#, "{}"), "its signature algorithm is \"none\""),
        (of("{}", "{}"), "the header of its JWT is damaged: it has no signature algorithm"),
        (of("[]", "{}"), "the header of its JWT is damaged: it is not a JSON object"),
        (of(header, "{"), "the claims of its JWT is damaged: it is not a JSON object"),
        (good.replacen("eyJ", "e+J", 1), "the header of its JWT is damaged: it is not base64url"),
        (format!("{good}="), "its signature is damaged"),
        (good.replace("sss", "s!s"), "its signature is damaged"),
        (STANDARD.encode(STANDARD.encode(&good)), "it is base64 in base64"),
        (STANDARD.encode("this is something else"), "its first part is not the checksum"),
        ("abcdef.0123456789abcdef".to_owned(), "but a bootstrap token of kubeadm"),
        ("-----BEGIN CERTIFICATE-----\n".to_owned(), "but PEM"),
        ("<html>".to_owned(), "but HTML"),
        ("kind: Pod\n".to_owned(), "it is an object of kind Pod: expected a Secret"),
        ("{\"a\": 1}".to_owned(), "it has no kind"),
        ("{\"kind\": \"Sec".to_owned(), "not valid YAML"),
        ("kind: Secret\n---\nkind: Secret\n".to_owned(), "more than one YAML document"),
        ("kind: List\nitems: []\n".to_owned(), "it is a List without a Secret"),
        ("kind: Secret\ndata: {cadata: AA==}\n".to_owned(), "the Secret has no tokendata"),
        (
            format!("kind: Secret\ndata: {{tokendata: {good}}}\n"),
            "tokendata of the Secret is damaged: it is not base64",
        ),
        (
            format!("kind: Secret\ndata: {{tokendata: {}}}\n", STANDARD.encode(STANDARD.encode(&good))),
            "it is base64 in base64",
        ),
        ("kind: Secret\ndata: {tokendata: /w==}\n".to_owned(), "tokendata of the Secret is not text"),
        (
            format!("kind: List\nitems:\n{}", "- {kind: Secret, stringData: {tokendata: x}}\n".repeat(2)),
            "it contains 2 Secrets with a token: expected one",
        ),
    ] {
        let said = said(&text);
        assert!(said.contains(why), "{text}\n{said}\n{why}");
        assert!(!said.contains("sss") && !said.contains("eyJ"), "{said}");
    }
}

#[test]
fn token_is_not_printed_by_accident() {
    let token = Token::parse(&good()).unwrap();
    let shown = format!("{token:?} {:?} {:?}", token.whole(), Jwt::parse(token.jwt().expose()).unwrap());
    assert!(!shown.contains("eyJ") && !shown.contains("sss") && shown.contains("***"), "{shown}");
}

#[test]
fn jwt_times_may_have_fractions() {
    let jwt = Jwt::parse(&jwt(r#"{"alg":"RS256"}"#, r#"{"exp":12.75,"iat":"x","sub":"a"}"#)).unwrap();
    assert_eq!((jwt.time("exp"), jwt.time("iat"), jwt.time("nbf"), jwt.text("sub")), (Some(12), None, None, Some("a")));
    assert!(Jwt::parse("a.b").unwrap_err().to_string().contains("2 of 3 parts"));
    assert!(Jwt::parse("e30.e30.").is_err());
}

proptest::proptest! {
    #[test]
    fn token_of_any_text_is_read_or_refused_without_its_text(text in "\\PC{0,60}", at in 0usize..200) {
        let good = good();
        let cut = at.min(good.len());
        for text in [text.clone(), format!("{}{text}{}", &good[..cut], &good[cut..]), STANDARD.encode(&text)] {
            match Token::from_input(&text) {
                Ok(token) => proptest::prop_assert!(Token::parse(token.whole().expose()).is_ok()),
                Err(error) => proptest::prop_assert!(!error.to_string().contains("eyJ"), "{}", error),
            }
        }
    }
}
