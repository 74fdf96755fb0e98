//! Labels, taints and further settings of the node, by the rules of Kubernetes.

use edge_host::{Error, Result};
use edge_kubeedge::edit::request::{Request as Setting, parse_setting, piped_lines};
use edge_kubeedge::value::is_node_name;
use edge_yaml::{Path, Step};

use crate::cli::ApplyArgs;
use crate::plan::Taint;
use crate::plan::config::owned;

/// The longest name in a key, and the longest value.
const MAX_NAME: usize = 63;
const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// What the node gets beside its connection.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Node {
    /// Labels, in the order of the call.
    pub labels: Vec<(String, String)>,
    /// Taints.
    pub taints: Vec<Taint>,
}

impl Node {
    /// Validates the options. Errors: exit 2 with what was expected.
    pub fn new(args: &ApplyArgs) -> Result<Node> {
        let labels = args.labels.iter().map(|text| label(text)).collect::<Result<Vec<_>>>()?;
        let taints = args.taints.iter().map(|text| taint(text)).collect::<Result<Vec<_>>>()?;
        for (at, (key, _)) in labels.iter().enumerate() {
            if labels.iter().take(at).any(|(other, _)| other == key) {
                return Err(Error::usage(format!("cannot use the label {key} twice")));
            }
        }
        Ok(Node { labels, taints })
    }
}

/// The lines that `edge-crio settings` prints.
///
/// Errors: exit 1 where they are empty or incomplete, exit 2 where a line is not a setting or would set, as a whole or in
/// part, what the join itself sets.
pub fn settings(text: &str, args: &ApplyArgs) -> Result<Vec<Setting>> {
    let lines = piped_lines(text).map_err(|error| {
        let cause = error.message().rsplit(": ").next().unwrap_or_default().to_owned();
        let failed = Error::failed(format!("cannot use the settings: {cause}"));
        match error.hint_text() {
            Some(hint) => failed.hint(hint),
            None => failed,
        }
    })?;
    let all = lines.into_iter().map(parse_setting).collect::<Result<Vec<_>>>()?;
    let owned = owned(args.version.minor, !args.labels.is_empty(), !args.taints.is_empty())?;
    for path in all.iter().map(Setting::path) {
        if let Some(own) = owned.iter().find(|own| overlap(own, path)) {
            return Err(Error::usage(format!("cannot set {path} with --settings: the join itself sets {own}"))
                .hint("remove that line, and use the option of edge-join"));
        }
    }
    Ok(all)
}

/// Whether one of two paths is the other or below it. edgecore reads its keys in any letter case.
fn overlap(one: &Path, other: &Path) -> bool {
    one.steps().iter().zip(other.steps()).all(|pair| match pair {
        (Step::Key(one), Step::Key(other)) => one.eq_ignore_ascii_case(other),
        (one, other) => one == other,
    })
}

fn label(text: &str) -> Result<(String, String)> {
    let wrong = |why: &str| wrong("label", text, why);
    let (key, value) = text.split_once('=').ok_or_else(|| wrong("expected KEY=VALUE"))?;
    check_key(key).map_err(wrong)?;
    check_value(value).map_err(wrong)?;
    Ok((key.to_owned(), value.to_owned()))
}

fn taint(text: &str) -> Result<Taint> {
    let wrong = |why: &str| wrong("taint", text, why);
    let (front, effect) = text.rsplit_once(':').ok_or_else(|| wrong("expected KEY=VALUE:EFFECT or KEY:EFFECT"))?;
    let (key, value) = front.split_once('=').unwrap_or((front, ""));
    if !EFFECTS.contains(&effect) {
        return Err(wrong("its effect is not NoSchedule, PreferNoSchedule or NoExecute"));
    }
    check_key(key).map_err(wrong)?;
    check_value(value).map_err(wrong)?;
    Ok(Taint { key: key.to_owned(), value: value.to_owned(), effect: effect.to_owned() })
}

fn wrong(what: &str, text: &str, why: &str) -> Error {
    let shown: String = text.chars().take(80).flat_map(char::escape_debug).collect();
    Error::usage(format!("cannot use the {what} \"{shown}\": {why}"))
}

/// A key of Kubernetes: an optional DNS name and a slash, then a name.
fn check_key(key: &str) -> std::result::Result<(), &'static str> {
    let name = match key.split_once('/') {
        Some((domain, name)) if is_node_name(domain) => name,
        Some(_) => return Err("the part before the slash is not a DNS name"),
        None => key,
    };
    if name.is_empty() {
        return Err("its key is empty");
    }
    check_value(name).map_err(|_| "its key has characters other than letters, digits, -, _ and ., or is too long")
}

