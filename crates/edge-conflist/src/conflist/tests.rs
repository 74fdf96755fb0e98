//! Texts that libcni reads and refuses.

use proptest::prelude::*;

use serde_json::Value;

use super::*;
use crate::range::Range;
use crate::version::Cni;

const LIST: &str = r#"{"cniVersion": "1.0.0", "name": "n", "plugins": [
    {"type": "bridge", "bridge": "br7", "ipam": {"type": "host-local", "ranges": [
        [{"subnet": "10.85.0.0/24"}], [{"subnet": "fd00::/120", "rangeStart": "fd00::10", "rangeEnd": "fd00::1f"}]]}},
    {"type": "portmap"}]}"#;

#[test]
fn network_lists_its_programs_and_ranges() {
    let network = parse(LIST, "conflist").unwrap();
    let programs: Vec<String> = network.programs().into_iter().map(|(name, at)| format!("{name} {at}")).collect();
    assert_eq!(programs, ["bridge plugins[0].type", "host-local plugins[0].ipam.type", "portmap plugins[1].type"]);
    let ranges = network.ranges();
    assert_eq!(ranges.iter().map(Range::capacity).collect::<Vec<_>>(), [253, 16], "without the gateway");
    assert_eq!(ranges[0].first.to_string() + "-" + &ranges[0].last.to_string(), "10.85.0.1-10.85.0.254");
    assert!(ranges[1].contains("fd00::10".parse().unwrap()) && !ranges[1].contains("fd00::9".parse().unwrap()));
    assert!(!ranges[1].contains("10.85.0.7".parse().unwrap()));
    assert_eq!((network.bridge(), network.leases()), (Some("br7"), PathBuf::from("/var/lib/cni/networks/n")));
}

#[test]
fn parse_reads_a_single_plugin() {
    let text = r#"{"name": "old", "type": "bridge", "ipam": {"type": "host-local", "subnet": "10.88.0.0/16",
        "dataDir": "/var/x"}}"#;
    let network = parse(text, "conf").unwrap();
    assert_eq!((network.version, network.plugins.len(), network.bridge()), (Cni::DEFAULT, 1, Some("cni0")));
    assert_eq!(network.ranges()[0].subnet.to_string(), "10.88.0.0/16");
    assert_eq!(network.leases(), PathBuf::from("/var/x/old"));
}

