//! Plans, policies and findings from facts that are given as literals.

use std::path::PathBuf;

use edge_host::action::ActionKind;
use edge_host::{Action, Exit, FileSnapshot, Inverse, Node, Plan, State};

use super::*;
use crate::request::SwapPolicy;

fn active(path: &str, used_kib: u64, priority: i32, stop_method: StopMethod) -> Active {
    Active {
        path: PathBuf::from(path),
        listed: path.to_owned(),
        kind: "partition".to_owned(),
        size_kib: 1 << 20,
        used_kib,
        priority,
        stop_method,
    }
}

fn unit(name: &str) -> StopMethod {
    StopMethod::Unit(name.to_owned())
}

fn service(name: &str) -> StopMethod {
    StopMethod::Service(name.to_owned())
}

fn live(active: Vec<Active>) -> Facts {
    Facts { active: Some(active), available_kib: Some(1 << 20), is_systemd_running: true, ..Facts::default() }
}

fn fstab_line(line: usize, what: &str, actions: Vec<Action>) -> SwapSource {
    SwapSource {
        source: "fstab",
        file: PathBuf::from("/etc/fstab"),
        line: Some(line),
        what: what.to_owned(),
        devices: Devices::Path(PathBuf::from(what)),
        at_boot: AtBoot::Enabled,
        is_later: false,
        why: "active entry".to_owned(),
        actions,
        manual_step: None,
        service: None,
    }
}

fn write(path: &str) -> Vec<Action> {
    let mut plan = Plan::new();
    let was = FileSnapshot { state: State::Absent, bytes: Vec::new() };
    plan.write(path, was, Node::Link("/dev/null".to_owned()), Inverse::Whole, "");
    plan.actions
}

/// The plan as lines: each action, its inverse, and when an undo runs it.
fn shown(facts: Facts) -> Vec<String> {
    let mut made = Plan::new();
    plan(facts, SwapPolicy::Off, &mut made).unwrap();
    let line = |kind: &ActionKind| match kind {
        ActionKind::Run(run) => {
            let inverse = run.inverse.as_ref().unwrap();
            let is_swapon = inverse[0] == "sh";
            let inverse = if is_swapon { format!("swapon {}", inverse[4..].join(" ")) } else { inverse.join(" ") };
            format!("{} | {inverse} | {:?} | {} s", run.argv.join(" "), run.undo_order, run.deadline.as_secs())
        }
        ActionKind::Write(write) => format!("write {}", write.path.display()),
        ActionKind::Remove(remove) => format!("remove {}", remove.path.display()),
        ActionKind::RemoveTree(_) => "remove a tree".to_owned(),
        ActionKind::Effect(effect) => effect.object.clone(),
        ActionKind::Mode(_) => "chmod".to_owned(),
        ActionKind::Set(_) => "set".to_owned(),
        ActionKind::Transaction(_) => "script".to_owned(),
    };
    made.actions.iter().map(|action| line(&action.kind)).collect()
}

#[test]
fn plan_changes_files_then_devices_by_priority_then_reloads() {
    let mut facts = live(vec![
        active("/dev/sda2", 0, -2, unit("dev-sda2.swap")),
        active("/f", 10 << 10, 5, StopMethod::Swapoff),
        active("/dev/sda3", 0, -3, StopMethod::Swapoff),
        active("/dev/zram0", 0, 100, service("zramswap.service")),
        active("/dev/zram1", 2 << 10, 100, service("zramswap.service")),
    ]);
    facts.found = vec![fstab_line(1, "/dev/sda2", write("/etc/fstab")), fstab_line(2, "/f", Vec::new())];
    assert_eq!(
        shown(facts),
        [
            "write /etc/fstab",
            "systemctl stop -- zramswap.service | systemctl start -- zramswap.service | Last | 62 s",
            "swapoff -- /f | swapon -p 5 -- /f | Reverse | 70 s",
            // The kernel's own numbers count down: the last one off is turned on first.
            "swapoff -- /dev/sda3 | swapon -- /dev/sda3 | Reverse | 60 s",
            "systemctl stop -- dev-sda2.swap | systemctl start -- dev-sda2.swap | Last | 60 s",
            "systemctl daemon-reload | systemctl daemon-reload | Last | 90 s",
        ]
    );
    let without_systemd = Facts { found: vec![fstab_line(1, "/f", write("/etc/fstab"))], ..Facts::default() };
    assert_eq!(shown(without_systemd), ["write /etc/fstab"]);
    assert!(shown(live(Vec::new())).is_empty(), "converged");
}

#[test]
fn plan_does_not_stop_a_unit_that_takes_longer_than_systemd_waits() {
    let facts = live(vec![active("/dev/sda2", 100 << 10, -2, unit("dev-sda2.swap"))]);
    assert_eq!(shown(facts), ["swapoff -- /dev/sda2 | systemctl start -- dev-sda2.swap | Last | 160 s"]);
}

