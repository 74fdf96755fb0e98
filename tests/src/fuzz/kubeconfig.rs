//! Kubeconfigs of users: the access to a cluster is added and removed, and everything else stays.

use std::path::PathBuf;

use edge_host::action::ActionKind;
use edge_host::{Editor, FileSnapshot, Inverse, Node, State};
use edge_token::kubeconfig::editor::EntriesEditor;
use edge_token::kubeconfig::{Access, Kubeconfig};
use edge_token::plan::{Wanted, plan};
use edge_yaml::Value;

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "kubeconfig",
    check,
    read,
    seeds: || {
        super::texts(&[
            "",
            "apiVersion: v1\nkind: Config\nclusters: null\ncontexts: []\nusers: null\ncurrent-context: \"\"\npreferences: {}\n",
            "# mine\nclusters:\n- cluster:\n    server: https://a\n  name: a\ncontexts:\n- context: {cluster: a, user: u}\n  name: a\ncurrent-context: a\nkind: Config\nusers:\n- name: u\n  user:\n    token: t # secret\n",
            "{\"kind\": \"Config\", \"clusters\": [{\"name\": \"new\", \"cluster\": {\"server\": \"https://192.0.2.1:6443\"}}], \"users\": []}\n",
            "users:\r\n  - name: new\r\n    user: {token: t}\r\n",
        ])
    },
    tokens: &[
        "clusters:\n",
        "users:\n",
        "contexts:\n",
        "current-context: ",
        "new",
        "- name: new\n",
        "  user: {token: t}\n",
        "  cluster: {server: 'https://192.0.2.1:6443'}\n",
        "  context: {cluster: new, user: new}\n",
        "null",
        "[]",
        "{}",
        "~",
        "\"\"",
        "\n",
        "\r\n",
        "  ",
        "- ",
        "# c\n",
        "&a ",
        "*a",
        "<<: ",
        "---\n",
        "kind: Config\n",
    ],
    growing: &[
        ("kind: Config\nusers:\n", "- name: u{}\n  user: {token: t}\n", ""),
        ("clusters:\n", "- {name: c{}, cluster: {server: s}}\n", ""),
        ("a: [", "{}, ", "]"),
        ("", "# comment {}\n", "kind: Config\n"),
        ("kind: Config\nextensions:\n", "- name: e{}\n", ""),
    ],
};

fn wanted() -> Wanted {
    let value = |text: &str| edge_yaml::value(text).expect("it is valid");
    Wanted {
        access: Access {
            cluster_name: "new".to_owned(),
            user_name: "new".to_owned(),
            cluster: value("{server: 'https://192.0.2.1:6443', certificate-authority-data: eA==}"),
            user: value("{token: t}"),
            context: value("{cluster: new, user: new}"),
        },
        context: "new".to_owned(),
        from: "admin.conf".to_owned(),
        path: PathBuf::from("/home/u/.kube/config"),
        shown: "/home/u/.kube/config".to_owned(),
        owner: (1, 1),
        now: 0,
    }
}

/// The text after the access was added, and what removes it; none if there is nothing to add.
fn added(text: &[u8]) -> edge_host::Result<Option<(Vec<u8>, Inverse)>> {
    let found = FileSnapshot { state: State::Absent, bytes: text.to_vec() };
    let action = plan(&wanted(), found)?.actions.into_iter().next();
    Ok(action.map(|action| match action.kind {
        ActionKind::Write(write) => match write.node {
            Node::OfUser { content, .. } => (content, write.inverse),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }))
}

fn read(data: &[u8]) {
    let _ = added(data);
}

fn check(data: &[u8]) {
    let Ok(Some((edited, inverse))) = added(data) else { return };
    let text = std::str::from_utf8(&edited).expect("it is text");
    let config = Kubeconfig::parse(text).expect("it was edited");
    let access = config.access("new").expect("it was added");
    assert_eq!((access.server(), access.token()), ("https://192.0.2.1:6443", Some("t")), "{text}");
    assert!(config.current().is_some(), "{text}");
    assert!(added(&edited).expect("it was accepted before").is_none(), "a second run changes nothing: {text}");
    let Inverse::Edit { data: record, .. } = inverse else { return };
    // Another entry that was added since stays where it is.
    let Ok(reverted) = EntriesEditor.revert(&edited, &record) else { return };
    assert_eq!(EntriesEditor.revert(&reverted, &record).expect("it was reverted"), reverted, "reverted already");
    let before = std::str::from_utf8(data).expect("it was read");
    let after = std::str::from_utf8(&reverted).expect("it is text");
    let (before, after) = (entries(before), entries(after));
    assert_eq!(before, after, "{text}");
}

/// The values that an undo restores: a list that was added is empty then, and kind and version stay.
fn entries(text: &str) -> Vec<(String, Value)> {
    let value = edge_yaml::read(text).expect("it was read");
    let all = value.as_mapping().cloned().unwrap_or_default();
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::Sequence(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    };
    let mut all: Vec<(String, Value)> = all
        .into_iter()
        .filter(|(_, value)| !is_empty(value))
        .map(|(key, value)| (key.as_str().unwrap_or_default().to_owned(), value))
        .filter(|(key, _)| !["apiVersion", "kind"].contains(&key.as_str()))
        .collect();
    all.sort_by(|one, other| one.0.cmp(&other.0));
    all
}
