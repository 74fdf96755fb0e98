//! `edge-manifest` on a manifest of calico's size, nearly all of it definitions of custom resources.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;

use super::case::{Case, Limit};
use super::measure::{Measure, Program};
use crate::workspace::write;

/// The length of the longest calico.yaml (v3.24 to v3.32 have 235 to 542 KB).
const LENGTH: usize = 600_000;
/// The same edit of the same documents with jq's language.
const YQ: &str = r#"if .kind == "DaemonSet" then
.spec.template.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms
|= ((. // [{}]) | map(.matchExpressions += [{"key": "node-role.kubernetes.io/edge", "operator": "DoesNotExist"}]))
else . end"#;

/// The edit as a filter, against yq and by itself.
pub(super) fn all(bin: &Path, scratch: &Path) -> Result<[Case; 3]> {
    let file = scratch.join("calico.yaml");
    write(&file, sample())?;
    let (program, file) = (bin.join("edge-manifest"), file.to_string_lossy().into_owned());
    let program = program.to_string_lossy().into_owned();
    let edgeutils = Program::new("edge-manifest", &[program.as_str(), "keep-off-edge", &file]);
    let yq = Program::new("yq", &["yq", "-y", YQ, &file]);
    let name = "edge-manifest keep-off-edge, 600 KB";
    Ok([
        Case::new(name, (&edgeutils, &yq), Measure::Cpu, Limit::Times(0.2), 11),
        Case::new(name, (&edgeutils, &Program::nothing()), Measure::Cpu, Limit::Millis(100.0), 51),
        Case::new(name, (&edgeutils, &Program::nothing()), Measure::Memory, Limit::MiB(24.0), 5),
    ])
}

/// A ConfigMap, definitions of custom resources, and the DaemonSet.
fn sample() -> String {
    let mut text = String::from(
        "kind: ConfigMap\napiVersion: v1\nmetadata:\n  name: calico-config\n  namespace: kube-system\ndata:\n  calico_backend: \"bird\"\n",
    );
    let mut number = 0;
    while text.len() < LENGTH {
        number += 1;
        definition(&mut text, number);
    }
    text.push_str(
        "---\nkind: DaemonSet\napiVersion: apps/v1\nmetadata:\n  name: calico-node\n  namespace: kube-system\nspec:\n  selector:\n    matchLabels:\n      k8s-app: calico-node\n  template:\n    metadata:\n      labels:\n        k8s-app: calico-node\n    spec:\n      nodeSelector:\n        kubernetes.io/os: linux\n      hostNetwork: true\n      containers:\n        - name: calico-node\n          image: registry.example.com/calico/node:v3.32.1\n          env:\n            - name: CALICO_IPV4POOL_IPIP\n              value: \"Always\"\n",
    );
    text
}

/// A definition of about 20 KB: nested properties with descriptions over several lines.
fn definition(text: &mut String, number: usize) {
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: things{number}.crd.example.com\nspec:\n  group: crd.example.com\n  names:\n    kind: Thing{number}\n    listKind: Thing{number}List\n    plural: things{number}\n    singular: thing{number}\n  scope: Cluster\n  versions:\n    - name: v1\n      schema:\n        openAPIV3Schema:\n          properties:\n            spec:\n              properties:\n"
    );
    for property in 0..30 {
        let _ = write!(
            text,
            "                property{property}:\n                  description: |-\n                    The property of this number in a definition of a custom\n                    resource, which is described over several lines\n                    [Default: {property}]\n                  items:\n                    properties:\n                      port:\n                        anyOf:\n                          - type: integer\n                          - type: string\n                        pattern: ^.*\n                        x-kubernetes-int-or-string: true\n                    type: object\n                  type: array\n"
        );
    }
    text.push_str("                type: object\n            type: object\n      served: true\n      storage: true\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sample_has_the_size_of_calico_and_one_daemon_set() {
        let text = sample();
        assert!((LENGTH..LENGTH + 40_000).contains(&text.len()), "{}", text.len());
        let kinds = text.lines().filter(|line| line.starts_with("kind: "));
        assert_eq!(kinds.clone().filter(|line| line.ends_with("DaemonSet")).count(), 1);
        assert!(kinds.count() > 20);
    }
}
