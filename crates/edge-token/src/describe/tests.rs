//! Every kind of text, and what is said of a damaged one.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::*;

const HASH: &str = "6a0f2ab5cd2ae5f0f1dde2e0a8e6f3a4d0b6c1f7e0a19bdf1cbb0a5e1d2c3b4a";

fn jwt(header: &str, claims: &str) -> String {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{}", encode(header), encode(claims), "s".repeat(43))
}

fn one(text: &str) -> Description {
    let mut all = describe(text).unwrap();
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[test]
fn every_kind_is_told_apart() {
    let kubeedge = format!("{HASH}.{}", jwt(r#"{"alg":"HS256"}"#, r#"{"exp":100}"#));
    let account = jwt(
        r#"{"alg":"RS256","kid":"x"}"#,
        r#"{"aud":["https://kubernetes.default"],"exp":5000000000,"iat":1,"iss":"i","kubernetes.io":{"namespace":"n","pod":{"name":"p"}},"sub":"system:serviceaccount:n:a"}"#,
    );
    let legacy = jwt(
        r#"{"alg":"RS256"}"#,
        r#"{"kubernetes.io/serviceaccount/namespace":"n","kubernetes.io/serviceaccount/service-account.name":"a","kubernetes.io/serviceaccount/secret.name":"s"}"#,
    );
    for (text, kind, subject) in [
        (kubeedge.clone(), "token of KubeEdge", "edge nodes that join cloudcore"),
        (format!("{kubeedge}\r\n"), "token of KubeEdge", "edge nodes"),
        (STANDARD.encode(&kubeedge), "token of KubeEdge", "edge nodes"),
        (account.clone(), "service-account token", "the service account n/a"),
        (legacy, "service-account token", "the service account n/a"),
        (jwt(r#"{"alg":"HS256"}"#, r#"{"sub":"x"}"#), "JSON Web Token (JWT)", "x"),
        ("abcdef.0123456789abcdef\n".to_owned(), "bootstrap token", "nodes that join the cluster (ID abcdef)"),
        (format!("kind: Secret\ndata: {{tokendata: {}}}\n", STANDARD.encode(&kubeedge)), "token of KubeEdge", "edge"),
        (
            format!("kind: Secret\ntype: kubernetes.io/service-account-token\ndata: {{token: {}}}\n", STANDARD.encode(&account)),
            "service-account token",
            "the service account n/a",
        ),
        (
            "kind: Secret\ntype: bootstrap.kubernetes.io/token\nstringData: {token-id: abcdef, token-secret: 0123456789abcdef, expiration: '2020-01-01T00:00:00Z'}\n".to_owned(),
            "bootstrap token",
            "nodes that join the cluster (ID abcdef)",
        ),
        ("kind: Secret\ntype: Opaque\ndata: {a: AA==}\n".to_owned(), "Secret without a token", ""),
    ] {
        let found = one(&text);
        assert_eq!(found.kind, kind, "{text}");
        assert!(found.subject.starts_with(subject), "{text}: {}", found.subject);
        assert!(!format!("{found:?}").contains("sss"), "{found:?}");
    }
    let found = one(&account);
    let fact = |name| found.facts.iter().find_map(|(other, value)| (*other == name).then_some(value.as_str()));
    assert_eq!((fact("bound to"), fact("audience")), (Some("the pod p"), Some("https://kubernetes.default")));
    assert!(one(&kubeedge).has_expired(100) && !one(&kubeedge).has_expired(99));
    assert!(one(kubeedge.split_once('.').unwrap().1).problems[0].contains("without the checksum of the CA"));
}

#[test]
fn what_is_wrong_is_named() {
    let secret = |kind: &str, data: &str| format!("kind: Secret\ntype: {kind}\nstringData: {data}\n");
    let account = "kubernetes.io/service-account-token";
    for (text, why) in [
        ("hello", "its first part is not the checksum of a CA"),
        ("eyJhbGciOiJSUzI1NiJ9.e30", "it is not a JWT: it has 2 of 3 parts"),
        ("{\"kind\": \"Pod\"}", "it is an object of kind Pod: expected a Secret"),
        (&secret(account, "{ca.crt: x}"), "it has no token yet"),
        (&secret(account, "{token: x}"), "it is not a JWT"),
        (
            &secret("bootstrap.kubernetes.io/token", "{token-id: abcdef, token-secret: x}"),
            "its token-id and token-secret",
        ),
        (
            &secret(
                "bootstrap.kubernetes.io/token",
                "{token-id: abcdef, token-secret: 0123456789abcdef, expiration: tomorrow}",
            ),
            "its expiration is not a time",
        ),
        ("kind: Config\ncontexts: []\n", "it is a kubeconfig without a context"),
        (&STANDARD.encode(STANDARD.encode("hello world, hello")), "it is base64 in base64"),
    ] {
        let said = describe(text).unwrap_err().text;
        assert!(said.contains(why), "{text}: {said}");
    }
}

#[test]
fn span_has_the_largest_unit() {
    let all = [0, 1, 119, 120, 7_200, 172_800].map(span);
    assert_eq!(all, ["0 seconds", "1 second", "119 seconds", "2 minutes", "2 hours", "2 days"]);
}

proptest::proptest! {
    #[test]
    fn describe_does_not_panic(text in "(kind: (Secret|Config|List)\n|type: [a-z./-]{0,20}\n|data:\n|  [a-z-]{1,9}: [A-Za-z0-9=]{0,20}\n|\\PC){0,20}") {
        let _ = describe(&text);
    }
}
