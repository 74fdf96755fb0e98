//! The comparisons, each with its limit.

use std::path::{Path, PathBuf};

use anyhow::Result;
use edgeutils_tests::systems;

use super::case::{Case, Limit, Selection, TRACES};
use super::certgen;
use super::measure::{Measure, Program};
use crate::sample::edgecore_yaml;
use crate::sh::Sh;
use crate::workspace::{make_dir, read};

/// The file under a root that `edge-conf` edits.
const EDGECORE_YAML: &str = "etc/kubeedge/config/edgecore.yaml";

/// The three keys, as arguments of each of the three programs.
const EDGE_CONF: &[&str] = &[
    "modules.edgeStream.enable=true",
    "modules.edgeStream.server=192.0.2.1:10004",
    "modules.metaManager.metaServer.enable=true",
];
const SED: &[&str] = &[
    "/^  edgeStream:/,/^  [a-z]/s/enable: false/enable: true/",
    "/^  edgeStream:/,/^  [a-z]/s/server: .*/server: 192.0.2.1:10004/",
    "/^    metaServer:/,/^    [a-z]/s/enable: false/enable: true/",
];
const YQ: &str = ".modules.edgeStream.enable = true \
    | .modules.edgeStream.server = \"192.0.2.1:10004\" \
    | .modules.metaManager.metaServer.enable = true";

/// Every case that needs no host of its own, with the binaries of `bin` and files in `scratch`.
pub(crate) fn all(selection: &Selection, bin: &Path, scratch: &Path) -> Result<Vec<Case>> {
    let mut cases = vec![
        version(bin, "edge-conf"),
        version(bin, "edge-cni"),
        version(bin, "edge-prep"),
        version(bin, "edge-redirect"),
    ];
    if selection.may_include("edge-prep") {
        cases.extend(prepare(bin, scratch)?);
    }
    if selection.may_include("edge-certgen") {
        cases.extend(certgen::cases(bin)?);
    }
    if selection.may_include("edge-conf") {
        for release in ["1.8", "1.23"] {
            cases.extend(set(bin, scratch, release)?);
        }
    }
    if selection.may_include("edge-cni") {
        cases.extend(super::cni::all(bin, scratch)?);
    }
    if selection.may_include("edge-crio") {
        cases.extend(super::crio::all(bin, scratch)?);
    }
    if selection.may_include("edge-manifest") {
        cases.extend(super::manifest::all(bin, scratch)?);
    }
    if selection.may_include("edge-token") {
        cases.extend(super::token::all(bin, scratch)?);
    }
    if selection.may_include("edge-join") {
        cases.extend(super::join::all(bin, scratch)?);
    }
    if selection.may_include("edge-pkg") {
        cases.extend(super::pkg::all(bin, scratch)?);
    }
    Ok(cases)
}

/// How long a utility takes to start.
fn version(bin: &Path, utility: &str) -> Case {
    let program = bin.join(utility).to_string_lossy().into_owned();
    let version = Program::new(utility, &[program.as_str(), "--version"]);
    let programs = (&version, &Program::nothing());
    Case::new(&format!("{utility} --version"), programs, Measure::Wall, Limit::Times(1.2), 501)
}

/// The commands of the install guides for the same purpose, on the files of a tree.
const GUIDE: &str = "\
sed -i '/swap/d' etc/fstab
printf 'overlay\\nbr_netfilter\\n' > etc/modules-load.d/k8s.conf
printf 'net.bridge.bridge-nf-call-iptables=1\\nnet.ipv4.ip_forward=1\\n' > etc/sysctl.d/k8s.conf
sed -i 's/$/ cgroup_enable=memory cgroup_memory=1/' boot/firmware/cmdline.txt";

/// A dry run on a Raspberry Pi, against four commands of the guides, which check nothing.
fn prepare(bin: &Path, scratch: &Path) -> Result<[Case; 2]> {
    let system = systems::by_name(systems::RASPBERRY_PI_OS_12);
    let copy = |name: &str| -> Result<PathBuf> {
        let dir = scratch.join(name);
        make_dir(&dir)?;
        Sh::new("cp --archive").arg(system.path().join(".")).arg(&dir).run()?;
        Ok(dir)
    };
    let (own, guide) = (copy("prep")?, copy("guide")?);
    for dir in ["etc/modules-load.d", "etc/sysctl.d"] {
        make_dir(&guide.join(dir))?;
    }
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let (program, root) = (text(&bin.join("edge-prep")), text(&own));
    let argv = [program.as_str(), "--root", &root, "apply", "--for", "kubeadm", "-n"];
    let edgeutils = Program::new("edge-prep", &argv).ending_with(3);
    let cmdline = guide.join("boot/firmware/cmdline.txt");
    let before = String::from_utf8(read(&cmdline)?)?;
    let reference = Program::shell("guide", &format!("cd {}\n{GUIDE}", text(&guide))).changing(cmdline, &before);
    let name = "edge-prep apply -n, Raspberry Pi";
    Ok([
        Case::new(name, (&edgeutils, &reference), Measure::Cpu, Limit::Times(4.0), 301),
        Case::new(name, (&edgeutils, &Program::nothing()), Measure::Memory, Limit::MiB(8.0), 5),
    ])
}

/// Three keys set in the default edgecore.yaml of a release.
fn set(bin: &Path, scratch: &Path, release: &str) -> Result<[Case; 3]> {
    let before = edgecore_yaml(release)?;
    let root = scratch.join(release);
    make_dir(&root.join("usr"))?;
    let text = |path: &Path| path.to_string_lossy().into_owned();

    let program = text(&bin.join("edge-conf"));
    let root_text = text(&root);
    let mut argv = vec![program.as_str(), "--root", &root_text, "--kubeedge-version"];
    argv.extend([release, "set"].iter().chain(EDGE_CONF));
    let edgeutils =
        Program::new("edge-conf", &argv).changing(root.join(EDGECORE_YAML), &before).leaving(root.join(TRACES));

    let copy = scratch.join(format!("{release}.sed.yaml"));
    let copy_text = text(&copy);
    let mut argv = vec!["sed", "-i"];
    argv.extend(SED.iter().flat_map(|expression| ["-e", expression]));
    argv.push(&copy_text);
    let sed = Program::new("sed", &argv).changing(copy, &before);

    let copy = scratch.join(format!("{release}.yq.yaml"));
    let copy_text = text(&copy);
    let yq = Program::new("yq", &["yq", "-y", "-i", YQ, &copy_text]).changing(copy, &before);

    let name = format!("edge-conf set, 3 keys, {release}");
    Ok([
        Case::new(&name, (&edgeutils, &sed), Measure::Cpu, Limit::Times(3.0), 301),
        Case::new(&name, (&edgeutils, &yq), Measure::Wall, Limit::Faster(10.0), 15),
        Case::new(&name, (&edgeutils, &Program::nothing()), Measure::Memory, Limit::MiB(8.0), 5),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_expressions_of_sed_each_change_their_line() {
        let scratch = std::env::temp_dir().join(format!("xtask-cases-{}", std::process::id()));
        for release in ["1.8", "1.23"] {
            let [sed, ..] = set(Path::new("bin"), &scratch, release).unwrap();
            sed.reference.time().unwrap();
            let after = std::fs::read_to_string(scratch.join(format!("{release}.sed.yaml"))).unwrap();
            let before = edgecore_yaml(release).unwrap();
            let changed = before.lines().zip(after.lines()).filter(|(a, b)| a != b);
            assert_eq!(changed.count(), 3, "{after}");
        }
        crate::workspace::remove_tree(&scratch).unwrap();
    }
}
