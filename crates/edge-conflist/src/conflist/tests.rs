//! Texts that a runtime reads, and those that it does not.

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
fn a_list_names_its_programs_and_its_ranges() {
    let network = parse(LIST, "conflist").unwrap();
    let programs: Vec<String> = network.programs().into_iter().map(|(name, at)| format!("{name} {at}")).collect();
    assert_eq!(programs, ["bridge plugins[0].type", "host-local plugins[0].ipam.type", "portmap plugins[1].type"]);
    let ranges = network.ranges();
    assert_eq!(ranges.iter().map(Range::capacity).collect::<Vec<_>>(), [253, 16], "without the gateway");
    assert_eq!(ranges[0].first.to_string() + "-" + &ranges[0].last.to_string(), "10.85.0.1-10.85.0.254");
    assert!(ranges[1].holds("fd00::10".parse().unwrap()) && !ranges[1].holds("fd00::9".parse().unwrap()));
    assert!(!ranges[1].holds("10.85.0.7".parse().unwrap()));
    assert_eq!((network.bridge(), network.leases()), (Some("br7"), PathBuf::from("/var/lib/cni/networks/n")));
}

#[test]
fn a_single_plugin_of_old_is_read_too() {
    let text = r#"{"name": "old", "type": "bridge", "ipam": {"type": "host-local", "subnet": "10.88.0.5/16",
        "dataDir": "/var/x"}}"#;
    let network = parse(text, "conf").unwrap();
    assert_eq!((network.version, network.plugins.len(), network.bridge()), (Cni::UNSAID, 1, Some("cni0")));
    assert_eq!(network.ranges()[0].subnet.to_string(), "10.88.0.0/16");
    assert_eq!(network.leases(), PathBuf::from("/var/x/old"));
}