#[test]
fn parse_reports_what_libcni_refuses() {
    for (text, kind, want) in [
        ("", "conflist", "the file is empty"),
        ("[]", "conflist", "the file is not a JSON object"),
        ("\u{feff}{}", "conflist", "the file begins with a byte order mark, which is not valid JSON"),
        (
            "{\n\"name\": \"n\",,\n}",
            "conflist",
            "the file is not valid JSON: line 2, column 13: expected a key in double quotes",
        ),
        (
            r#"{"name": "n", "type": "x"}"#,
            "conflist",
            "a .conflist file must have a list of plugins, and this is a single plugin",
        ),
        (
            r#"{"name": "n", "plugins": [{"type": "x"}]}"#,
            "conf",
            "the file is a list of plugins, which is only read from a .conflist file",
        ),
        (r#"{"name": "n", "plugins": []}"#, "conflist", "plugins: expected a list with at least one plugin"),
        (r#"{"plugins": [{"type": "x"}]}"#, "conflist", "the network has no name"),
        (r#"{"name": 5, "plugins": [{"type": "x"}]}"#, "conflist", "name: expected a string, found 5"),
        (
            r#"{"name": "a b", "plugins": [{"type": "x"}]}"#,
            "conflist",
            "\"a b\" is not a valid network name: each pod fails",
        ),
        (
            r#"{"name": "../x", "plugins": [{"type": "x"}]}"#,
            "conflist",
            "\"../x\" is not a valid network name: each pod fails",
        ),
        (r#"{"name": "n", "plugins": {}}"#, "conflist", "plugins: expected a list with at least one plugin"),
        (r#"{"name": "n", "plugins": ["x"]}"#, "conflist", "plugins[0] is not a JSON object"),
        (r#"{"name": "n", "plugins": [{"type": 5}]}"#, "conflist", "plugins[0]: type is not a string"),
        (
            r#"{"name": "n", "plugins": [{"type": "x", "ipam": "dhcp"}]}"#,
            "conflist",
            "plugins[0]: ipam is not a JSON object",
        ),
        (
            r#"{"name": "n", "plugins": [{"type": "x", "capabilities": {"portMappings": "yes"}}]}"#,
            "conflist",
            "plugins[0]: a capability must be true or false",
        ),
        (
            r#"{"name": "n", "disableCheck": 1, "plugins": [{"type": "x"}]}"#,
            "conflist",
            "disableCheck: expected true or false, found 1",
        ),
        (
            r#"{"name": "n", "loadOnlyInlinedPlugins": true}"#,
            "conflist",
            "the network has no plugins, and loadOnlyInlinedPlugins is set",
        ),
        (
            r#"{"name": "n", "cniVersions": "1.0.0", "plugins": [{"type": "x"}]}"#,
            "conflist",
            "expected a list such as [\"0.4.0\", \"1.0.0\"]",
        ),
        (
            r#"{"name": "n", "cniVersions": ["1.0.0", 1], "plugins": [{"type": "x"}]}"#,
            "conflist",
            "expected a string such as \"1.0.0\", found 1",
        ),
        (r#"{"name": "n"}"#, "conf", "the plugin has no type"),
        (r#"{"name": "n", "plugins": [{"type": "x"}, {}]}"#, "conflist", "plugins[1] has no type"),
        (
            r#"{"name": "n", "cniVersion": "1", "plugins": [{"type": "x"}]}"#,
            "conflist",
            "\"1\" is not a CNI version: the versions are 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0",
        ),
        (
            r#"{"name": "n", "cniVersion": 1.0, "plugins": [{"type": "x"}]}"#,
            "conflist",
            "expected a string such as \"1.0.0\", found 1.0",
        ),
    ] {
        assert_eq!(parse(text, kind).unwrap_err().text, want, "{text}");
    }
    assert_eq!(parse("{\n,", "conf").unwrap_err().line, Some(2));
    let empty = parse(r#"{"name": "n", "cniVersion": "", "type": "x"}"#, "conf").unwrap();
    assert_eq!(empty.version, Cni::DEFAULT, "as if it were not set");
}

#[test]
fn version_is_the_highest_one_listed_that_libcni_supports() {
    for (said, version, single) in [
        (r#""cniVersion": "0.4.0", "cniVersions": ["0.4.0", "1.0.0"]"#, "1.0.0", "0.4.0"),
        (r#""cniVersions": ["1.1.0", "0.4.0", "1.0.0"]"#, "1.1.0", "0.1.0"),
        (r#""cniVersion": "1.0.0", "cniVersions": ["0.3.1"]"#, "1.0.0", "1.0.0"),
        (r#""cniVersion": "0.4.0", "cniVersions": ["9.0.0"]"#, "0.4.0", "0.4.0"),
        (r#""cniVersion": "0.4.0", "cniVersions": []"#, "0.4.0", "0.4.0"),
        (r#""cniVersion": "1.0.0", "cniVersions": ["0.5.0"]"#, "1.0.0", "1.0.0"),
    ] {
        let text = format!(r#"{{"name": "n", {said}, "plugins": [{{"type": "x"}}]}}"#);
        let network = parse(&text, "conflist").unwrap();
        let of = |newest: &str| network.version_for(newest.parse().unwrap()).to_string();
        assert_eq!((of("1.1.0"), of("1.0.0")), (version.to_owned(), single.to_owned()), "{said}");
        // A single plugin has no such list.
        let text = format!(r#"{{"name": "n", {said}, "type": "x"}}"#);
        assert_eq!(parse(&text, "conf").unwrap().version, single.parse().unwrap(), "{said}");
    }
}

#[test]
fn parse_refuses_versions_that_do_not_exist() {
    for (said, setting, nearest) in [
        (r#""cniVersion": "0.5.0""#, "cniVersion", "0.4.0"),
        (r#""cniVersion": "9.0.0""#, "cniVersion", "1.1.0"),
        (r#""cniVersion": "1.0""#, "cniVersion", "1.0.0"),
        (r#""cniVersion": "v1.0.0""#, "cniVersion", "1.0.0"),
        (r#""cniVersions": ["0.5.0"]"#, "cniVersions[0]", "0.4.0"),
        (r#""cniVersions": ["0.4.0", "1.0.1"]"#, "cniVersions[1]", "1.0.0"),
        (r#""cniVersions": ["0.4.0", "x"]"#, "cniVersions[1]", "1.1.0"),
    ] {
        let text = format!(r#"{{"name": "n", {said}, "plugins": [{{"type": "x"}}]}}"#);
        let error = parse(&text, "conflist").unwrap_err();
        assert_eq!(error.setting.as_deref(), Some(setting), "{said}");
        assert_eq!(error.hint, Some(format!("set the nearest, \"{nearest}\"")), "{said}");
    }
    let text = r#"{"name": "n", "cniVersions": ["1.0.0", "9.9.9"], "plugins": [{"type": "x"}]}"#;
    let network = parse(text, "conflist").unwrap();
    assert_eq!(network.ignored_versions, [("cniVersions[1]".to_owned(), "9.9.9".to_owned())]);
}

#[test]
fn network_without_a_name_has_the_name_of_its_file() {
    let network = parse(r#"{"type": "x"}"#, "10-x.conf").unwrap();
    assert_eq!((network.name.as_str(), network.is_named), ("10-x.conf", false));
    let network = parse(r#"{"name": "", "plugins": [{"type": "x"}]}"#, "10-y.conflist").unwrap();
    assert_eq!((network.name.as_str(), network.is_named), ("10-y.conflist", false));
    let network = parse(r#"{"name": "n", "disableCheck": "True", "plugins": [{"type": "x"}]}"#, "1.conflist").unwrap();
    assert_eq!((network.is_named, network.has_check), (true, false));
}

/// JSON of a network's keys and values, in valid and invalid places.
fn network() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        Just("bridge"),
        Just("host-local"),
        Just("1.0.0"),
        Just("9.9.9"),
        Just("10.85.0.0/16"),
        Just("fd00::/64"),
        Just("0.0.0.0/0"),
        Just("255.255.255.255/32"),
        Just("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"),
        Just("10.85.0.9"),
        Just("::"),
        Just("/var/x"),
        Just("true"),
        Just(""),
        Just("ä/..")
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        word.prop_map(Value::from)
    ];
    let key = prop_oneof![
        Just("name"),
        Just("type"),
        Just("cniVersion"),
        Just("cniVersions"),
        Just("plugins"),
        Just("ipam"),
        Just("ranges"),
        Just("subnet"),
        Just("rangeStart"),
        Just("rangeEnd"),
        Just("gateway"),
        Just("dataDir"),
        Just("bridge"),
        Just("capabilities"),
        Just("disableCheck"),
        Just("loadOnlyInlinedPlugins")
    ];
    let tree = leaf.prop_recursive(6, 48, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map(key.clone().prop_map(str::to_owned), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    // Half of them are complete networks, so that the later checks are reached.
    (tree.clone(), tree, any::<bool>()).prop_map(|(ipam, other, is_whole)| match (ipam, is_whole) {
        (Value::Object(mut ipam), true) => {
            ipam.insert("type".into(), "host-local".into());
            serde_json::json!({"name": "n", "plugins": [{"type": "bridge", "ipam": ipam}, {"type": "x", "bridge": other}]})
        }
        (_, _) => other,
    })
}

proptest! {
    #[test]
    fn parse_never_panics(text in ".*", kind in "conf|conflist") {
        parse(&text, &kind).ok();
    }

    #[test]
    fn network_methods_never_panic(network in network(), kind in "conf|conflist") {
        if let Ok(network) = parse(&network.to_string(), &kind) {
            for range in network.ranges() {
                range.capacity();
                range.contains(range.first);
            }
            network.leases();
            prop_assert!(!network.programs().is_empty() || network.plugins.is_empty());
            network.bridge();
            network.version_for(Cni::WITH_CHECK);
        }
    }
}
