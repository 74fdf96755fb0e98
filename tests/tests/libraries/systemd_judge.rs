//! Compares edge-systemd with systemd itself on the same files.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use edge_host::Root;
use edge_systemd::{Scope, Settings, Unit, Units, requested_links};
use edgeutils_tests::systemd::Systemd;
use edgeutils_tests::tree::Tree;
use edgeutils_tests::{skip, tool};

const ETC: &str = "etc/systemd/system";
const USR: &str = "usr/lib/systemd/system";
const LOCAL: &str = "usr/local/lib/systemd/system";
const TRUE: &str = "[Service]\nExecStart=/bin/true\n";

/// Files and links, and the units to compare.
struct Case {
    files: Vec<(String, Vec<u8>)>,
    links: Vec<(String, String)>,
    units: Vec<&'static str>,
}

fn case() -> Case {
    let mut case = Case { files: Vec::new(), links: Vec::new(), units: Vec::new() };
    let mut file = |dir: &str, name: &str, text: &[u8]| case.files.push((format!("{dir}/{name}"), text.to_vec()));
    file(
        USR,
        "syntax.service",
        b"[Unit]\nDescription=x \\\n# between\n  ; another\n y\n[Service]\n\
          ExecStart=/bin/true \"a b\" 'c\\td' e\\x41f \\\n   %% %n %N %p $$X \\q 'a'b\n\
          Environment=\"A=1 2\" 'B=x y' C=\"d e\"f \nEnvironment=D=a\\tb E='%%n %n' F=\\x41\\u00e4 1G=x \"H\n\
          Environment=I=1\n# c \\\nEnvironment=J=after\nEnvironment=K=a L=\\q M=2\nEnvironment=N=1 ; O=2\n\
          Environment = P=3\n[X-foo]\nEnvironment=Q=1\n[Service]\nEnvironment=R=%z S=1% T=%i.\nenvironment=U=1\n\
          Environment=V=1\\\\\nEnvironment=W=1 \\ \nEnvironment=X=\\xff Y=1\nEnvironment=Z=2\\\n",
    );
    file(
        ETC,
        "ends.service",
        b"[Service]\rExecStart=/bin/true\rEnvironment=A=1\r\nEnvironment=B=1\n\r\nEnvironment=C=1\0Environment=D=1\n",
    );
    file(ETC, "bom.service", b"\xef\xbb\xbf[Service]\nExecStart=/bin/true\n Environment = A=1\nEnvironment\t=B=1\n[Service ]\nEnvironment=C=1");
    file(ETC, "commands.service", b"[Service]\nType=oneshot\nExecStart=/bin/true a ; /bin/true b\nExecStart=-/bin/echo \\; \"x;y\" ;\nExecStart=@/bin/true z 1\n");
    file(
        USR,
        "foo-bar-x.service",
        b"[Service]\nExecStart=/bin/true\nEnvironment=A=unit B=unit\n[Install]\nAlias=other-name.service\n",
    );
    file(USR, "a-b@.service", TRUE.as_bytes());
    file(USR, "q--r-.service", TRUE.as_bytes());
    file(USR, "-lead.service", TRUE.as_bytes());
    for (unit, dirs) in [
        ("FOO", &["foo-bar-x", "foo-bar-", "foo-", "foo-bar", "foo", "other-name", "no-name"] as &[&str]),
        ("INST", &["a-b@x", "a-b@", "a-@x", "a-@", "a-", "a-b-@", "a-b"]),
        ("DASH", &["q--r-", "q--r", "q--", "q-", "-lead", "-"]),
    ] {
        for (index, dir) in dirs.iter().enumerate() {
            let text = format!("[Service]\nEnvironment={unit}_{index}=1 LAST=\"{dir}\"\n");
            // Several of them have the same name.
            file([ETC, LOCAL, USR][index % 3], &format!("{dir}.service.d/{:02}.conf", index % 4), text.as_bytes());
        }
    }
    file(ETC, "service.d/00.conf", b"[Service]\nEnvironment=TYPE=1\n");
    file(LOCAL, "service.d/99-type.conf", b"[Service]\nEnvironment=TYPE=2\n");
    file(ETC, "reset.service", b"[Service]\nExecStart=/bin/true\nEnvironment=A=1 B=1\n");
    file(
        LOCAL,
        "reset.service.d/10.conf",
        b"[Service]\nEnvironment=\nEnvironment=B=2\nExecStart=\nExecStart=/bin/echo %%\n",
    );
    file(USR, "reset.service.d/20.conf", b"[Service]\nEnvironment=C=hidden\n");
    file(ETC, "reset.service.d/20.conf", b"");
    file(USR, "reset.service.d/30.conf", b"[Service]\nEnvironment=D=hidden\n");
    file(ETC, "reset.service.d/.40.conf", b"[Service]\nEnvironment=E=hidden\n");
    file(ETC, "reset.service.d/50.conf~", b"[Service]\nEnvironment=E=hidden\n");
    file(ETC, "reset.service.d/60.conf", b"[Service]\nEnvironment=F=1\nEnvironment=G=\xff\nEnvironment=H=1\n");
    file(ETC, "reset.service.d/70.conf", b"[Service]\nEnvironment=I=1\n[Service\nEnvironment=J=1\n");
    file(ETC, "empty.service", b"");
    file(ETC, "comment.service", b"# only\n");
    file("opt/units", "linked.service", TRUE.as_bytes());
    file("opt/units", "nothing", b"");
    for name in ["null", "up", "zero", "to-nothing", "behind"] {
        file(USR, &format!("{name}.service"), TRUE.as_bytes());
    }
    file(ETC, "behind.service", TRUE.as_bytes());
    let mut link = |path: &str, target: &str| case.links.push((format!("{ETC}/{path}"), target.to_owned()));
    link("other-name.service", "/usr/lib/systemd/system/foo-bar-x.service");
    link("no-name.service", "foo-bar-x.service");
    link("reset.service.d/30.conf", "/dev/null");
    link("null.service", "/dev/null");
    link("up.service", "../../../dev/null");
    link("zero.service", "/dev/zero");
    link("to-nothing.service", "/opt/units/nothing");
    link("linked.service", "/opt/units/linked.service");
    case.units = vec![
        "syntax.service",
        "ends.service",
        "bom.service",
        "commands.service",
        "foo-bar-x.service",
        "other-name.service",
        "no-name.service",
        "a-b@x.service",
        "q--r-.service",
        "-lead.service",
        "reset.service",
        "empty.service",
        "comment.service",
        "null.service",
        "up.service",
        "zero.service",
        "to-nothing.service",
        "linked.service",
        "behind.service",
        "absent.service",
    ];
    case
}