#[test]
fn plan_refuses_where_memory_is_too_small() {
    for (used, available, fits) in
        [(799, Some(1000), true), (800, Some(1000), false), (0, Some(0), true), (1, Some(0), false), (800, None, true)]
    {
        let mut facts = live(vec![active("/f", used, 5, StopMethod::Swapoff)]);
        facts.available_kib = available;
        let made = plan(facts, SwapPolicy::Off, &mut Plan::new());
        assert_eq!(made.as_ref().err().map(edge_host::Error::exit), (!fits).then_some(Exit::Refused), "{used}");
    }
    // A device that cannot be turned off needs no memory.
    let mut facts = live(vec![active("/f (deleted)", 900, 5, StopMethod::Impossible(active::DELETED))]);
    facts.available_kib = Some(1000);
    let mut made = Plan::new();
    plan(facts, SwapPolicy::Off, &mut made).unwrap();
    assert!(made.is_empty());
    assert_eq!(made.notes, ["/f (deleted) stays on: its file was deleted while in use: reboot to turn it off"]);
}

#[test]
fn plan_changes_a_path_once() {
    let found = ["a.swap", "b.swap"].map(|what| fstab_line(1, what, write("/x"))).into();
    assert_eq!(shown(Facts { found, ..Facts::default() }), ["write /x"]);
}

#[test]
fn limited_is_refused_on_cgroup_v1_with_the_requirements() {
    let facts = |cgroup| Facts { cgroup: Some(cgroup), ..live(vec![active("/f", 0, 5, StopMethod::Swapoff)]) };
    let error = plan(facts(Cgroup::V1), SwapPolicy::Limited, &mut Plan::new()).unwrap_err();
    assert_eq!(
        (error.exit(), error.message()),
        (Exit::Refused, "cannot let pods use limited swap: this host runs cgroup v1")
    );
    assert!(error.hint_text().unwrap().contains("1.28"));
    assert_eq!(findings(&facts(Cgroup::V1), SwapPolicy::Limited).len(), 1);

    for (kernel, old) in [(Kernel(6, 1), true), (Kernel(6, 3), false), (Kernel(6, 12), false)] {
        let mut made = Plan::new();
        let facts = Facts { kernel: Some(kernel), ..facts(Cgroup::V2) };
        plan(facts, SwapPolicy::Limited, &mut made).unwrap();
        assert!(made.is_empty());
        assert_eq!(made.notes.iter().any(|note| note.contains("older than 6.3")), old, "{kernel:?}");
    }
    assert!(findings(&facts(Cgroup::V2), SwapPolicy::Limited).is_empty());
    assert_eq!(findings(&live(Vec::new()), SwapPolicy::Limited)[0].text, "swap is off");
}

#[test]
fn keep_plans_nothing_and_finds_nothing() {
    let facts = live(vec![active("/f", 0, 5, StopMethod::Swapoff)]);
    assert!(advice(&facts, SwapPolicy::Keep)[0].contains("currently on"));
    assert!(findings(&facts, SwapPolicy::Keep).is_empty());
    let mut made = Plan::new();
    assert!(!plan(facts, SwapPolicy::Keep, &mut made).unwrap());
    assert!(made.is_empty() && made.notes.is_empty(), "{:?}", made.notes);
}

#[test]
fn status_and_findings_name_the_source_of_each_device() {
    let mut facts = live(vec![
        active("/dev/sda2", 0, -2, StopMethod::Swapoff),
        active("/dev/zram0", 0, 100, StopMethod::Swapoff),
        active("/mine", 0, 1, StopMethod::Swapoff),
    ]);
    let zram = SwapSource {
        source: "zram-tools",
        file: PathBuf::from("/usr/lib/systemd/system/zramswap.service"),
        line: None,
        devices: Devices::AnyZram,
        at_boot: AtBoot::Disabled,
        why: "the unit is not enabled".to_owned(),
        ..fstab_line(1, "zramswap.service", Vec::new())
    };
    facts.found = vec![fstab_line(3, "/dev/sda2", Vec::new()), zram];
    let lines = status(&facts);
    let sources: Vec<_> = lines.iter().map(|line| (line.state.as_str(), line.source.as_deref())).collect();
    assert_eq!(
        sources,
        [
            ("active", Some("/etc/fstab:3")),
            ("active", Some("/usr/lib/systemd/system/zramswap.service")),
            ("active", None),
        ]
    );
    assert!(lines[0].text.ends_with("re-enabled at boot by fstab: active entry"), "{}", lines[0].text);
    assert!(
        lines[1].text.ends_with("not re-enabled at boot by zram-tools: the unit is not enabled"),
        "{}",
        lines[1].text
    );
    assert_eq!(
        without_source(&facts),
        ["/mine is on, and nothing was found that turns it on at boot: it may be on again after a reboot"]
    );
    let found: Vec<_> = findings(&facts, SwapPolicy::Off)
        .into_iter()
        .map(|finding| format!("{} {:?} {}", finding.file, finding.line, finding.text))
        .collect();
    assert_eq!(
        found,
        [
            "/etc/fstab Some(3) swap is on: /dev/sda2 (fstab)",
            "/usr/lib/systemd/system/zramswap.service None swap is on: /dev/zram0 (zram-tools)",
            " None swap is on: /mine, turned on manually or by a program",
            "/etc/fstab Some(3) swap is enabled at boot: /dev/sda2 (fstab: active entry)",
        ]
    );
}
