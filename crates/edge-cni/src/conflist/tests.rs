//! Texts that a runtime reads, and those that it does not.

use super::*;

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
        (r#"{"name": "n"}"#, "conflist", "it has no plugins"),
        (r#"{"plugins": [{"type": "x"}]}"#, "conflist", "it has no name"),
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
fn subnets_overlap_where_one_holds_the_other() {
    let of = |text: &str| text.parse::<IpNet>().unwrap();
    assert!(overlap(of("10.0.0.0/8"), of("10.85.0.0/16")) && overlap(of("10.85.0.0/16"), of("10.0.0.0/8")));
    assert!(!overlap(of("10.84.0.0/16"), of("10.85.0.0/16")) && !overlap(of("::/0"), of("10.85.0.0/16")));
}

proptest::proptest! {
    #[test]
    fn no_text_breaks_the_reader(text in ".*", kind in "conf|conflist") {
        if let Ok(network) = parse(&text, &kind) {
            network.ranges();
        }
    }

    #[test]
    fn no_range_breaks_the_sums(first in "[0-9a-f.:]{0,12}", last in "[0-9a-f.:]{0,12}", prefix in 0u8..=32) {
        let value = serde_json::json!({"subnet": format!("10.0.0.0/{prefix}"), "rangeStart": first, "rangeEnd": last});
        Range::parse(&value).map(|range| range.capacity());
        let value = serde_json::json!({"subnet": format!("fd00::/{}", prefix * 4), "rangeStart": first});
        Range::parse(&value).map(|range| range.capacity());
    }
}
