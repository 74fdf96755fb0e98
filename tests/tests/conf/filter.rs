//! `--file -`: from standard input to standard output, configurations and ConfigMaps.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::tool::{Ran, Tool};

const EDGE: &str = "kind: EdgeCore\nmodules:\n  edgeStream: # here\n    enable: false\n";
const CONFIGMAP: &str = "\
apiVersion: v1
data:
  cloudcore.yaml: |
    apiVersion: cloudcore.config.kubeedge.io/v1alpha2
    kind: CloudCore
    modules:
      cloudStream:
        enable: false # no logs yet
kind: ConfigMap
metadata:
  name: cloudcore # not the settings' name
  namespace: kubeedge
";

fn filter(input: &str, args: &[&str]) -> Ran {
    Tool::new("edge-conf").args(["--file", "-"]).args(args).stdin(input).run()
}

#[test]
fn configuration_is_filtered() {
    let ran = filter(EDGE, &["set", "modules.edgeStream.enable=true"]).expect(0);
    assert_eq!(ran.stdout, EDGE.replace("false", "true"));
    assert_eq!(filter(&ran.stdout, &["set", "modules.edgeStream.enable=true"]).expect(0).stdout, ran.stdout);
    assert_eq!(filter(EDGE, &["get", "modules.edgeStream.enable"]).expect(0).stdout, "false\n");
    let ran = filter(EDGE, &["-n", "set", "modules.edgeStream.enable=true"]).expect(3);
    assert!(ran.stdout.contains("modules.edgeStream.enable: false -> true"), "{}", ran.stdout);
}

#[test]
fn configmap_is_edited_only_in_its_entry() {
    let ran = filter(CONFIGMAP, &["enable", "logs"]).expect(0);
    assert_eq!(ran.stdout, CONFIGMAP.replace("enable: false", "enable: true"));
    assert!(
        ran.stderr.contains("cloudcore does not start without these files: /etc/kubeedge/ca/streamCA.crt"),
        "{}",
        ran.stderr
    );
    let ran =
        filter(CONFIGMAP, &["set", "modules.cloudStream.streamPort=10013", "modules.router.enable=true"]).expect(0);
    let expected = CONFIGMAP
        .replace("# no logs yet\n", "# no logs yet\n        streamPort: 10013\n      router:\n        enable: true\n");
    assert_eq!(ran.stdout, expected);
    let quoted = CONFIGMAP.replace(
        "  cloudcore.yaml: |\n",
        "  cloudcore.yaml: \"kind: CloudCore\\nmodules:\\n  router:\\n    enable: false\\n\"\n",
    );
    let quoted: String =
        quoted.lines().filter(|line| !line.starts_with("    ")).map(|line| format!("{line}\n")).collect();
    let ran = filter(&quoted, &["set", "modules.router.enable=true"]).expect(0);
    assert_eq!(ran.stdout, quoted.replace("false", "true"));
}

/// The ConfigMap with another text of its entry.
fn with_entry(entry: &str) -> String {
    let rest: Vec<&str> = CONFIGMAP.split_inclusive('\n').filter(|line| !line.starts_with("  ")).collect();
    rest.concat().replace("\ndata:\n", &format!("\ndata:\n  cloudcore.yaml: {entry}\n"))
}

#[test]
fn configmap_entry_may_have_any_form() {
    let set = |input: &str| filter(input, &["set", "modules.cloudStream.enable=true"]);
    let crlf = CONFIGMAP.replace('\n', "\r\n");
    assert_eq!(set(&crlf).expect(0).stdout, crlf.replace("false", "true"));
    let trailing = CONFIGMAP.replace("# no logs yet", "   ");
    assert_eq!(set(&trailing).expect(0).stdout, trailing.replace("false", "true"));
    let body = "kind: CloudCore\n    modules:\n      cloudStream: {enable: false}";
    for header in ["|", "|-", "|+", "|2-"] {
        let input = with_entry(&format!("{header}\n    {body}"));
        // The header is written in its shortest form.
        let header = header.replace(['2', '+'], "");
        let want = with_entry(&format!("{header}\n    {}", body.replace("false", "true")));
        assert_eq!(set(&input).expect(0).stdout, want);
    }
    let json = r#"{"kind": "ConfigMap", "data": {"cloudcore.yaml": "kind: CloudCore\nmodules:\n  cloudStream:\n    enable: false   \n"}}"#;
    assert_eq!(set(json).expect(0).stdout, json.replace("false", "true"));
    // Nothing to change: not a byte differs.
    assert_eq!(filter(&crlf, &["set", "modules.cloudStream.enable=false"]).expect(0).stdout, crlf);
}

