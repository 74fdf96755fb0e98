//! Plans from literal facts.

use super::*;
use crate::config::ConfFile;

fn nothing() -> FileSnapshot {
    FileSnapshot { state: State::Absent, bytes: Vec::new() }
}

fn file(text: &str) -> FileSnapshot {
    let state = State::File { sha256: text.to_owned(), mode: 0o644, uid: 0, gid: 0, xattrs: None };
    FileSnapshot { state, bytes: text.as_bytes().to_vec() }
}

fn facts() -> Facts {
    Facts {
        config: Vec::new(),
        own: nothing(),
        registries: nothing(),
        registries_main: String::new(),
        proxy: nothing(),
        storage: None,
        unit: crate::unit::UnitFacts::default(),
    }
}

fn shown(facts: &Facts, wanted: &Wanted) -> (Vec<String>, Effect) {
    let mut plan = Plan::new();
    let effect = configure(facts, wanted, &mut plan).unwrap();
    let mut lines: Vec<String> = plan
        .actions
        .iter()
        .flat_map(|action| {
            let head = format!("{} {}", action.verb(), action.path().unwrap().display());
            std::iter::once(head).chain(action.details.iter().map(|detail| format!("  {detail}")))
        })
        .collect();
    lines.extend(plan.notes.iter().map(|note| format!("note: {note}")));
    (lines, effect)
}

fn driver(driver: Driver) -> Wanted {
    Wanted { keys: Keys { driver: Some(driver), ..Keys::default() }, ..Wanted::default() }
}

#[test]
fn nothing_is_asked_for_and_nothing_is_written() {
    assert_eq!(shown(&facts(), &Wanted::default()), (Vec::new(), Effect::default()));
}

#[test]
fn a_later_file_has_the_last_word_and_is_named() {
    let later = ConfFile {
        path: "/etc/crio/crio.conf.d/99-mine".into(),
        text: "[crio.runtime]\ncgroup_manager = \"systemd\"\nconmon_cgroup = \"system.slice\"\n".to_owned(),
    };
    let facts = Facts { config: vec![later], ..facts() };
    let (lines, effect) = shown(&facts, &driver(Driver::Cgroupfs));
    assert_eq!(
        lines,
        [
            "write /etc/crio/crio.conf.d/20-edgeutils.conf",
            "  crio.runtime.cgroup_manager: cgroupfs",
            "  crio.runtime.conmon_cgroup: pod",
            "note: cgroup_manager will be systemd all the same: /etc/crio/crio.conf.d/99-mine comes later and sets it",
            "note: conmon_cgroup will be system.slice all the same: /etc/crio/crio.conf.d/99-mine comes later and sets it",
        ]
    );
    assert!(effect.restart && !effect.reload);
}

#[test]
fn metacopy_goes_only_where_the_kernel_refuses_it() {
    let text = "[storage.options]\nmountopt = \"nodev,metacopy=on\"\n";
    let storage = |from: &str, overlay| Storage {
        from: from.into(),
        text: text.to_owned(),
        options: "nodev,metacopy=on".to_owned(),
        own: if from == STORAGE[0] { file(text) } else { nothing() },
        overlay,
    };
    let lines =
        |from, overlay| shown(&Facts { storage: Some(storage(from, overlay)), ..facts() }, &Wanted::default()).0;
    assert!(lines(STORAGE[0], OverlaySupport::All).is_empty());
    assert_eq!(lines(STORAGE[0], OverlaySupport::Unknown).len(), 1);
    assert_eq!(
        lines(STORAGE[0], OverlaySupport::Unsupported),
        ["note: /etc/containers/storage.conf stays: this kernel refuses nodev,metacopy=on without metacopy as well"]
    );
    for from in STORAGE {
        assert_eq!(lines(from, OverlaySupport::AllButMetacopy)[0], "write /etc/containers/storage.conf", "{from}");
    }
}

#[test]
fn a_second_time_changes_nothing() {
    let wanted = Wanted {
        keys: Keys { driver: Some(Driver::Systemd), pause_image: Some("a/pause:1".to_owned()) },
        mirrors: vec!["docker.io=https://m.example".parse().unwrap()],
        proxy: Some(Proxy::parse("http://p:1", None).unwrap()),
    };
    let mut plan = Plan::new();
    configure(&facts(), &wanted, &mut plan).unwrap();
    let mut after = facts();
    for action in plan.actions {
        let edge_host::action::ActionKind::Write(write) = action.kind else { panic!("{:?}", action.kind) };
        let bytes = match write.node {
            Node::File { content: Bytes::Known(bytes), .. } => bytes,
            Node::Large { content, .. } => {
                let mut bytes = Vec::new();
                content(&mut bytes).unwrap();
                bytes
            }
            other => panic!("{other:?}"),
        };
        let found = file(std::str::from_utf8(&bytes).unwrap());
        match write.path.to_str().unwrap() {
            OWN => after.own = found,
            REGISTRIES => after.registries = found,
            PROXY => after.proxy = found,
            other => panic!("{other}"),
        }
    }
    assert_eq!(shown(&after, &wanted), (Vec::new(), Effect::default()));
}

#[test]
fn an_old_registries_conf_is_not_mixed_with_a_new_one() {
    let facts = Facts { registries_main: "[registries.search]\nregistries = ['docker.io']\n".to_owned(), ..facts() };
    let wanted = Wanted { mirrors: vec!["docker.io=https://m.example".parse().unwrap()], ..Wanted::default() };
    let error = configure(&facts, &wanted, &mut Plan::new()).unwrap_err();
    assert!(error.to_string().contains("is of the old form"), "{error}");
}
