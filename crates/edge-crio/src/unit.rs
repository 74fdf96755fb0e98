//! The unit crio.service: where it is, whether it is enabled and whether it runs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use edge_host::State as Standing;
use edge_host::action::{Run, UndoOrder};
use edge_host::{Cmd, Error, FileSnapshot, Host, Inverse, Node, Plan, Result};

/// The unit.
pub const UNIT: &str = "crio.service";
/// Where units are, the first that has one counts.
const DIRS: [&str; 4] =
    ["/etc/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
const LINKS: &str = "/etc/systemd/system";
/// There where systemd is PID 1.
const RUNS: &str = "/run/systemd/system";
const NULL: &str = "/dev/null";
const SYSTEMCTL_WITHIN: Duration = Duration::from_secs(60);
/// A daemon that has containers to look through takes its time to end.
const RESTART_WITHIN: Duration = Duration::from_secs(90);

/// A link that enables a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enabling {
    /// Where it belongs.
    pub link: PathBuf,
    /// What stands there.
    pub found: FileSnapshot,
}

/// What is there of the unit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UnitFacts {
    /// The file that counts.
    pub file: Option<PathBuf>,
    /// All files of this name.
    pub all: Vec<PathBuf>,
    /// A link to nothing keeps it from being started.
    pub masked: bool,
    /// The links that its \[Install\] section asks for.
    pub enabling: Vec<Enabling>,
    /// systemd runs here.
    pub has_systemd: bool,
}

impl UnitFacts {
    /// Reads them.
    pub fn read(host: &Host) -> Result<UnitFacts> {
        let mut facts = UnitFacts {
            has_systemd: host.root.is_live() && host.root.find(Path::new(RUNS))?.exists(),
            ..UnitFacts::default()
        };
        for dir in DIRS {
            let path = Path::new(dir).join(UNIT);
            let found = host.root.find_link(&path)?;
            match &found.state {
                Standing::Absent => continue,
                Standing::Link { target } if target == NULL => {
                    facts.masked |= facts.all.is_empty();
                }
                _ => {}
            }
            // /lib is /usr/lib on a merged system: one file, not two.
            let real = host.root.canonical(&path)?;
            if !facts.all.contains(&real) {
                facts.all.push(real);
            }
            facts.file.get_or_insert(path);
        }
        if let (Some(file), false) = (&facts.file, facts.masked) {
            let text = host.root.read(file)?.unwrap_or_default();
            facts.enabling = enabling(host, &String::from_utf8_lossy(&text))?;
        }
        Ok(facts)
    }

    /// Whether something that is started at boot wants it: one link is enough, and other names count for nothing.
    pub fn starts_at_boot(&self) -> bool {
        let wanted = |one: &Enabling| one.link.parent().is_some_and(|dir| dir != Path::new(LINKS));
        self.enabling.iter().any(|one| wanted(one) && matches!(one.found.state, Standing::Link { .. }))
    }
}

fn enabling(host: &Host, text: &str) -> Result<Vec<Enabling>> {
    let mut all = Vec::new();
    for link in links(text) {
        let found = host.root.find_link(&link)?;
        all.push(Enabling { link, found });
    }
    Ok(all)
}

/// The links of an \[Install\] section.
fn links(text: &str) -> Vec<PathBuf> {
    let mut links = Vec::new();
    let mut section = "";
    let named = |name: &&str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.@:".contains(&byte));
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
            continue;
        }
        let Some((key, value)) = line.split_once('=').filter(|_| section == "[Install]") else { continue };
        let names = value.split_whitespace().filter(named);
        match key.trim() {
            "WantedBy" => links.extend(names.map(|name| Path::new(LINKS).join(format!("{name}.wants")).join(UNIT))),
            "RequiredBy" => {
                links.extend(names.map(|name| Path::new(LINKS).join(format!("{name}.requires")).join(UNIT)))
            }
            "Alias" => links.extend(names.filter(|name| *name != UNIT).map(|name| Path::new(LINKS).join(name))),
            _ => {}
        }
    }
    links
}

/// Plans that the unit starts at boot. Refuses one that is masked.
pub fn enable(facts: &UnitFacts, plan: &mut Plan) -> Result<()> {
    if facts.masked {
        return Err(Error::refused(format!("cannot enable {UNIT}: it is masked"))
            .hint(format!("systemctl unmask {UNIT}, if it is not masked for a reason")));
    }
    let Some(file) = &facts.file else { return Ok(()) };
    for Enabling { link, found } in &facts.enabling {
        if matches!(found.state, Standing::Absent) {
            let node = Node::Link(file.display().to_string());
            plan.write(link, found.clone(), node, Inverse::Whole, "started at every boot");
        }
    }
    Ok(())
}