#[test]
fn configmap_error_names_the_entry() {
    let set = |input: &str| filter(input, &["set", "modules.cloudStream.enable=true"]);
    for (input, code, message) in [
        (
            with_entry("|\n    modules: [\n"),
            1,
            r#"standard input, data."cloudcore.yaml": not valid YAML at line 1, column 10: a value is missing after "[""#,
        ),
        (
            with_entry("|\n    kind: CloudCore\n    kind: CloudCore\n"),
            4,
            r#"standard input, data."cloudcore.yaml": line 1, column 1: the key kind is set more than once"#,
        ),
        (
            format!("kind: List\nitems:\n- {}", CONFIGMAP.replace('\n', "\n  ")),
            1,
            "cannot edit a List: expected a single ConfigMap\nhint: get that of cloudcore: kubectl get configmap",
        ),
        ("kind: ConfigMap\ndata:\n".to_owned(), 1, "its data has neither cloudcore.yaml nor edgecore.yaml\nhint: "),
        (
            CONFIGMAP.replace("\ndata:\n", "\ndata:\n  edgecore.yaml: 'kind: EdgeCore'\n"),
            4,
            "its data has more than one configuration",
        ),
        (
            format!("{CONFIGMAP}# {}", "ü".repeat(1 << 19)),
            4,
            "cannot use standard input: it is larger than 1048576 bytes",
        ),
    ] {
        let ran = set(&input).expect(code);
        assert!(ran.stderr.contains(message), "{}", ran.stderr);
        assert_eq!(ran.stdout, "");
    }
    let ran = set(&format!("{CONFIGMAP}---\n{CONFIGMAP}")).expect(0);
    assert!(
        ran.stderr.contains("note: the file has more than one document: only the first is edited"),
        "{}",
        ran.stderr
    );
}

#[test]
fn filter_feeds_a_filter() {
    let first = filter(EDGE, &["set", "modules.edgeHub.heartbeat=20"]).expect(0);
    let second = filter(&first.stdout, &["unset", "modules.edgeHub"]).expect(0);
    assert_eq!(second.stdout, EDGE);
}

#[test]
fn filter_that_fails_prints_nothing() {
    for (input, args, code, message) in [
        ("", &["enable", "logs"] as &[&str], 1, "cannot use standard input: it is empty"),
        ("kind: Pod\n", &["set", "a=1"], 4, "its kind is neither EdgeCore nor CloudCore"),
        (
            "kind: ConfigMap\ndata: {x: y}\n",
            &["enable", "logs"],
            1,
            "its data has neither cloudcore.yaml nor edgecore.yaml",
        ),
        (EDGE, &["set", "edgeStream.enable=true"], 4, "edgecore ignores it there"),
        (EDGE, &["set", "-"], 2, "cannot read standard input twice"),
        (EDGE, &["enable", "crio", "-"], 2, "cannot read standard input twice"),
        (
            EDGE,
            &["set", "--restart", "modules.edgeStream.enable=true"],
            2,
            "cannot use --restart with --root or --file -",
        ),
        ("kind: EdgeCore\nmodules: [\n", &["set", "modules.edgeStream.enable=true"], 1, "not valid YAML"),
    ] {
        let ran = filter(input, args).expect(code);
        assert_eq!(ran.stdout, "", "{args:?}");
        assert!(ran.stderr.contains(message), "{args:?}: {}", ran.stderr);
    }
    let ran = filter(EDGE, &["--json", "set", "modules.edgeStream.enable=true"]).expect(2);
    assert!(ran.stderr.contains("cannot use --json with --file -"), "{}", ran.stderr);
}

#[test]
fn filter_uses_the_version_in_the_file() {
    let text = format!("edgecoreVersion: v1.23.1\n{EDGE}");
    let ran = filter(&text, &["set", "modules.edged.cgroupDriver=systemd"]).expect(4);
    assert!(ran.stderr.contains("edgecore 1.23 does not have it: it was removed"), "{}", ran.stderr);
    let ran = filter(EDGE, &["set", "modules.edgeStream.enable=true"]).expect(0);
    assert!(ran.stderr.contains("the KubeEdge version is unknown: checked against all"), "{}", ran.stderr);
}
