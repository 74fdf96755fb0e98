//! edge-pkg: the second call on a host that has everything, which needs no network.

use std::path::Path;

use anyhow::Result;

use super::case::{Case, Limit};
use super::measure::{Measure, Program};
use crate::sh::Sh;
use crate::workspace::{make_dir, write};

/// dpkg's list of this machine's packages, so that it has a real length.
const STATUS: &str = "/var/lib/dpkg/status";
/// Packages to configure: name, version and the program of the unit.
const PACKAGES: [(&str, &str, &str); 2] = [
    ("docker.io", "20.10.24+dfsg1-1+deb12u1", "docker -H fd://"),
    ("containerd", "1.6.20~ds1-1+deb12u1", "containerd"),
];
const CALLS: [(&str, &[&str]); 2] = [
    ("docker", &["--cgroup-driver", "systemd", "--registry-mirror", "https://mirror.example"]),
    ("containerd", &["--cgroup-driver", "systemd", "--registry-mirror", "docker.io=https://mirror.example"]),
];

/// Time and memory of both runtimes, on a root tree.
pub(super) fn all(bin: &Path, scratch: &Path) -> Result<Vec<Case>> {
    let root = scratch.join("pkg");
    for dir in ["etc/apt", "usr/bin", "usr/lib/systemd/system", "var/lib/dpkg"] {
        make_dir(&root.join(dir))?;
    }
    let status = root.join("var/lib/dpkg/status");
    Sh::new("cp").arg(STATUS).arg(&status).run()?;
    let mut text = std::fs::read_to_string(&status)?;
    for (name, version, command) in PACKAGES {
        text.push_str(&format!(
            "\nPackage: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\nDescription: x\n"
        ));
        let unit = if name == "containerd" { "containerd" } else { "docker" };
        let unit = root.join(format!("usr/lib/systemd/system/{unit}.service"));
        write(&unit, format!("[Service]\nExecStart=/usr/bin/{command}\n[Install]\nWantedBy=multi-user.target\n"))?;
    }
    write(&status, text)?;
    let (program, root) = (bin.join("edge-pkg").display().to_string(), root.display().to_string());
    let mut cases = Vec::new();
    for (what, options) in CALLS {
        let call = [&[program.as_str(), "--root", &root, "install", what], options].concat();
        let again = Program::new("edge-pkg", &call);
        again.time()?;
        let (name, nothing) = (format!("edge-pkg install {what}, up to date"), Program::nothing());
        cases.push(Case::new(&name, (&again, &nothing), Measure::Wall, Limit::Millis(1000.0), 21));
        cases.push(Case::new(&name, (&again, &nothing), Measure::Memory, Limit::MiB(24.0), 5));
    }
    Ok(cases)
}
