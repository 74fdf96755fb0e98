//! Docker's daemon.json: foreign JSON whose text is edited key by key.

use std::path::Path;

use edge_pkg::docker::config::Config;
use edge_pkg::docker::edit::{Settings, config};
use serde_json::Value;

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "daemon_json",
    check,
    read,
    seeds: || {
        super::texts(&[
            "{}\n",
            "{\n    \"exec-opts\": [\"native.cgroupdriver=cgroupfs\"],\n    \"log-opts\": {\"max-size\": \"10m\"},\n    \"registry-mirrors\": [\n        \"https://m.example/\",\n        \"https://n.example\"\n    ]\n}\n",
            "{\"insecure-registries\":[],\"debug\":true,\"default-ulimits\":{\"nofile\":{\"Name\":\"nofile\",\"Hard\":64000}}}",
            "{\r\n\t\"registry-mirrors\" : [\t\"https://\\u006d.example\" ] ,\r\n\t\"mtu\" : -1.5e3\r\n}",
        ])
    },
    tokens: &[
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\n",
        "\r\n",
        "\t",
        "  ",
        "\"",
        "\\u0065",
        "\\\"",
        "\"exec-opts\": ",
        "\"registry-mirrors\": ",
        "\"insecure-registries\": ",
        "\"native.cgroupdriver=systemd\"",
        "\"https://m.example\"",
        "\"r.example:5000\"",
        "null",
        "true",
        "1e999",
        "// c\n",
        "/* c */",
        "\u{feff}",
        "<html>",
    ],
    growing: &[
        ("{", "\"k{}\": 1,\n", "\"z\": 1}"),
        ("{\"registry-mirrors\": [", "\"https://m{}.example\", ", "\"https://z.example\"]}"),
        ("{\"insecure-registries\": [", "\"r{}.example\",\n", "\"z\"]}"),
        ("{\"exec-opts\": [", "\"native.cgroupdriver=x{}\", ", "\"a\"]}"),
        ("{\"a\": {", "\"k{}\": [1],", "\"z\": 1}}"),
        ("{\"a\": ", "[", ""),
        ("{\"a\": \"", "x", "\"}"),
        ("{", "\n", "}"),
    ],
};

fn settings() -> Settings {
    Settings {
        driver: Some("systemd"),
        mirrors: vec!["https://m.example".to_owned(), "http://n.example:5000".to_owned()],
        insecure: vec!["n.example:5000".to_owned()],
    }
}

fn read(data: &[u8]) {
    let _ = config(Path::new("daemon.json"), Some(data), &settings());
}

fn check(data: &[u8]) {
    let path = Path::new("daemon.json");
    let unchanged = config(path, Some(data), &Settings::default());
    let Ok((edited, details)) = config(path, Some(data), &settings()) else { return };
    assert_eq!(unchanged.expect("it can be read").0.as_bytes(), data, "nothing is requested, and not a byte differs");
    assert_eq!(details.is_empty(), edited.as_bytes() == data, "{details:?}");
    let again = config(path, Some(edited.as_bytes()), &settings()).expect("it was accepted before");
    assert_eq!(again, (edited.clone(), Vec::new()), "a second run changes nothing");
    // A reader of another author: all values are there, and all others as before.
    let values = |bytes: &[u8]| serde_json::from_slice::<serde_json::Map<String, Value>>(bytes).expect("it is JSON");
    let (before, after) = (values(data), values(edited.as_bytes()));
    for (key, requested) in settings().by_key() {
        let items = after[key].as_array().expect("it is a list");
        let has =
            |item: &String| items.iter().any(|one| one.as_str().map(|one| one.trim_end_matches('/')) == Some(item));
        assert!(requested.iter().all(has), "{key}: {edited}");
    }
    let requested = settings().by_key().map(|(key, _)| key);
    for (key, value) in before.iter().filter(|(key, _)| !requested.contains(&key.as_str())) {
        assert_eq!(after.get(key), Some(value), "{key}");
    }
    let (_, read) = Config::parse(edited.as_bytes()).expect("it was edited");
    assert_eq!(read.driver().as_deref(), Some("systemd"), "{edited}");
    assert!(after.len() <= before.len() + requested.len(), "{edited}");
}
