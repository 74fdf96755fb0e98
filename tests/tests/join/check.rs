//! `check`: tokens, clocks and certificates, for each version of cloudcore.

use edgeutils_tests::cloudcore::{Authority, Cloudcore, Settings};

use crate::{authority, check, of_cloud};

const VERSIONS: [&str; 4] = ["1.8", "1.18", "1.20", "1.23"];

#[test]
fn check_finds_nothing_wrong_with_a_good_cloudcore_and_sends_what_edgecore_sends() {
    let Some(ca) = authority("check_finds_nothing_wrong") else { return };
    for version in VERSIONS {
        let cloud = Cloudcore::start(&ca, &Settings { version, ..Settings::default() });
        let found = of_cloud(&check(&cloud, &ca.token(), &[]));
        // Older versions do not say whether a node is registered.
        let is_old = ["1.8", "1.18"].contains(&version);
        assert_eq!(found.len(), usize::from(is_old), "{version}: {found:?}");
        assert!(found.iter().all(|one| one.severity == "note" && one.text.contains("older than 1.20")), "{found:?}");
        let heads: Vec<String> = cloud.requests().into_iter().map(|one| one.head).collect();
        let head = |path: &str| {
            format!(
                "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nUser-Agent: Go-http-client/1.1\r\nAccept-Encoding: gzip",
                cloud.https
            )
        };
        assert_eq!(heads, [head("/ca.crt"), head("/node/edge1")], "{version}");
    }
}

#[test]
fn check_names_a_node_that_is_registered_already() {
    let Some(ca) = authority("check_names_a_node") else { return };
    let cloud = Cloudcore::start(&ca, &Settings::default());
    cloud.set_nodes(&["edge1"]);
    let found = of_cloud(&check(&cloud, &ca.token(), &[]));
    assert_eq!((found.len(), found[0].severity.as_str()), (1, "warning"), "{found:?}");
    assert!(found[0].text.contains("a node edge1 is registered already"), "{found:?}");
}

#[test]
fn check_takes_a_token_in_every_form_in_which_it_is_pasted() {
    let Some(ca) = authority("check_takes_a_token") else { return };
    let cloud = Cloudcore::start(&ca, &Settings::default());
    let token = ca.token();
    let encoded = edgeutils_tests::pki::shell(&format!("printf %s {token} | base64 -w0"));
    for text in [
        format!("{token}\r\n"),
        encoded.clone(),
        format!("{{\"kind\": \"Secret\", \"data\": {{\"tokendata\": \"{encoded}\"}}}}"),
        format!("apiVersion: v1\nkind: Secret\ndata:\n  tokendata: {encoded}\n"),
    ] {
        assert_eq!(of_cloud(&check(&cloud, &text, &[])).len(), 0);
    }
}

#[test]
fn check_names_what_is_wrong_with_a_token_first() {
    let Some(ca) = authority("check_names_what_is_wrong_with_a_token") else { return };
    let cloud = Cloudcore::start(&ca, &Settings::default());
    let token = ca.token();
    let other = Authority::new("127.0.0.1").unwrap();
    for (text, want) in [
        (token[..160].to_owned(), "cannot be used: it is cut off"),
        (format!("{token}root@edge:~#"), "characters after its signature"),
        (String::new(), "cannot be used: it is empty"),
        ("<html>".to_owned(), "not a token of KubeEdge, but HTML or XML"),
        (ca.token_for(-60), "it expired on"),
        (other.token(), "the token is of another cloudcore"),
    ] {
        let ran = check(&cloud, &text, &[]).expect(3);
        let found = of_cloud(&ran);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].file == "token" && found[0].text.contains(want) && !found[0].hint.is_empty(), "{found:?}");
    }
}

#[test]
fn check_names_the_clock_that_is_off() {
    let Some(ca) = authority("check_names_the_clock") else { return };
    for (skew, seconds, want) in [
        (7200, 86_400, vec!["clock: this host's clock ("]),
        (-7200, 86_400, vec!["clock: this host's clock ("]),
        // It expires in an hour by our clock, and has expired by the server's.
        (7200, 3600, vec!["token: it expired on", "clock: this host's clock ("]),
    ] {
        let cloud = Cloudcore::start(&ca, &Settings { skew, ..Settings::default() });
        let found = of_cloud(&check(&cloud, &ca.token_for(seconds), &[]).expect(3));
        let said: Vec<String> = found.iter().map(|one| format!("{}: {}", one.file, one.text)).collect();
        assert_eq!(said.len(), want.len(), "{said:?}");
        assert!(said.iter().zip(&want).all(|(one, want)| one.starts_with(want)), "{said:?}");
        let direction =
            if skew > 0 { "is 2 hours behind that of cloudcore" } else { "is 2 hours ahead of that of cloudcore" };
        assert!(said.last().unwrap().replace("119 minutes", "2 hours").contains(direction), "{said:?}");
    }
}

#[test]
fn check_names_what_the_certificate_of_the_server_lacks() {
    if authority("check_names_what_the_certificate").is_none() {
        return;
    }
    for (options, want, hint) in [
        (
            &["--san", "10.0.0.5,cloud.example"][..],
            "its certificate does not name IP:127.0.0.1, but DNS:cloud.example, IP:10.0.0.5",
            "join by a name that it has (--cloudcore cloud.example), or on the cloud side add 127.0.0.1 to modules.cloudHub.advertiseAddress",
        ),
        (
            &["--san", "10.0.0.5"],
            "its certificate does not name IP:127.0.0.1, but IP:10.0.0.5\n",
            "(--cloudcore 10.0.0.5)",
        ),
        (&["--san", ""], "its certificate does not name IP:127.0.0.1, but no name", "on the cloud side add 127.0.0.1"),
        (&["--days", "-1"], "its certificate expired on", "delete the old certificate"),
    ] {
        let ca = Authority::with(options).unwrap();
        let cloud = Cloudcore::start(&ca, &Settings::default());
        let found = of_cloud(&check(&cloud, &ca.token(), &[]).expect(3));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(format!("{}\n", found[0].text).contains(want) && found[0].hint.contains(hint), "{found:?}");
    }
}

#[test]
fn check_connects_by_name_and_by_ipv6() {
    let Some(ca) = Authority::new("localhost,::1") else { return };
    let cloud = Cloudcore::start(&ca, &Settings { address: "::1", ..Settings::default() });
    for host in ["::1", "[::1]"] {
        let tool = edgeutils_tests::tool::Tool::new("edge-join").args(["check", "--json", "--cloudcore", host]);
        let ran = tool.args(["--node-name", "edge1", "--token", "-"]).args(cloud.options()).stdin(ca.token()).run();
        assert!(!ran.stdout.contains("[::1]"), "{}", ran.stdout);
    }
    assert_eq!(cloud.requests().len(), 4);
    assert!(cloud.requests()[0].head.contains(&format!("Host: [::1]:{}", cloud.https)));
}
