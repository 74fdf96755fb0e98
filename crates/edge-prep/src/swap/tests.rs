//! Plans, policies and judgements over facts given as literals.

use std::path::PathBuf;
use std::rc::Rc;

use edge_host::action::ActionKind;
use edge_host::{Exit, FileSnapshot, Plan, State};

use super::*;
use crate::wanted::Swap;

fn active(path: &str, used_kib: u64, priority: i32, way: Way) -> Active {
    Active {
        path: PathBuf::from(path),
        listed: path.to_owned(),
        kind: "partition".to_owned(),
        size_kib: 1 << 20,
        used_kib,
        priority,
        way,
    }
}

fn unit(name: &str) -> Way {
    Way::Unit(name.to_owned())
}

fn service(name: &str) -> Way {
    Way::Service(name.to_owned())
}

fn live(active: Vec<Active>) -> Facts {
    Facts { active: Some(active), available_kib: Some(1 << 20), systemd: Systemd::Running, ..Facts::default() }
}

fn fstab_line(line: usize, what: &str, text: &Rc<FileSnapshot>) -> SwapSource {
    let path = PathBuf::from("/etc/fstab");
    SwapSource {
        source: "fstab",
        file: path.clone(),
        line: Some(line),
        what: what.to_owned(),
        brings: Brings::Path(PathBuf::from(what)),
        after_reboot: AfterReboot::Back,
        why: "turned on at each boot".to_owned(),
        remedy: Remedy::Change(vec![Change::Comment { path, was: Rc::clone(text), line }]),
        service: None,
    }
}

/// The plan as lines: what is done, what takes it back and, with `last`, when.
fn shown(facts: &Facts) -> Vec<String> {
    let mut made = Plan::new();
    plan(facts, Swap::Off, &mut made).unwrap();
    let line = |what: &ActionKind| match what {
        ActionKind::Run(run) => {
            let back = run.inverse.as_ref().unwrap();
            let back = if back[0] == "sh" { format!("swapon {}", back[4..].join(" ")) } else { back.join(" ") };
            format!("{} | {back} | {:?} | {} s", run.argv.join(" "), run.undo_order, run.deadline.as_secs())
        }
        ActionKind::Write(write) => format!("write {}", write.path.display()),
        ActionKind::Remove(remove) => format!("remove {}", remove.path.display()),
        ActionKind::Mode(_) => "chmod".to_owned(),
        ActionKind::Set(_) => "set".to_owned(),
        ActionKind::Transaction(_) => "script".to_owned(),
    };
    made.actions.iter().map(|action| line(&action.kind)).collect()
}

#[test]
fn places_come_first_then_devices_by_priority_then_the_reload() {
    let text = Rc::new(FileSnapshot { state: State::Absent, bytes: b"/dev/sda2 none swap\n/f none swap\n".to_vec() });
    let mut facts = live(vec![
        active("/dev/sda2", 0, -2, unit("dev-sda2.swap")),
        active("/f", 10 << 10, 5, Way::Path),
        active("/dev/sda3", 0, -3, Way::Path),
        active("/dev/zram0", 0, 100, service("zramswap.service")),
        active("/dev/zram1", 2 << 10, 100, service("zramswap.service")),
    ]);
    facts.found = vec![fstab_line(1, "/dev/sda2", &text), fstab_line(2, "/f", &text)];
    assert_eq!(
        shown(&facts),
        [
            "write /etc/fstab",
            "systemctl stop -- zramswap.service | systemctl start -- zramswap.service | Last | 62 s",
            "swapoff -- /f | swapon -p 5 -- /f | Reverse | 70 s",
            // The kernel's own numbers count down: the last one off is the first one on.
            "swapoff -- /dev/sda3 | swapon -- /dev/sda3 | Reverse | 60 s",
            "systemctl stop -- dev-sda2.swap | systemctl start -- dev-sda2.swap | Last | 60 s",
            "systemctl daemon-reload | systemctl daemon-reload | Last | 90 s",
        ]
    );
    facts.systemd = Systemd::NotRunning;
    assert!(!shown(&facts).last().unwrap().contains("reload"));
    facts.found = Vec::new();
    facts.active = Some(Vec::new());
    assert!(shown(&facts).is_empty(), "converged");
}

#[test]
fn what_takes_longer_than_systemd_waits_is_not_left_to_it() {
    let facts = live(vec![active("/dev/sda2", 100 << 10, -2, unit("dev-sda2.swap"))]);
    assert_eq!(shown(&facts), ["swapoff -- /dev/sda2 | systemctl start -- dev-sda2.swap | Last | 160 s"]);
}

#[test]
fn memory_must_hold_what_comes_back() {
    for (used, available, fits) in
        [(799, Some(1000), true), (800, Some(1000), false), (0, Some(0), true), (1, Some(0), false), (800, None, true)]
    {
        let mut facts = live(vec![active("/f", used, 5, Way::Path)]);
        facts.available_kib = available;
        let made = plan(&facts, Swap::Off, &mut Plan::new());
        assert_eq!(made.as_ref().err().map(edge_host::Error::exit), (!fits).then_some(Exit::Refused), "{used}");
    }
    // What cannot be turned off needs no room.
    let mut facts = live(vec![active("/f (deleted)", 900, 5, Way::None(active::DELETED))]);
    facts.available_kib = Some(1000);
    let mut made = Plan::new();
    plan(&facts, Swap::Off, &mut made).unwrap();
    assert!(made.is_empty());
    assert_eq!(
        made.notes,
        ["/f (deleted) stays on: its file was deleted while in use, and only a reboot turns it off"]
    );
}

