//! daemon.json: how it is read, merged and compared with flags, from texts.

use std::path::Path;

use edge_host::Exit;
use edge_systemd::Word;

use super::config::Config;
use super::edit::{Settings, config};
use super::flags::parse;
use super::{refused_mirror, registry};

fn settings() -> Settings {
    Settings {
        driver: Some("systemd"),
        mirrors: vec!["https://m.example".to_owned()],
        insecure: vec!["r.example:5000".to_owned()],
    }
}

fn edited(text: Option<&str>, settings: &Settings) -> String {
    let path = Path::new("/etc/docker/daemon.json");
    let (edited, details) = config(path, text.map(str::as_bytes), settings).unwrap();
    assert_eq!(details.is_empty(), Some(edited.as_str()) == text || text.is_none() && edited.is_empty());
    let (again, details) = config(path, Some(edited.as_bytes()), settings).unwrap();
    assert!(again == edited && details.is_empty(), "a second time: {again}");
    edited
}

#[test]
fn settings_are_merged_and_the_rest_keeps_its_order_and_form() {
    let all = "\"exec-opts\": [\"native.cgroupdriver=systemd\"]";
    let lists = ["\"registry-mirrors\": [\"https://m.example\"]", "\"insecure-registries\": [\"r.example:5000\"]"];
    let new = format!("{{\n  {all},\n  {},\n  {}\n}}\n", lists[0], lists[1]);
    assert_eq!(edited(None, &settings()), new);
    assert_eq!(edited(Some("{}\n"), &settings()), new);
    assert_eq!(edited(Some(" { }"), &settings()), new.trim_end());
    // The form of the last key.
    let driver = Settings { driver: Some("systemd"), ..Settings::default() };
    for (before, after) in [
        ("{\"debug\":true}", "{\"debug\":true,\"exec-opts\":[\"native.cgroupdriver=systemd\"]}"),
        (
            "{\n\t\"log-opts\" : {\"max-size\": \"10m\"},\n\t\"z\" : 1.50,\n\t\"a\" : null\n}\n",
            "{\n\t\"log-opts\" : {\"max-size\": \"10m\"},\n\t\"z\" : 1.50,\n\t\"a\" : null,\n\t\"exec-opts\" : [\"native.cgroupdriver=systemd\"]\n}\n",
        ),
        (
            "{\"exec-opts\": [\n    \"a=b\",\n    \"native.cgroupdriver=cgroupfs\"\n  ], \"k:\": \"x, y: {\"}",
            "{\"exec-opts\": [\n    \"a=b\",\n    \"native.cgroupdriver=systemd\"\n  ], \"k:\": \"x, y: {\"}",
        ),
        ("{\"exec-opts\": []}", "{\"exec-opts\": [\"native.cgroupdriver=systemd\"]}"),
        ("{\"exec-opts\": null}", "{\"exec-opts\": [\"native.cgroupdriver=systemd\"]}"),
        ("{\"exec-opts\": [\"Native.CgroupDriver = cgroupfs\"]}", "{\"exec-opts\": [\"native.cgroupdriver=systemd\"]}"),
        (
            "{\"exec-opts\": [\"native.cgroupdriver=cgroupfs\", \"native.cgroupdriver=systemd\"]}",
            "{\"exec-opts\": [\"native.cgroupdriver=systemd\"]}",
        ),
        (
            "{\"exec-opts\": [\n \"a=b\",\n \"c=d\"]}",
            "{\"exec-opts\": [\n \"a=b\",\n \"c=d\",\n \"native.cgroupdriver=systemd\"]}",
        ),
        (
            "{\"exec-opts\": [\n \"a=b\"\n , \"c=d\" ]}",
            "{\"exec-opts\": [\n \"a=b\",\n \"c=d\",\n \"native.cgroupdriver=systemd\" ]}",
        ),
        (
            "{\r\n\"exec-opts\": [\r\n\"a=b\"\r\n]\r\n}",
            "{\r\n\"exec-opts\": [\r\n\"a=b\",\r\n\"native.cgroupdriver=systemd\"\r\n]\r\n}",
        ),
        ("{\r\n}\r\n", "{\r\n  \"exec-opts\": [\"native.cgroupdriver=systemd\"]\r\n}\r\n"),
        ("{\"a\": 1, \"k:\": \"x\"}", "{\"a\": 1, \"k:\": \"x\", \"exec-opts\": [\"native.cgroupdriver=systemd\"]}"),
    ] {
        assert_eq!(edited(Some(before), &driver), after);
    }
    let unchanged = "{\"exec-opts\": [\"native.cgroupdriver=systemd\"], \"a\": 1}";
    assert_eq!(edited(Some(unchanged), &driver), unchanged);
}

#[test]
fn mirrors_are_first_and_registries_are_added() {
    let lists = Settings { driver: None, ..settings() };
    let before = "{\"insecure-registries\": [\"10.0.0.0/8\"], \"registry-mirrors\": [\"https://old.example/\", \"https://m.example/\"]}";
    let after = "{\"insecure-registries\": [\"10.0.0.0/8\", \"r.example:5000\"], \"registry-mirrors\": [\"https://m.example\", \"https://old.example/\"]}";
    assert_eq!(edited(Some(before), &lists), after);
    let same = "{\"registry-mirrors\": [\"https://m.example/\"], \"insecure-registries\": [\"r.example:5000\"]}";
    assert_eq!(edited(Some(same), &lists), same);
}