fn check_value(value: &str) -> std::result::Result<(), &'static str> {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let ends = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_alphanumeric);
    let bytes = value.as_bytes();
    if bytes.len() > MAX_NAME || !bytes.iter().copied().all(inner) || !ends(bytes.first()) || !ends(bytes.last()) {
        return Err("expected up to 63 letters, digits, -, _ and . as its value, with a letter or digit at both ends");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use edge_host::Exit;

    use super::*;

    #[test]
    fn labels_and_taints_follow_the_rules_of_kubernetes() {
        assert_eq!(label("a.b/c_d=E-1").unwrap(), ("a.b/c_d".to_owned(), "E-1".to_owned()));
        assert_eq!(label("a=").unwrap().1, "");
        for bad in ["", "a", "=b", "a/=b", "A_/b=c", "a=b c", "a=-b", "a=b-", "a b=c", &format!("a={}", "x".repeat(64))]
        {
            assert_eq!(label(bad).unwrap_err().exit(), Exit::Usage, "{bad}");
        }
        let parsed = taint("edge=true:NoExecute").unwrap();
        assert_eq!((parsed.key.as_str(), parsed.value.as_str(), parsed.effect.as_str()), ("edge", "true", "NoExecute"));
        assert_eq!(taint("edge:NoSchedule").unwrap().value, "");
        for bad in ["", "a", "a=b", "a:b", ":NoSchedule", "a=b:noschedule", "a b:NoSchedule"] {
            assert_eq!(taint(bad).unwrap_err().exit(), Exit::Usage, "{bad}");
        }
    }

    #[test]
    fn settings_are_lines_that_do_not_contradict_the_join() {
        let usual = args(&[]);
        let text = "# CRI-O\nmodules.edged.tailoredKubeletConfig.cgroupDriver=systemd\n";
        assert_eq!(settings(text, &usual).unwrap().len(), 1);
        assert_eq!(settings("", &usual).unwrap_err().message(), "cannot use the settings: it is empty");
        assert_eq!(settings("a=b", &usual).unwrap_err().exit(), Exit::Failed);
    }

    #[test]
    fn settings_neither_replace_nor_enter_what_the_join_sets() {
        let usual = args(&[]);
        for own in [
            "modules.edgeHub.token=x",
            "modules.edged.HostnameOverride=x",
            "modules.edgeHub={token: x}",
            "MODULES.EDGEHUB={}",
            "modules={}",
            "Modules.edgeHub.Websocket={server: 'a:1'}",
            "modules.\"edgeHub\".token=x",
            "modules.edgeStream.server.a=x",
            "modules.edgeHub.httpServer[0]=x",
            "EdgeCoreVersion=v1.1.1",
        ] {
            let error = settings(&format!("{own}\n"), &usual).unwrap_err();
            assert!(error.exit() == Exit::Usage && error.message().contains("the join itself sets "), "{own}: {error}");
        }
        for other in ["modules.edgeHub.heartbeat=5", "modules.edgeHubs={}", "modules.edged.nodeLabels={a: b}"] {
            assert_eq!(settings(&format!("{other}\n"), &usual).unwrap().len(), 1, "{other}");
        }
    }

    #[test]
    fn settings_do_not_replace_labels_and_taints_that_are_given() {
        let labels = args(&["--label", "a=b"]);
        let taints = args(&["--taint", "a:NoSchedule"]);
        for (given, line) in [
            (&labels, "modules.edged.nodeLabels={c: d}"),
            (&labels, "modules.edged.NodeLabels.c=d"),
            (&taints, "modules.edged.tailoredKubeletConfig={}"),
            (&taints, "modules.edged.tailoredKubeletConfig.registerWithTaints[0]={}"),
        ] {
            assert_eq!(settings(&format!("{line}\n"), given).unwrap_err().exit(), Exit::Usage, "{line}");
        }
        // Up to 1.8 they have other names.
        let old = ApplyArgs { version: "1.8.2".parse().unwrap(), ..labels };
        assert_eq!(settings("modules.edged.labels={c: d}\n", &old).unwrap_err().exit(), Exit::Usage);
        assert_eq!(settings("modules.edged.nodeLabels={c: d}\n", &taints).unwrap().len(), 1);
    }

    fn args(more: &[&str]) -> ApplyArgs {
        let call = ["edge-join", "apply", "--cloudcore", "192.0.2.1", "--version", "1.23.1"];
        let cli = crate::cli::Cli::try_parse_from(call.iter().chain(more)).unwrap();
        let crate::cli::Verb::Apply(args) = cli.verb else { panic!("{cli:?}") };
        *args
    }
}