/// Plans that the links go.
pub fn disable(facts: &UnitFacts, plan: &mut Plan) {
    for Enabling { link, found } in &facts.enabling {
        if matches!(found.state, Standing::Link { .. }) {
            plan.remove(link, found.clone(), "not started at boot");
        }
    }
}

/// Plans that systemd reads the unit files again.
pub fn reload(plan: &mut Plan) {
    let argv = words(&["systemctl", "daemon-reload"]);
    let inverse = Some(argv.clone());
    plan.run(
        Run { argv, probe: None, inverse, undo_order: UndoOrder::Last, deadline: SYSTEMCTL_WITHIN },
        "so that systemd sees it",
    );
}

/// Plans a start; whether it came up is looked at afterwards.
pub fn start(plan: &mut Plan) {
    let run = Run {
        argv: words(&["systemctl", "start", "--no-block", UNIT]),
        probe: Some(words(&["systemctl", "is-active", "--quiet", UNIT])),
        inverse: Some(words(&["systemctl", "stop", UNIT])),
        undo_order: UndoOrder::Reverse,
        deadline: SYSTEMCTL_WITHIN,
    };
    plan.run(run, "now");
}

/// Plans a restart, for a configuration that is read at the start only.
pub fn restart(plan: &mut Plan, why: &str) {
    let run = Run {
        argv: words(&["systemctl", "restart", "--no-block", UNIT]),
        probe: None,
        inverse: Some(words(&["systemctl", "try-restart", UNIT])),
        undo_order: UndoOrder::Finally,
        deadline: RESTART_WITHIN,
    };
    plan.run(run, why);
}

/// Plans a stop.
pub fn stop(plan: &mut Plan) {
    let run = Run {
        argv: words(&["systemctl", "stop", UNIT]),
        probe: None,
        inverse: Some(words(&["systemctl", "start", "--no-block", UNIT])),
        undo_order: UndoOrder::Finally,
        deadline: RESTART_WITHIN,
    };
    plan.run(run, "before it is removed");
}

/// How systemd says the unit is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// `active`, `activating`, `failed`, `inactive`.
    pub active: String,
    /// Each start has its own.
    pub invocation: String,
    /// How often it was started again after it had failed.
    pub restarts: u32,
}

/// Asks systemd.
pub fn state() -> Result<State> {
    let properties = "ActiveState,InvocationID,NRestarts";
    let output = Cmd::find("systemctl")?.args(["show", "-p", properties, "--", UNIT]).run()?;
    let mut state = State::default();
    for (key, value) in output.stdout.lines().filter_map(|line| line.split_once('=')) {
        match key {
            "ActiveState" => state.active = value.to_owned(),
            "InvocationID" => state.invocation = value.to_owned(),
            "NRestarts" => state.restarts = value.parse().unwrap_or_default(),
            _ => {}
        }
    }
    Ok(state)
}

/// The end of its log.
pub fn log() -> Result<String> {
    Ok(Cmd::find("journalctl")?.args(["--no-pager", "-o", "cat", "-n", "15", "-u", UNIT]).run()?.stdout)
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_target_that_wants_it_starts_it_and_another_name_does_not() {
        let absent = FileSnapshot { state: Standing::Absent, bytes: Vec::new() };
        let link = FileSnapshot { state: Standing::Link { target: "x".to_owned() }, bytes: Vec::new() };
        let starts = |standing: [&FileSnapshot; 3]| {
            let links = links("[Install]\nWantedBy=a.target b.target\nAlias=cri-o.service\n").into_iter();
            let enabling = links.zip(standing).map(|(link, found)| Enabling { link, found: found.clone() }).collect();
            UnitFacts { enabling, ..UnitFacts::default() }.starts_at_boot()
        };
        assert!(starts([&link, &link, &link]));
        assert!(starts([&link, &absent, &absent]) && starts([&absent, &link, &absent]));
        assert!(!starts([&absent, &absent, &link]) && !starts([&absent, &absent, &absent]));
    }

    #[test]
    fn links_are_those_of_the_install_section() {
        let text = "[Unit]\nAlias=no.service\n[Install]\nWantedBy=multi-user.target graphical.target\nAlias=cri-o.service ../x\n";
        let shown: Vec<String> = links(text).iter().map(|link| link.display().to_string()).collect();
        assert_eq!(
            shown,
            [
                "/etc/systemd/system/multi-user.target.wants/crio.service",
                "/etc/systemd/system/graphical.target.wants/crio.service",
                "/etc/systemd/system/cri-o.service"
            ]
        );
    }
}