impl Case {
    fn tree(&self) -> Tree {
        let tree = Tree::new();
        self.files.iter().for_each(|(path, text)| tree.write(path, text));
        self.links.iter().for_each(|(path, target)| tree.link(path, target));
        tree
    }

    /// Writes the files and links to a machine.
    fn put(&self, machine: &Systemd) {
        let mut script = "rm -f /usr/lib/systemd/system/-.mount\n".to_owned();
        for (path, text) in &self.files {
            let octal: String = text.iter().map(|byte| format!("\\{byte:03o}")).collect();
            script.push_str(&format!("mkdir -p \"$(dirname -- /{path})\"; printf '{octal}' > '/{path}'\n"));
        }
        for (path, target) in &self.links {
            script.push_str(&format!("mkdir -p \"$(dirname -- /{path})\"; ln -s '{target}' '/{path}'\n"));
        }
        machine.sh(&format!("{script}systemctl daemon-reload")).expect(0);
    }
}

fn boot(test: &str) -> Option<Systemd> {
    Systemd::boot(&[]).map_err(|reason| skip(test, &reason)).ok()
}

/// The output of `systemctl show` for a unit: each property with all its lines.
fn shown(machine: &Systemd, unit: &str) -> impl Fn(&str) -> Vec<String> + use<> {
    let text =
        machine.sh(&format!("systemctl show -p Id,LoadState,Environment,ExecStart -- '{unit}'")).expect(0).stdout;
    move |name| {
        let lines = text.lines().filter_map(|line| line.split_once('=')).filter(|(key, _)| *key == name);
        lines.map(|(_, value)| value.to_owned()).collect()
    }
}

