//! Input that is not a manifest, or cannot be edited safely: nothing is printed on standard output.

use edgeutils_tests::tool::Tool;
use edgeutils_tests::tree::Tree;

use super::shapes::{FLANNEL, filter};

#[track_caller]
fn fails(input: &str, code: i32, message: &str) {
    for args in ["keep-off-edge", "keep-off-edge -n", "check"] {
        let ran = filter(input, args).expect(code);
        assert_eq!(ran.stdout, "", "{args}");
        assert!(ran.stderr.contains(message), "{args}: {}", ran.stderr);
    }
}

#[test]
fn input_that_is_not_a_manifest_is_an_error() {
    let curl = "\nhint: check the command before the pipe; curl needs -f to fail on an error page: curl -fsSL URL\n";
    for (input, message) in [
        ("", "cannot use standard input: it is empty"),
        (" \n\n", "cannot use standard input: it is empty"),
        ("# nothing\n---\n# more\n", "cannot use standard input: it has no Kubernetes object"),
        (
            "<!DOCTYPE html>\n<html><body>404</body></html>\n",
            "cannot use standard input: it is HTML or XML, not a manifest",
        ),
        (
            "404: Not Found\n",
            "cannot use standard input: line 1: it is not a Kubernetes object: apiVersion and kind are missing",
        ),
        ("replicas: 1\nimage: nginx\n", "cannot use standard input: line 1: it is not a Kubernetes object"),
    ] {
        fails(input, 1, &format!("edge-manifest: {message}"));
        fails(input, 1, curl);
    }
    fails(&format!("{FLANNEL}---\nfoo\n"), 1, "cannot use standard input: line 70: it is not a Kubernetes object");
}

#[test]
fn cut_off_input_is_an_error() {
    let cut = |at: &str| &FLANNEL[..FLANNEL.rfind(at).unwrap() + at.len()];
    fails(cut("      volumes:"), 1, "cannot use standard input: it ends in the middle of line 66");
    fails(
        cut("      containers:\n"),
        1,
        "line 28: DaemonSet kube-flannel/kube-flannel-ds has no containers in spec.template.spec",
    );
    fails(
        cut("spec:\n  selector:\n"),
        1,
        "DaemonSet kube-flannel/kube-flannel-ds has no containers in spec.template.spec\nhint: check that the input is complete\n",
    );
    fails(
        "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: n\n  labels: # none\n\n",
        1,
        "cannot use standard input: it ends with line 5, which has no value\nhint: check that the input is complete; write null there if the value is empty on purpose\n",
    );
    fails(
        cut("          mountPath: /etc/kube-flannel/\n"),
        1,
        "line 28: DaemonSet kube-flannel/kube-flannel-ds: a container mounts the volume cfg, which the pod does not have",
    );
    fails(
        cut("kind: DaemonSet\n"),
        1,
        "line 28: DaemonSet has no metadata.name\nhint: check that the input is complete\n",
    );
    fails(cut("        args: [\"--ip-masq"), 1, "cannot parse standard input: not valid YAML at line ");
    let json = "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [{\"apiVersion\": \"v1\", \"kind\": \"Pod\"}";
    fails(json, 1, "cannot parse standard input: not valid YAML at line 1");
}

#[test]
fn input_that_cannot_be_edited_safely_is_refused() {
    let with = |from: &str, to: &str| FLANNEL.replacen(from, to, 1);
    fails(
        &with("---\napiVersion: apps/v1", "--- {}\napiVersion: apps/v1"),
        4,
        "cannot parse standard input: line 28, column 5: content after \"---\" on the same line is not read by every program; begin it on the next line",
    );
    fails(
        &with("  name: kube-flannel-ds", "  name: {{ .Values.name }}"),
        4,
        "a Go template ({{ … }}); render it first and edit the result\nhint: render the chart first: helm template NAME CHART | edge-manifest VERB\n",
    );
    fails(&with("kind: DaemonSet", "kind: DaemonSet\u{0}"), 4, "the character U+0000 is not allowed");
    let anchor = with("            - matchExpressions:", "            - &t\n              matchExpressions:").replacen(
        "      hostNetwork",
        "      x: [*t]\n      hostNetwork",
        1,
    );
    let ran = filter(&anchor, "keep-off-edge").expect(4);
    assert!(
        ran.stdout.is_empty()
            && ran.stderr.contains("cannot edit standard input: line 50, column 15: an alias refers to this value"),
        "{}",
        ran.stderr
    );
    let twice = with("      hostNetwork: true", "      hostNetwork: true\n      hostNetwork: true");
    let ran = filter(&twice, "keep-off-edge").expect(4);
    assert!(
        ran.stdout.is_empty()
            && ran.stderr.contains(
                "the key spec.template.spec.hostNetwork is set more than once (line 54, column 7; line 55, column 7)"
            ),
        "{}",
        ran.stderr
    );
}

#[test]
fn binary_and_large_input_is_refused() {
    for bytes in [
        b"apiVersion: v1\nkind: \xff\n".to_vec(),
        vec![0x1f, 0x8b, 8, 0],
        b"a\0p\0".iter().chain(b"\xfe").copied().collect(),
    ] {
        let ran = Tool::new("edge-manifest").arg("check").stdin(bytes).run().expect(4);
        assert!(ran.stdout.is_empty() && ran.stderr.contains("is not UTF-8 text"), "{}", ran.stderr);
    }
    let large = vec![b'#'; (64 << 20) + 1];
    let ran = Tool::new("edge-manifest").arg("keep-off-edge").stdin(large).run().expect(4);
    assert!(
        ran.stdout.is_empty()
            && ran
                .stderr
                .contains("cannot use standard input: it is larger than 64 MiB\nhint: pass fewer objects at a time"),
        "{}",
        ran.stderr
    );
    let document = format!("apiVersion: v1\nkind: ConfigMap\ndata:\n  a: {}\n", "x".repeat(1 << 20));
    let ran = filter(&document, "keep-off-edge").expect(4);
    assert!(ran.stdout.is_empty() && ran.stderr.contains("and at most 1048576 can be edited"), "{}", ran.stderr);
}

#[test]
fn file_is_read_by_name() {
    let tree = Tree::with(&[("m.yaml", FLANNEL)]);
    let path = tree.at("m.yaml");
    let run = |file: &std::path::Path| Tool::new("edge-manifest").arg("keep-off-edge").arg(file).run();
    assert_eq!(run(&path).expect(0).stdout, filter(FLANNEL, "keep-off-edge").stdout);
    assert_eq!(tree.read("m.yaml"), FLANNEL, "the file stays");
    let ran = run(&tree.at("none.yaml")).expect(1);
    assert!(
        ran.stderr.starts_with("edge-manifest: cannot read ")
            && ran.stderr.contains("none.yaml: No such file or directory"),
        "{}",
        ran.stderr
    );
    let ran = run(tree.path()).expect(1);
    assert!(ran.stderr.contains("Is a directory"), "{}", ran.stderr);
}
