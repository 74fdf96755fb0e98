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
fn a_configuration_is_filtered() {
    let ran = filter(EDGE, &["set", "modules.edgeStream.enable=true"]).expect(0);
    assert_eq!(ran.stdout, EDGE.replace("false", "true"));
    assert_eq!(filter(&ran.stdout, &["set", "modules.edgeStream.enable=true"]).expect(0).stdout, ran.stdout);
    assert_eq!(filter(EDGE, &["get", "modules.edgeStream.enable"]).expect(0).stdout, "false\n");
    let ran = filter(EDGE, &["-n", "set", "modules.edgeStream.enable=true"]).expect(3);
    assert!(ran.stdout.contains("modules.edgeStream.enable: false -> true"), "{}", ran.stdout);
}

#[test]
fn the_yaml_inside_a_configmap_is_edited_and_all_around_it_stays() {
    let ran = filter(CONFIGMAP, &["enable", "logs"]).expect(0);
    assert_eq!(ran.stdout, CONFIGMAP.replace("enable: false", "enable: true"));
    assert!(
        ran.stderr.contains("cloudcore will not start unless these are there: /etc/kubeedge/ca/streamCA.crt"),
        "{}",
        ran.stderr
    );
    let ran =
        filter(CONFIGMAP, &["set", "modules.cloudStream.streamPort=10013", "modules.router.enable=true"]).expect(0);
    let wanted = CONFIGMAP
        .replace("# no logs yet\n", "# no logs yet\n        streamPort: 10013\n      router:\n        enable: true\n");
    assert_eq!(ran.stdout, wanted);
    let quoted = CONFIGMAP.replace(
        "  cloudcore.yaml: |\n",
        "  cloudcore.yaml: \"kind: CloudCore\\nmodules:\\n  router:\\n    enable: false\\n\"\n",
    );
    let quoted: String =
        quoted.lines().filter(|line| !line.starts_with("    ")).map(|line| format!("{line}\n")).collect();
    let ran = filter(&quoted, &["set", "modules.router.enable=true"]).expect(0);
    assert_eq!(ran.stdout, quoted.replace("false", "true"));
}

#[test]
fn a_failing_filter_prints_nothing() {
    for (input, args, code, message) in [
        ("", &["enable", "logs"] as &[&str], 1, "cannot edit standard input: it is empty"),
        ("kind: Pod\n", &["set", "a=1"], 4, "its kind is neither EdgeCore nor CloudCore"),
        (
            "kind: ConfigMap\ndata: {x: y}\n",
            &["enable", "logs"],
            1,
            "its data holds neither cloudcore.yaml nor edgecore.yaml",
        ),
        (EDGE, &["set", "edgeStream.enable=true"], 4, "edgecore ignores it there"),
        (EDGE, &["set", "-"], 2, "cannot read standard input twice"),
        (EDGE, &["enable", "crio", "-"], 2, "cannot read standard input twice"),
        (EDGE, &["set", "--restart", "modules.edgeStream.enable=true"], 2, "cannot use --restart here"),
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
fn the_version_is_found_in_the_file() {
    let text = format!("edgecoreVersion: v1.23.1\n{EDGE}");
    let ran = filter(&text, &["set", "modules.edged.cgroupDriver=systemd"]).expect(4);
    assert!(ran.stderr.contains("edgecore 1.23 does not have it any more"), "{}", ran.stderr);
    let ran = filter(EDGE, &["set", "modules.edgeStream.enable=true"]).expect(0);
    assert!(ran.stderr.contains("the KubeEdge version is unknown: checked against all"), "{}", ran.stderr);
}