/// The assignments of a list as shown, in the quoting of a shell.
fn assignments(shown: &str) -> BTreeSet<String> {
    let (mut all, mut one, mut is_quoted) = (BTreeSet::new(), String::new(), false);
    let mut chars = shown.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => one.push(chars.next().map_or('\\', |char| if char == 't' { '\t' } else { char })),
            '"' => is_quoted = !is_quoted,
            ' ' if !is_quoted => drop(all.insert(std::mem::take(&mut one))),
            _ => one.push(char),
        }
    }
    all.insert(one);
    all.remove("");
    all
}

/// Program and arguments of a command as shown, separated by blanks.
fn command(shown: &str) -> String {
    let of = |key: &str| shown.split_once(key).unwrap().1.split(" ; ignore_errors").next().unwrap().to_owned();
    let path = of("path=").split(" ; argv[]=").next().unwrap().to_owned();
    let argv = of("argv[]=");
    // With `@` the first word is the name that the program gets.
    if argv.starts_with(&path) { argv } else { format!("{path} {argv}") }
}

fn environment(settings: &Settings) -> BTreeSet<String> {
    settings.environment().into_iter().map(|one| format!("{}={}", one.name, one.value)).collect()
}

#[test]
fn units_have_the_settings_that_systemd_shows() {
    let Some(machine) = boot("systemd_judge") else { return };
    let case = case();
    case.put(&machine);
    let tree = case.tree();
    let root = Root::image(tree.path()).unwrap();
    let units = Units::read(&root, Scope::Now).unwrap();
    for name in &case.units {
        let unit = units.find(name).unwrap();
        let shown = shown(&machine, name);
        let state = &shown("LoadState")[0];
        assert_eq!((unit.is_masked(), unit.exists()), (state == "masked", state != "not-found"), "{name}: {state}");
        // The drop-ins of a unit that cannot be started are irrelevant.
        if unit.is_masked() || !unit.exists() {
            continue;
        }
        let settings = units.settings(&unit).unwrap();
        assert_eq!(
            environment(&settings),
            shown("Environment").iter().flat_map(|all| assignments(all)).collect(),
            "{name}"
        );
        let commands: Vec<String> = shown("ExecStart").iter().map(|one| command(one)).collect();
        let own: Vec<String> = settings.exec_start().into_iter().map(|one| one.argv.join(" ")).collect();
        assert_eq!(own, commands, "{name}");
        assert_eq!(unit.name, shown("Id")[0]);
    }
}

#[test]
fn environment_and_words_are_those_that_programs_get() {
    let Some(machine) = boot("systemd_judge") else { return };
    let env = b"# c\n; c\nA=1\nB=\"a b\" c 'd'  \n C = x\\\ny\nD='a\\n\"q\"'\nE=\"a\\n\\\"q\\$\\\\\"\nF=a\\nb # c\nG\n=H\nI==1\n\
                J=\"multi\nline\"\n1K=no\nM=%n $A\nN=a\rO=b\nP=unterminated \"x";
    let unit = "[Service]\nType=oneshot\nEnvironment=A=0 \"Q=x 'y z' \\\\\\\\w\" R=1 Z=%p\nEnvironmentFile=-/etc/none\nEnvironmentFile=/etc/j*.env\n\
                ExecStart=/usr/bin/env -0\nStandardOutput=append:/out\n";
    let words = "[Service]\nType=oneshot\nEnvironment=A=1 \"Q=x 'y z' \\\\\\\\w\"\nExecStart=/usr/bin/printf %%s\\\\0 $A $Q b${A}c$$ ${N} $N \\$A \"$Q\" x$A %%p\n\
                 ExecStart=:/usr/bin/printf %%s\\\\0 $A ${A}\nStandardOutput=append:/out\n";
    let case = Case {
        files: vec![
            ("etc/judge.env".to_owned(), env.to_vec()),
            (format!("{ETC}/env.service"), unit.as_bytes().to_vec()),
            (format!("{ETC}/words.service"), words.as_bytes().to_vec()),
        ],
        links: Vec::new(),
        units: Vec::new(),
    };
    case.put(&machine);
    let tree = case.tree();
    let root = Root::image(tree.path()).unwrap();
    let units = Units::read(&root, Scope::Now).unwrap();
    let settings = |name| units.settings(&units.find(name).unwrap()).unwrap();
    let out = |unit: &str| -> Vec<String> {
        machine.sh(&format!("rm -f /out; systemctl start {unit}")).expect(0);
        machine.read("/out").split_terminator('\0').map(str::to_owned).collect()
    };
    let own = settings("env.service").whole_environment(&root).unwrap();
    let own: BTreeSet<String> = own.into_iter().map(|one| format!("{}={}", one.name, one.value)).collect();
    // Variables that systemd adds.
    let added =
        ["LANG=", "PATH=", "INVOCATION_ID=", "SYSTEMD_EXEC_PID=", "JOURNAL_STREAM=", "CONTAINER=", "container="];
    let got = out("env.service").into_iter().filter(|one| !added.iter().any(|name| one.starts_with(name)));
    assert_eq!(own, got.collect());
    let settings = settings("words.service");
    let own = settings.exec_start_words(&settings.environment()).into_iter().map(|word| word.text);
    let own: Vec<String> = own.filter(|word| !word.starts_with("/usr/bin/") && word != "%s\\0").collect();
    assert_eq!(own, out("words.service"));
}