#[test]
fn a_path_is_changed_once_whoever_asks() {
    let was = FileSnapshot { state: State::Absent, bytes: Vec::new() };
    let change = Change::Write { path: PathBuf::from("/x"), was, text: "y\n".to_owned() };
    let text = Rc::new(FileSnapshot { state: State::Absent, bytes: Vec::new() });
    let found = |what: &str| SwapSource { remedy: Remedy::Change(vec![change.clone()]), ..fstab_line(1, what, &text) };
    let facts = Facts { found: vec![found("[zram0]"), found("[zram1]")], ..Facts::default() };
    assert_eq!(shown(&facts), ["write /x"]);
}

#[test]
fn limited_swap_is_refused_on_cgroup_v1_and_says_what_it_needs() {
    let mut facts = live(vec![active("/f", 0, 5, Way::Path)]);
    facts.cgroup = Some(Cgroup::V1);
    let error = plan(&facts, Swap::Limited, &mut Plan::new()).unwrap_err();
    assert_eq!(
        (error.exit(), error.message()),
        (Exit::Refused, "cannot let pods use limited swap: this host runs cgroup v1")
    );
    assert!(error.hint_text().unwrap().contains("1.28"));
    assert_eq!(faults(&facts, Swap::Limited).len(), 1);

    facts.cgroup = Some(Cgroup::V2);
    for (kernel, old) in [(Kernel(6, 1), true), (Kernel(6, 3), false), (Kernel(6, 12), false)] {
        facts.kernel = Some(kernel);
        let mut made = Plan::new();
        plan(&facts, Swap::Limited, &mut made).unwrap();
        assert!(made.is_empty());
        assert_eq!(made.notes.iter().any(|note| note.contains("older than 6.3")), old, "{kernel:?}");
    }
    assert!(faults(&facts, Swap::Limited).is_empty());
    facts.active = Some(Vec::new());
    assert_eq!(faults(&facts, Swap::Limited)[0].text, "no swap is on");
}

#[test]
fn keep_does_nothing_and_finds_no_fault() {
    let facts = live(vec![active("/f", 0, 5, Way::Path)]);
    let mut made = Plan::new();
    plan(&facts, Swap::Keep, &mut made).unwrap();
    assert!(made.is_empty() && made.notes[0].contains("it is on now"), "{:?}", made.notes);
    assert!(faults(&facts, Swap::Keep).is_empty());
}

#[test]
fn each_active_device_is_traced_to_what_brings_it_back() {
    let text = Rc::new(FileSnapshot { state: State::Absent, bytes: Vec::new() });
    let mut facts = live(vec![
        active("/dev/sda2", 0, -2, Way::Path),
        active("/dev/zram0", 0, 100, Way::Path),
        active("/mine", 0, 1, Way::Path),
    ]);
    let zram = SwapSource {
        source: "zram-tools",
        file: PathBuf::from("/usr/lib/systemd/system/zramswap.service"),
        line: None,
        brings: Brings::Zram,
        after_reboot: AfterReboot::Off,
        why: "the unit is not enabled".to_owned(),
        remedy: Remedy::Nothing,
        ..fstab_line(1, "zramswap.service", &text)
    };
    facts.found = vec![fstab_line(3, "/dev/sda2", &text), zram];
    let lines = status(&facts);
    let sources: Vec<_> = lines.iter().map(|line| (line.state.as_str(), line.source.as_deref())).collect();
    assert_eq!(
        sources,
        [
            ("active", Some("/etc/fstab:3")),
            ("active", Some("/usr/lib/systemd/system/zramswap.service")),
            ("active", None),
            ("back after a reboot", Some("/etc/fstab:3")),
            ("off", Some("/usr/lib/systemd/system/zramswap.service")),
        ]
    );
    assert!(lines[0].text.ends_with("back after a reboot by fstab: turned on at each boot"), "{}", lines[0].text);
    assert!(
        lines[1].text.ends_with("not back after a reboot: zram-tools the unit is not enabled"),
        "{}",
        lines[1].text
    );
    let layers: Vec<_> = faults(&facts, Swap::Off)
        .into_iter()
        .map(|fault| format!("{} {:?} {}", fault.file, fault.line, fault.text))
        .collect();
    assert_eq!(
        layers,
        [
            "/etc/fstab Some(3) swap is on: /dev/sda2 (fstab)",
            "/usr/lib/systemd/system/zramswap.service None swap is on: /dev/zram0 (zram-tools)",
            " None swap is on: /mine, turned on manually or by a program",
            "/etc/fstab Some(3) swap will be on after a reboot: /dev/sda2 (fstab: turned on at each boot)",
        ]
    );
}