#[test]
fn what_a_runtime_does_not_read_is_told() {
    for (text, kind, want) in [
        ("", "conflist", "it is empty"),
        ("[]", "conflist", "it is no JSON object"),
        ("{\n\"name\": \"n\",,\n}", "conflist", "it is no JSON: key must be a string at line 2 column 13"),
        (r#"{"name": "n", "type": "x"}"#, "conflist", "it holds a single plugin, and a .conflist is read as a list"),
        (
            r#"{"name": "n", "plugins": [{"type": "x"}]}"#,
            "conf",
            "it holds a list of plugins, and only a .conflist is read as a list",
        ),
        (r#"{"name": "n", "plugins": []}"#, "conflist", "plugins is no list, or an empty one"),
        (r#"{"plugins": [{"type": "x"}]}"#, "conflist", "it has no name"),
        (r#"{"name": 5, "plugins": [{"type": "x"}]}"#, "conflist", "name: 5 is no text"),
        (r#"{"name": "a b", "plugins": [{"type": "x"}]}"#, "conflist", "its name \"a b\" is refused when a pod comes"),
        (
            r#"{"name": "../x", "plugins": [{"type": "x"}]}"#,
            "conflist",
            "its name \"../x\" is refused when a pod comes",
        ),
        (r#"{"name": "n", "plugins": {}}"#, "conflist", "plugins is no list, or an empty one"),
        (r#"{"name": "n", "plugins": ["x"]}"#, "conflist", "plugins[0] is no JSON object"),
        (r#"{"name": "n", "plugins": [{"type": 5}]}"#, "conflist", "plugins[0]: type is no text"),
        (
            r#"{"name": "n", "plugins": [{"type": "x", "ipam": "dhcp"}]}"#,
            "conflist",
            "plugins[0]: ipam is no JSON object",
        ),
        (
            r#"{"name": "n", "plugins": [{"type": "x", "capabilities": {"portMappings": "yes"}}]}"#,
            "conflist",
            "plugins[0]: a capability is neither true nor false",
        ),
        (
            r#"{"name": "n", "disableCheck": 1, "plugins": [{"type": "x"}]}"#,
            "conflist",
            "disableCheck: 1 is neither true nor false",
        ),
        (
            r#"{"name": "n", "loadOnlyInlinedPlugins": true}"#,
            "conflist",
            "it has no plugins, and loadOnlyInlinedPlugins",
        ),
        (
            r#"{"name": "n", "cniVersions": "1.0.0", "plugins": [{"type": "x"}]}"#,
            "conflist",
            "cniVersions is no list, such as [\"0.4.0\", \"1.0.0\"]",
        ),
        (
            r#"{"name": "n", "cniVersions": ["1.0.0", 1], "plugins": [{"type": "x"}]}"#,
            "conflist",
            "cniVersions[1]: 1 is no text, such as \"1.0.0\"",
        ),
        (r#"{"name": "n"}"#, "conf", "it has no type"),
        (r#"{"name": "n", "plugins": [{"type": "x"}, {}]}"#, "conflist", "plugins[1] has no type"),
        (
            r#"{"name": "n", "cniVersion": "1", "plugins": [{"type": "x"}]}"#,
            "conflist",
            "cniVersion: \"1\" is no version of CNI, such as 1.0.0",
        ),
        (
            r#"{"name": "n", "cniVersion": 1.0, "plugins": [{"type": "x"}]}"#,
            "conflist",
            "cniVersion: 1.0 is no text, such as \"1.0.0\"",
        ),
    ] {
        assert_eq!(parse(text, kind).unwrap_err().text, want, "{text}");
    }
    assert_eq!(parse("{\n,", "conf").unwrap_err().line, Some(2));
    let empty = parse(r#"{"name": "n", "cniVersion": "", "type": "x"}"#, "conf").unwrap();
    assert_eq!(empty.version, Cni::UNSAID, "libcni takes it for none");
}

#[test]
fn the_highest_listed_version_that_libcni_knows_counts() {
    for (said, version, single) in [
        (r#""cniVersion": "0.4.0", "cniVersions": ["0.4.0", "1.0.0"]"#, "1.0.0", "0.4.0"),
        (r#""cniVersions": ["1.1.0", "0.4.0", "1.0.0"]"#, "1.1.0", "0.1.0"),
        (r#""cniVersion": "1.0.0", "cniVersions": ["0.3.1"]"#, "1.0.0", "1.0.0"),
        (r#""cniVersion": "0.4.0", "cniVersions": ["9.0.0"]"#, "0.4.0", "0.4.0"),
        (r#""cniVersion": "0.4.0", "cniVersions": []"#, "0.4.0", "0.4.0"),
        (r#""cniVersion": "9.0.0""#, "9.0.0", "9.0.0"),
    ] {
        let text = format!(r#"{{"name": "n", {said}, "plugins": [{{"type": "x"}}]}}"#);
        let network = parse(&text, "conflist").unwrap();
        let of = |reads: &str| network.version_for(reads.parse().unwrap()).to_string();
        assert_eq!((of("1.1.0"), of("1.0.0")), (version.to_owned(), single.to_owned()), "{said}");
        // A single plugin has no such list.
        let text = format!(r#"{{"name": "n", {said}, "type": "x"}}"#);
        assert_eq!(parse(&text, "conf").unwrap().version, single.parse().unwrap(), "{said}");
    }
}

#[test]
fn a_network_without_a_name_has_its_files() {
    let network = parse(r#"{"type": "x"}"#, "10-x.conf").unwrap();
    assert_eq!((network.name.as_str(), network.is_named), ("10-x.conf", false));
    let network = parse(r#"{"name": "", "plugins": [{"type": "x"}]}"#, "10-y.conflist").unwrap();
    assert_eq!((network.name.as_str(), network.is_named), ("10-y.conflist", false));
    let network = parse(r#"{"name": "n", "disableCheck": "True", "plugins": [{"type": "x"}]}"#, "1.conflist").unwrap();
    assert_eq!((network.is_named, network.has_check), (true, false));
}

/// JSON of the words that networks are made of, in places where they belong and where they do not.
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
    // Half of them with all that a network needs, so that what is behind is reached.
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
    fn no_text_breaks_the_reader(text in ".*", kind in "conf|conflist") {
        parse(&text, &kind).ok();
    }

    #[test]
    fn no_network_breaks_what_asks_it(network in network(), kind in "conf|conflist") {
        if let Ok(network) = parse(&network.to_string(), &kind) {
            for range in network.ranges() {
                range.capacity();
                range.holds(range.first);
            }
            network.leases();
            prop_assert!(!network.programs().is_empty() || network.plugins.is_empty());
            network.bridge();
            network.version_for(Cni::WITH_CHECK);
        }
    }
}