#[test]
fn files_in_run_apply_on_a_live_host() {
    let machine = match Systemd::boot(&[&tool::path("edge-crio"), &tool::path("edge-conf")]) {
        Ok(machine) => machine,
        Err(reason) => return skip("systemd_judge", &reason),
    };
    let unit = "[Service]\nExecStart=/bin/true $OPTIONS\n[Install]\nWantedBy=multi-user.target\n";
    machine.write("/usr/lib/systemd/system/crio.service", unit, "644");
    let settings = || machine.sh("edge-crio settings").expect(0).stdout;
    assert!(settings().contains("cgroupDriver=systemd\n"), "{}", settings());
    let dropin = "[Service]\nEnvironment=CONTAINER_CGROUP_MANAGER=cgroupfs\n";
    machine.write("/run/systemd/system/crio.service.d/x.conf", dropin, "644");
    assert!(settings().contains("cgroupDriver=cgroupfs\n"), "{}", settings());
    let check = || machine.sh("edge-crio check").expect(3).stdout;
    let findings = check();
    assert!(findings.contains("/run/systemd/system/crio.service.d/x.conf:2: "), "{findings}");
    assert!(findings.contains("crio.service: error: ") && !findings.contains("masked"), "{findings}");
    machine.sh("systemctl mask --runtime crio.service").expect(0);
    assert!(check().contains("crio.service: error: the unit is masked"), "{}", check());
    machine.sh("systemctl unmask --runtime crio.service").expect(0);
    assert!(!check().contains("masked"), "{}", check());
    // A later drop-in and an environment file take precedence over the drop-in of edge-conf.
    machine.write(
        "/usr/local/lib/systemd/system/edgecore.service.d/99.conf",
        "[Service]\nEnvironment=A=9\nEnvironmentFile=/etc/x.env\n",
        "644",
    );
    machine.write(
        "/usr/local/lib/systemd/system/edgecore.service",
        "[Service]\nExecStart=/bin/true\nEnvironment=C=1\n",
        "644",
    );
    machine.write("/etc/x.env", "# x\nB=9\n", "644");
    let ran = machine.sh("edge-conf --force-namespace env A=1 B=1 C=2").expect(3);
    for text in ["/edgecore.service.d/99.conf:2 also sets A", "/etc/x.env:2 also sets B"] {
        assert!(ran.stderr.contains(text), "{}", ran.stderr);
    }
    assert!(!ran.stderr.contains("sets C") && !ran.stderr.contains("does not exist yet"), "{}", ran.stderr);
    let shown = machine.sh("systemctl show -p Environment edgecore.service").expect(0).stdout;
    assert_eq!(shown.trim(), "Environment=C=2 A=9 B=1");
}

