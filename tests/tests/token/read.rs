//! `read`: what a text is, and nothing of its secret.

use edgeutils_tests::pki::shell;
use edgeutils_tests::tool::{Ran, Tool};
use serde_json::Value;

const HASH: &str = "6a0f2ab5cd2ae5f0f1dde2e0a8e6f3a4d0b6c1f7e0a19bdf1cbb0a5e1d2c3b4a";
const SIGNATURE: &str = "TheSignatureOfThisTokenIsItsSecretPart0123x";

/// A token of KubeEdge that expires in so many seconds; base64url is made by Python.
fn token(seconds: i64) -> String {
    let now = shell("date +%s").trim().parse::<i64>().unwrap();
    let encode = |text: &str| {
        shell(&format!(
            "python3 -c 'import base64; print(base64.urlsafe_b64encode(b\"\"\"{text}\"\"\").decode().rstrip(\"=\"), end=\"\")'"
        ))
    };
    let (header, claims) =
        (encode(r#"{"alg":"HS256","typ":"JWT"}"#), encode(&format!("{{\"exp\":{}}}", now + seconds)));
    format!("{HASH}.{header}.{claims}.{SIGNATURE}")
}

fn base64(text: &str) -> String {
    shell(&format!("printf %s '{text}' | base64 -w0"))
}

fn read(args: &str, input: &str) -> Ran {
    let ran = Tool::new("edge-token").args(args.split(' ')).stdin(input).run();
    assert!(
        args.contains("--print") || !format!("{}{}", ran.stdout, ran.stderr).contains("Signature"),
        "{}",
        ran.stdout
    );
    ran
}

fn secret(token: &str) -> String {
    format!(
        "{{\"apiVersion\": \"v1\", \"kind\": \"Secret\", \"metadata\": {{\"name\": \"tokensecret\", \"namespace\": \"kubeedge\"}}, \"data\": {{\"tokendata\": \"{}\"}}}}",
        base64(token)
    )
}

#[test]
fn token_of_kubeedge_is_described_in_every_form() {
    let token = token(3 * 3600 + 100);
    let yaml = format!(
        "apiVersion: v1\r\nkind: Secret\r\nmetadata:\r\n  name: tokensecret\r\n  namespace: kubeedge\r\ndata:\r\n  tokendata: {}\r\n",
        base64(&token)
    );
    for (input, place) in [
        (token.clone(), "standard input"),
        (format!("{token}\r\n"), "standard input"),
        (base64(&token), "standard input"),
        (secret(&token), "kubeedge/tokensecret"),
        (yaml, "kubeedge/tokensecret"),
        (format!("{{\"kind\": \"List\", \"items\": [{}]}}", secret(&token)), "kubeedge/tokensecret"),
    ] {
        let ran = read("read", &input).expect(0);
        let lines: Vec<&str> = ran.stdout.lines().collect();
        assert_eq!(lines[0], format!("{place}: a token of KubeEdge"));
        assert_eq!(lines[1], "    for          edge nodes that join cloudcore");
        assert!(lines[2].starts_with("    expires      20") && lines[2].ends_with("(in 3 hours)"), "{}", lines[2]);
        assert_eq!(lines[3], format!("    CA           sha256:{HASH} of the certificate (DER)"));
        let printed = read("read --print", &input).expect(0);
        assert_eq!((printed.stdout, printed.stderr.as_str()), (format!("{token}\n"), ""));
    }
}

#[test]
fn expired_token_is_exit_3() {
    let ran = read("read", &token(-7300)).expect(3);
    assert!(ran.stdout.contains("(expired 2 hours ago)"), "{}", ran.stdout);
    assert!(ran.stderr.contains("warning: the token of KubeEdge expired on 20"), "{}", ran.stderr);
    let expired = token(-7300);
    let ran = read("read --print", &expired).expect(3);
    assert_eq!(ran.stdout, format!("{expired}\n"));
    assert!(ran.stderr.contains("expired on"), "{}", ran.stderr);
    let ran = read("read --json", &expired).expect(3);
    let record: Value = serde_json::from_str(ran.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&record["type"], &record["kind"], &record["expired"]),
        (&"token".into(), &"token of KubeEdge".into(), &true.into())
    );
}

#[test]
fn damaged_input_is_named_and_prints_nothing() {
    let token = token(100);
    let twice = base64(&base64(&token));
    for (input, why) in [
        (String::new(), "cannot read standard input: it is empty\nhint: check the command before the pipe"),
        ("\r\n".to_owned(), "cannot read standard input: it is empty"),
        (format!("{token}root@cloud:~#"), "it has 13 characters after its signature, such as a shell prompt"),
        (token[..token.len() - 1].to_owned(), "it is cut off: its signature has 42 of 43 characters"),
        (token[1..].to_owned(), "its first part is not the checksum of a CA"),
        (twice, "it is base64 in base64: it was encoded twice\nhint: decode it once first: base64 -d"),
        (secret(&base64(&token)), "it is base64 in base64"),
        (secret(&token).replace("tokendata", "other"), ""),
        (
            "Error from server (NotFound): secrets \"tokensecret\" not found\n".to_owned(),
            "hint: KubeEdge's token is in a Secret",
        ),
        ("kind: Secret\n---\nkind: Secret\n".to_owned(), "more than one YAML document"),
        ("{\"kind\": \"Secret\"".to_owned(), "not valid YAML"),
        ("x".repeat((1 << 20) + 1), "it is larger than 1 MiB"),
    ] {
        let printed = read("read --print", &input).expect(1);
        assert!(printed.stdout.is_empty() && printed.stderr.contains(why), "{why}: {}", printed.stderr);
        assert!(!printed.stderr.contains("Signature"), "{}", printed.stderr);
    }
}

#[test]
fn bootstrap_token_and_its_secret_are_described() {
    let ran = read("read", "abcdef.0123456789abcdef\n").expect(0);
    assert!(
        ran.stdout.contains("a bootstrap token\n    for          nodes that join the cluster (ID abcdef)"),
        "{}",
        ran.stdout
    );
    assert!(!ran.stdout.contains("0123456789"), "{}", ran.stdout);
    let secret = format!(
        "kind: Secret\nmetadata: {{name: bootstrap-token-abcdef, namespace: kube-system}}\ntype: bootstrap.kubernetes.io/token\ndata:\n  token-id: {}\n  token-secret: {}\n  expiration: {}\n  usage-bootstrap-signing: {}\n",
        base64("abcdef"),
        base64("0123456789abcdef"),
        base64("2020-01-01T00:00:00Z"),
        base64("true")
    );
    let ran = read("read", &secret).expect(3);
    assert!(ran.stdout.starts_with("kube-system/bootstrap-token-abcdef: a bootstrap token\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("    usages       signing\n"), "{}", ran.stdout);
    assert_eq!(read("read --print", &secret).expect(3).stdout, "abcdef.0123456789abcdef\n");
}

#[test]
fn list_with_several_tokens_is_described_and_not_printed() {
    let token = token(1000);
    let list = format!(
        "{{\"kind\": \"List\", \"items\": [{}, {}]}}",
        secret(&token),
        secret(&token).replace("tokensecret", "other")
    );
    let ran = read("read", &list).expect(0);
    assert_eq!(ran.stdout.matches("a token of KubeEdge").count(), 2, "{}", ran.stdout);
    let ran = read("read --print", &list).expect(1);
    assert!(ran.stdout.is_empty() && ran.stderr.contains("it has 2 tokens: expected one"), "{}", ran.stderr);
}

#[test]
fn kubeconfig_is_described_by_its_contexts() {
    let site = super::site::Site::new();
    let file = site.tree.at(super::site::ADMIN);
    let ran = Tool::new("edge-token").arg("read").arg(&file).run().expect(0);
    for line in [
        "kubernetes-admin@kubernetes: a context of a kubeconfig\n",
        "    for          O=kubeadm:cluster-admins, CN=kubernetes-admin\n",
        "    server       https://192.0.2.1:6443\n",
        "    current      yes\n",
        " of the certificate (DER), CN=kubernetes\n",
    ] {
        assert!(ran.stdout.contains(line), "{line}{}", ran.stdout);
    }
    let fingerprint = shell(&format!("openssl x509 -in {} -outform der | sha256sum", site.pki.at("ca.crt")));
    let fingerprint = fingerprint.split(' ').next().unwrap();
    assert!(ran.stdout.contains(&format!("    CA           sha256:{fingerprint}")), "{}", ran.stdout);
    site.tree.write(super::site::ADMIN, site.admin("ca", "old", -1));
    let ran = Tool::new("edge-token").arg("read").arg(&file).run().expect(3);
    assert!(ran.stdout.contains("(expired "), "{}", ran.stdout);
}
