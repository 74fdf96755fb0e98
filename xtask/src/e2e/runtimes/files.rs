//! The files of the machine and of its server: Debian's packages in a repository, and a container image in a registry.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use edgeutils_tests::{debian, standin};
use serde_json::json;

use super::super::container::ContainerImage;
use super::super::disk::GuestFile;
use super::super::{Place, node, repository};
use crate::sh::Sh;
use crate::workspace::{make_dir, read, write};

/// What docker.io needs or recommends beside the packages of the machine; and the program of the containers.
const PACKAGES: [&str; 6] = ["apparmor", "busybox-static", "containerd", "docker.io", "runc", "tini"];
/// Where the repository is to the machine.
const REPOSITORY: &str = "debian";
/// Where Debian's archive is, for a computer with another system.
const ARCHIVE: &str = "http://deb.debian.org/debian";
const KEY: &str = "/etc/apt/keyrings/site.asc";

const CNI: &str = r#"{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.1.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
"#;

pub(super) fn make(place: &Place<'_>) -> Result<Vec<GuestFile>> {
    let (key, busybox) = packages(place)?;
    let image = ContainerImage::new(
        place.arch.debian(),
        &json!({"Entrypoint": ["/busybox"], "Cmd": ["sleep", "1000000"]}),
        &[("busybox", 0o755, &busybox), ("page", 0o644, b"a page of the container\n")],
    )?;
    for (repository, tag) in [("pause", "3.10"), ("site/pod", "1")] {
        image.publish(&place.served, repository, tag)?;
    }
    let client = standin::build(place.arch.debian(), "1.34.2").map_err(|reason| anyhow!("no CRI client: {reason}"))?;
    let source = format!("deb [signed-by={KEY}] http://10.0.2.100/{REPOSITORY} ./\n");
    let mut files = node::files(place)?;
    files.push(node::joined()?);
    files.push(GuestFile { path: "/opt/site/client".to_owned(), mode: 0o755, content: read(&client)? });
    files.push(GuestFile::text("/opt/site/pod.sh", include_str!("../../../data/e2e-runtimes-pod.sh")));
    files.push(GuestFile::text("/etc/apt/sources.list.d/site.list", source));
    files.push(GuestFile::text(KEY, key));
    files.push(GuestFile::text("/etc/cni/net.d/10-pods.conflist", CNI));
    Ok(files)
}

/// Publishes Debian's own packages; the key of the repository, and the program of the containers.
fn packages(place: &Place<'_>) -> Result<(Vec<u8>, Vec<u8>)> {
    let dir = place.served.join(REPOSITORY);
    make_dir(&dir)?;
    download(place, &dir)?;
    let tree = place.dir.join("busybox");
    Sh::new("dpkg-deb --extract").arg(of_package(&dir, "busybox-static")?).arg(&tree).capture()?;
    let busybox = read(&tree.join("bin/busybox"))?;
    let (key, _) = repository::publish(&dir)?;
    Ok((key, busybox))
}

fn of_package(dir: &Path, name: &str) -> Result<PathBuf> {
    let names = std::fs::read_dir(dir).context("cannot list the packages")?;
    let paths = names.filter_map(|entry| Some(entry.ok()?.path()));
    let is_it = |path: &PathBuf| path.to_string_lossy().contains(&format!("/{name}_"));
    paths.into_iter().find(is_it).ok_or_else(|| anyhow!("apt downloaded no {name}"))
}

/// By apt, which verifies them, with lists of its own: this computer may have another system.
fn download(place: &Place<'_>, dir: &Path) -> Result<()> {
    let (own, log) = (place.dir.join("apt"), place.dir.join("build.log"));
    make_dir(&own.join("lists/partial"))?;
    make_dir(&own.join("cache/archives/partial"))?;
    let mirrors = debian::mirrors(debian::RELEASE).map_err(|reason| anyhow!("no mirror of Debian: {reason}"))?;
    let mirrors = if mirrors.is_empty() { vec![format!("deb {ARCHIVE} {} main", debian::RELEASE)] } else { mirrors };
    write(&own.join("sources.list"), mirrors.join("\n") + "\n")?;
    let apt = || {
        let option = |name: &str, value: String| format!("-o{name}={value}");
        let at = |name: &str| own.join(name).display().to_string();
        Sh::new("apt-get -q -oAPT::Sandbox::User=root -oDir::Etc::SourceParts=/dev/null -oDir::State::status=/dev/null")
            .arg(option("Dir::Etc::SourceList", at("sources.list")))
            .arg(option("Dir::State::Lists", at("lists")))
            .arg(option("Dir::Cache", at("cache")))
            .arg(option("APT::Architecture", place.arch.debian().to_owned()))
            .arg(option("APT::Architectures", place.arch.debian().to_owned()))
            .dir(dir)
    };
    if !apt().arg("update").logged(&log)? || !apt().arg("download").args(PACKAGES).logged(&log)? {
        bail!("cannot download Debian's packages: see the end of {}", log.display());
    }
    Ok(())
}