/// Runs `systemctl --root`; skipped without systemctl.
fn systemctl(tree: &Tree, args: &[&str]) -> Option<String> {
    let output = Command::new("systemctl")
        .arg(format!("--root={}", tree.path().display()))
        .args(args)
        .stdin(Stdio::null())
        .output();
    let output = output.map_err(|cause| skip("systemd_judge", &format!("systemctl cannot be run: {cause}"))).ok()?;
    Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

fn links_in(tree: &Tree) -> BTreeSet<String> {
    let snapshot = tree.snapshot();
    let links = snapshot.keys().map(|path| path.display().to_string());
    links.filter(|path| path.ends_with(".service") && path.contains("etc/")).collect()
}

/// A unit is enabled if the administrator has made any link to it.
fn is_enabled(root: &Root, units: &Units<'_>, unit: &Unit) -> bool {
    let requested = requested_links(&unit.name, &units.settings(unit).unwrap());
    units.links_to(unit).unwrap().iter().any(|link| link.is_admins())
        || requested.iter().any(|link| root.find_link(link).unwrap().exists())
}

#[test]
fn requested_links_are_those_of_systemctl_enable() {
    let tree = Tree::with(&[
        (
            &format!("{USR}/a.service"),
            "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=x.target y.target\nRequiredBy=z.service\nAlias=b.service c.service\n",
        ),
        (&format!("{LOCAL}/a.service.d/x.conf"), "[Install]\nWantedBy=\nWantedBy=w.target\n"),
        (&format!("{USR}/d.service"), TRUE),
        (&format!("{LOCAL}/e.service"), "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"),
        (&format!("{USR}/f@.service"), "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"),
    ]);
    tree.link(&format!("{USR}/v.target.wants/e.service"), "../e.service");
    let root = Root::image(tree.path()).unwrap();
    let look = |name: &str| {
        let units = Units::read(&root, Scope::NextBoot).unwrap();
        let unit = units.find(name).unwrap();
        (is_enabled(&root, &units, &unit), unit.is_masked(), units.links_to(&unit).unwrap().len())
    };
    for name in ["a.service", "e.service", "f@x.service"] {
        let units = Units::read(&root, Scope::NextBoot).unwrap();
        let requested = requested_links(name, &units.settings(&units.find(name).unwrap()).unwrap());
        let requested: BTreeSet<String> = requested.iter().map(|link| link.display().to_string()).collect();
        let before = links_in(&tree);
        if systemctl(&tree, &["enable", name]).is_none() {
            return;
        }
        let made: BTreeSet<String> = links_in(&tree).difference(&before).map(|path| in_root(&tree, path)).collect();
        assert_eq!(made, requested, "{name}");
        assert_eq!(systemctl(&tree, &["is-enabled", name]).unwrap(), "enabled");
        assert!(look(name).0, "{name}");
        systemctl(&tree, &["disable", name]).unwrap();
        assert_eq!((look(name).0, links_in(&tree)), (false, before), "{name}");
        assert_eq!(systemctl(&tree, &["is-enabled", name]).unwrap(), "disabled");
    }
    assert_eq!(look("e.service"), (false, false, 1), "a link in /usr starts the unit, but does not enable it");
    assert_eq!(
        (systemctl(&tree, &["is-enabled", "d.service"]).unwrap().as_str(), look("d.service").0),
        ("static", false)
    );
    systemctl(&tree, &["mask", "d.service"]).unwrap();
    assert_eq!(
        (systemctl(&tree, &["is-enabled", "d.service"]).unwrap().as_str(), look("d.service").1),
        ("masked", true)
    );
    systemctl(&tree, &["unmask", "d.service"]).unwrap();
    assert!(!look("d.service").1);
}

/// A path of the tree, relative to its root.
fn in_root(tree: &Tree, path: &str) -> String {
    let path = Path::new(path);
    let inner = path.strip_prefix(tree.path()).unwrap_or(path).display().to_string();
    format!("/{}", inner.trim_start_matches('/'))
}

#[test]
fn undo_of_a_start_succeeds_where_the_unit_is_gone() {
    let Some(machine) = boot("undo_of_a_start") else { return };
    let inverse = edge_systemd::systemctl::start("thing.service").inverse.unwrap();
    let undo = inverse.iter().map(|word| edge_host::quoted(word)).collect::<Vec<_>>().join(" ");
    machine.write("/etc/systemd/system/thing.service", "[Service]\nExecStart=/bin/sleep 1000\n", "644");
    machine.sh("systemctl daemon-reload; systemctl start thing").expect(0);
    machine.sh(&undo).expect(0);
    machine
        .sh("! systemctl is-active --quiet thing; rm /etc/systemd/system/thing.service; systemctl daemon-reload")
        .expect(0);
    machine.sh("systemctl stop -- thing.service").expect(5);
    machine.sh(&undo).expect(0);
    // Any other failure is one.
    machine.write("/usr/local/bin/systemctl", "#!/bin/sh\nexit 1\n", "755");
    machine.sh(&format!("PATH=/usr/local/bin:$PATH; {undo}")).expect(1);
}
