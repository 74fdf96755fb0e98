//! Samples of each kind, good and bad.

use super::*;

#[test]
fn kinds_accept_and_refuse() {
    for (kind, good, bad) in [
        (
            "ip",
            &["192.0.2.1", "2001:db8::1", "::ffff:1.2.3.4"] as &[&str],
            &["", "192.0.2.300", "eth0", "010.0.0.1", "[::1]", "1.2.3.4:5", "fe80::1%eth0", "1.2.3.4 "] as &[&str],
        ),
        ("ips", &["192.0.2.1", "192.0.2.1,2001:db8::1", "::1, 127.0.0.1"], &["eth0", "1.1.1.1,2.2.2.2", "1.1.1.1,"]),
        ("ipv4-bind", &["0.0.0.0"], &["::", "[::]", "localhost", ""]),
        ("ip:port", &["127.0.0.1:9091", "[::]:1"], &["localhost:9091", ":9091", "127.0.0.1", "127.0.0.1:70000"]),
        (
            "host:10004",
            &["192.0.2.1:10004", "c.example:30004", "[2001:db8::1]:443"],
            &["192.0.2.1:10003", "c:10000", "c", "wss://c:10004", "0.0.0.0:10004", "[::]:10004", "[::ffff:0.0.0.0]:1"],
        ),
        ("listen", &["127.0.0.1:10550", ":10550", "localhost:1", "0.0.0.0:1", "[::]:1"], &["127.0.0.1", "10550", ":0"]),
        ("bind", &["0.0.0.0", "[::]", "localhost"], &["", "::", "eth0", "cloud.example", "0.0.0.0:1"]),
        ("host", &["0.0.0.0", "[::]", "localhost"], &["", "::1", "a:1"]),
        (
            "https:10002",
            &["https://192.0.2.1:10002", "https://c", "HTTPS://[::1]:1", "https://c:10002/"],
            &[
                "http://c:10002",
                "c:10002",
                "https://c:10000",
                "https://c/x",
                "https://",
                "https://:1",
                "https://<IP>:10002",
                "https://CLOUDCORE_IP:10002",
                "https://0.0.0.0:10002",
                "https://0.0.0.0",
                "https://[::]",
                "https://[::]:10002/",
            ],
        ),
        (
            "broker",
            &["tcp://127.0.0.1:1883", "ssl://b:8883", "ws://b/mqtt", "tcp://u:p@b:1"],
            &["127.0.0.1:1883", "http://b:1", "tcp://b", "tcp://b:0"],
        ),
        (
            "broker-dial",
            &["127.0.0.1:1883", ":1883", "tcp://127.0.0.1:1883", "b:1"],
            &["http://b:1", "tcp://b", "b", "", ":0", "tcp://:1883", "<IP>:1883"],
        ),
        ("port", &["1", "65535"], &["0", "65536", "-1", "x", ""]),
        (
            "cri",
            &["unix:///run/crio/crio.sock", "unix:/run/x"],
            &["/run/x", "run/x", "unix://run/x", "tcp://h:1", "unix://", "http:///run/x", ""],
        ),
        ("quantity", &["10Mi", "1G", "100"], &["10MB", "10M b", "x", ""]),
        ("unix", &["unix:///x", "UNIX:///x"], &["/x", "", "unix:/x"]),
        ("node-name", &["edge-1", "a.b"], &["Edge_1", "", "-a", "a..b"]),
        ("dns-name", &["a.example", "*.example"], &["192.0.2.1", "a b", "", "YOUR_NAME"]),
        ("path", &["/a"], &["a", ""]),
        ("0..100", &["0", "100"], &["-1", "101", "1.5"]),
        ("1..", &["1"], &["0"]),
        ("a|b", &["a"], &["c", "a|b", ""]),
        ("=remote", &["remote"], &["docker"]),
    ] {
        let parsed = ValueKind::parse(kind).unwrap();
        for text in good {
            assert_eq!(parsed.check(text), Ok(()), "{kind} {text}");
        }
        for text in bad {
            assert!(parsed.check(text).is_err(), "{kind} {text}");
        }
    }
    assert_eq!(ValueKind::parse("banana"), None);
}

#[test]
fn reason_is_said_in_words() {
    let why = |kind, text| ValueKind::parse(kind).unwrap().check(text).unwrap_err();
    for (kind, text, expected) in [
        ("ip", "192.0.2.300", "\"192.0.2.300\" is not a valid IP address"),
        ("host:10000", "c:10002", "\"c:10002\" has port 10002, which is cloudcore's HTTPS port; expected 10000"),
        (
            "https:10002",
            "“https://c”",
            "\"“https://c”\" is not a valid URL: it has typographic quotes, which are part of the value",
        ),
        (
            "https:10002",
            "https://u:p@192.0.2.1:10002",
            "\"https://u:***@192.0.2.1:10002\" is not a valid URL: it must not contain user information",
        ),
        (
            "host:10000",
            "0.0.0.0:10000",
            "\"0.0.0.0:10000\" is not a valid HOST:PORT: programs listen on this address, but cannot connect to it",
        ),
        ("0..", "-5", "must not be negative, but is -5"),
        ("=remote", "docker", "must be remote, not \"docker\""),
    ] {
        assert_eq!(why(kind, text).to_string(), expected);
    }
    assert!(why("cri", "/run/x").is_tolerated() && !why("cri", "run/x").is_tolerated());
}