#[test]
fn input_that_dockerd_does_not_read_is_refused() {
    let deep = format!("{{\"a\": {}{}}}", "[".repeat(1000), "]".repeat(1000));
    for (text, said) in [
        (&b""[..], "it is empty"),
        (b" \n\t\n", "it is empty"),
        (b"<!DOCTYPE html>\n<html>", "it is an HTML or XML page, not JSON"),
        (b"\xEF\xBB\xBF{}", "it begins with a byte order mark"),
        (b"{\"a\": \"\xFF\"}", "it is not UTF-8 text"),
        (b"[]", "it is not a JSON object"),
        (b"true", "it is not a JSON object"),
        (b"{\n  // mirrors\n  \"debug\": true\n}", "line 2 has a comment"),
        (b"# mine\n{}", "line 1 has a comment"),
        (b"{\"debug\": true /* x */}", "line 1 has a comment"),
        (b"{\"a\": 1}\n// end", "line 2 has a comment"),
        (b"{\"a\": \"x\\#y\"}", "line 1, column 10: invalid escape sequence in a string"),
        (b"{\"a\": \"\\\"\\//y\"}\n//", "line 2 has a comment"),
        (b"{\"data-root\": /srv/docker}", "line 1, column 15: expected a value"),
        (b"{\"labels\": [#1]}", "line 1, column 13: expected a value"),
        (b"{\"a\": #1}", "line 1, column 7: expected a value"),
        (b"{\"a\": 10/8}", "line 1, column 9: expected a comma or a } after the value"),
        (b"{", "line 1, column 1: the text ends in an object: a } is missing"),
        (b"{\n", "line 1, column 2: the text ends in an object: a } is missing"),
        (b"{\n \"a\": {\n  \"b\": 1e999}}", "line 3, column 12: the number is out of range"),
        (b"{\"debug\": true,}", "a comma must be followed by another entry"),
        (b"{\"debug\": tru", "line 1, column 13: "),
        (b"{} {}", "unexpected text after the end of the document"),
        (b"{\"a\": 1,\n \"b\": 2,\n \"a\": 3}", "the key a is set twice"),
        (b"{\"log-opts\": {\"x\": [{\"y\": 1, \"y\": 1}]}}", "the key log-opts.x.y is set twice"),
        (b"{\"exec-opts\": \"native.cgroupdriver=systemd\"}", "exec-opts is not a list of strings"),
        (b"{\"exec-opts\": [1]}", "exec-opts is not a list of strings"),
        (deep.as_bytes(), "too many nested lists and objects"),
    ] {
        let error = config(Path::new("/d"), Some(text), &settings()).unwrap_err();
        assert!(error.message().contains(said), "{}: {}", String::from_utf8_lossy(text), error.message());
        assert!(error.exit() == Exit::Refused && error.hint_text().is_some());
    }
    let (_, read) =
        Config::parse(b"{\"exec-opts\": [\"Native.CgroupDriver = a\", \"native.cgroupdriver=b\"]}").unwrap();
    assert_eq!(read.driver().as_deref(), Some("a"));
}

#[test]
fn flags_are_read_in_every_form() {
    let words = "/usr/sbin/dockerd -DH fd:// -Htcp://x --registry-mirror=https://m.example --exec-opt native.cgroupdriver=systemd -D --containerd /c.sock";
    let words: Vec<Word> =
        words.split(' ').map(|text| Word { text: text.to_owned(), file: "/u".into(), line: 3 }).collect();
    let flags = parse(&words);
    let shown: Vec<String> =
        flags.iter().map(|flag| format!("{}={}", flag.key(), flag.value.as_deref().unwrap_or("-"))).collect();
    let expected = [
        "debug=-",
        "hosts=fd://",
        "hosts=tcp://x",
        "registry-mirrors=https://m.example",
        "exec-opts=native.cgroupdriver=systemd",
        "debug=-",
        "containerd=/c.sock",
    ];
    assert_eq!(shown, expected);
    assert_eq!(flags[0].place(), "/u:3");
}

#[test]
fn mirror_with_a_path_is_refused_for_a_dockerd_that_does_not_start_with_it() {
    let mirrors = ["https://m.example", "http://n.example/", "https://o.example:5000/hub"].map(str::to_owned);
    for version in ["20.10.24+dfsg1", "20.10.24~3", "23.0.18", "24.0.7", "17.03.0-ce", "19"] {
        assert_eq!(refused_mirror(version, &mirrors), Some(&mirrors[2]), "{version}");
    }
    for version in ["24.0.8", "25.0.0", "28.5.2+dfsg4", "28", "24", "24.0", "dev", ""] {
        assert_eq!(refused_mirror(version, &mirrors), None, "{version}");
    }
    assert_eq!(refused_mirror("20.10.24", &mirrors[..2]), None);
}

#[test]
fn insecure_registry_is_compared_as_dockerd_reports_it() {
    for (item, reported) in [
        ("r.example:5000", "r.example:5000"),
        ("http://r.example", "r.example"),
        ("10.1.2.3/8", "10.0.0.0/8"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("10.1.2.3/32", "10.1.2.3/32"),
        ("fd00::1/8", "fd00::/8"),
        ("r.example/24", "r.example/24"),
    ] {
        assert_eq!(registry(item), reported);
    }
}
