//! One case for each result.

use super::*;
use proptest::prelude::*;

/// A path as typed here: dots part the steps, `[` begins an index.
fn steps(path: &str) -> Vec<String> {
    path.split('.')
        .flat_map(|part| match part.find('[') {
            Some(at) => vec![part[..at].to_owned(), part[at..].to_owned()],
            None => vec![part.to_owned()],
        })
        .collect()
}

fn describe(kind: Kind, path: &str, version: u16) -> String {
    let steps = steps(path);
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    let version = (version > 0).then(|| Minor::new(version));
    match Table::of(kind).lookup(&steps, version) {
        Lookup::Known(found) => format!("{} is {} ({})", found.text(), found.ty, found.versions()),
        Lookup::Dead { found, by } => format!("{} dead by {by}", found.text()),
        Lookup::WrongPlace { belongs } => format!("belongs at {belongs}"),
        Lookup::WrongKind { kind, path } => format!("{} {path}", kind.file_name()),
        Lookup::NotYet { path, first, instead } => format!("{path} from {first}, {instead:?}"),
        Lookup::Gone { path, last, now } => format!("{path} until {last}, {now:?}"),
        Lookup::Unknown { closest } => format!("unknown, {closest:?}"),
    }
}

#[test]
fn paths_in_edgecore() {
    let cases = [
        ("modules.edgeStream.enable", 8),
        ("Modules.EDGESTREAM.Enable", 0),
        ("edgeStream.enable", 8),
        ("edgeStream", 8),
        ("websocket.server", 8),
        ("cloudStream.enable", 8),
        ("modules.dynamicController.enable", 8),
        ("modules.edgeHub.websocket.sever", 8),
        ("modules.edgeHubb.enable", 8),
        ("modules.edgeHub.nonsense", 8),
        ("modules.edged.containerRuntimeEndpoint", 18),
        ("modules.edged.cgroupDriver", 11),
        ("modules.edged.cgroupDriver", 12),
        ("modules.edged.cgroupDriver", 0),
        ("modules.edged.tailoredKubeletConfig.cgroupDriver", 11),
        ("modules.edged.tailoredKubeletConfig.containerRuntimeEndpoint", 15),
        ("modules.edged.tailoredKubeletConfig.registerNode", 12),
        ("modules.edged.remoteRuntimeEndpoint", 15),
        ("modules.edged.remoteRuntimeEndpoint", 16),
        ("modules.edged.remoteRuntimeEndpoint", 18),
        ("modules.edged.clusterDNS", 8),
        ("modules.edged.tailoredKubeletConfig.clusterDNS", 12),
        ("modules.edged.tailoredKubeletConfig.clusterDNS[0]", 12),
        ("modules.edged.tailoredKubeletConfig.clusterDNS.x", 12),
        ("modules.edged.tailoredKubeletConfig.evictionHard.memory", 12),
        ("modules.edged.tailoredKubeletConfig.registerWithTaints[0].key", 13),
        ("modules.edged.tailoredKubeletConfig.registerWithTaints[1]", 13),
        ("modules.edged.tailoredKubeletConfig.staticPodPath", 13),
        ("modules.edged.taints", 18),
        ("modules.edgeMesh.enable", 7),
        ("modules.edgeMesh.enable", 8),
        ("modules.edgeMesh", 8),
        ("modules.edged.imagePullProgressDeadline", 0),
        ("edgecoreVersion", 30),
        ("modules.edgeHub.heartbeat", 1),
        ("enable", 8),
        ("", 8),
    ];
    let lines: Vec<String> = cases
        .iter()
        .map(|(path, version)| format!("{version:>2} {path}: {}", describe(Kind::EdgeCore, path, *version)))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn paths_in_cloudcore() {
    let cases = [
        ("cloudStream.enable", 8),
        ("modules.cloudHub.advertiseAddress[0]", 8),
        ("modules.cloudHub.advertiseAddress", 8),
        ("modules.cloudHub.authorization.modes[0].node.enable", 18),
        ("modules.metaManager.metaServer.enable", 8),
        ("modules.nodeUpgradeJobController.enable", 16),
        ("modules.taskManager.enable", 12),
        ("modules.iptablesManager.mode", 8),
        ("modules.cloudhub.dnsnames", 8),
    ];
    let lines: Vec<String> = cases
        .iter()
        .map(|(path, version)| format!("{version:>2} {path}: {}", describe(Kind::CloudCore, path, *version)))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn lookup_finds_every_row() {
    for kind in [Kind::EdgeCore, Kind::CloudCore] {
        let table = Table::of(kind);
        for key in table.keys() {
            let path = key.path.replace("[]", "[0]");
            let steps = steps(&path);
            let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
            match table.lookup(&steps, Some(key.first)) {
                Lookup::Known(found) | Lookup::Dead { found, .. } => {
                    assert_eq!(found.key, key);
                    assert_eq!(found.text(), path);
                }
                other => panic!("{path}: {other:?}"),
            }
        }
    }
}

#[test]
fn lookup_without_a_version_accepts_every_type_of_the_key() {
    let path = ["modules", "edged", "imagePullProgressDeadline"];
    let Lookup::Known(found) = Table::of(Kind::EdgeCore).lookup(&path, None) else { panic!() };
    assert_eq!(found.typed("60"), Ok(Value::from(60)));
    assert_eq!(found.typed("1m"), Ok(Value::from("1m")));
    assert!(found.typed("soon").is_err());
}

#[test]
fn format_path_writes_a_path_as_it_is_typed() {
    assert_eq!(format_path(&["a", "b.c", "[0]", "d"]), "a.\"b.c\"[0].d");
    assert_eq!(format_path::<&str>(&[]), "");
}

proptest! {
    #[test]
    fn lookup_never_panics(
        path in prop::collection::vec("[a-zA-Z.\\[\\]0-9é]{0,12}|modules|edged|edgeHub|\\[0\\]|taints|enable", 0..6),
        version in prop::option::of(0u16..40),
    ) {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        for kind in [Kind::EdgeCore, Kind::CloudCore] {
            let _ = Table::of(kind).lookup(&path, version.map(Minor::new));
        }
    }
}
