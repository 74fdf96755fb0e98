//! edge-certgen against the openssl commands that make the same three files.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::case::{Case, Limit, TRACES};
use super::measure::{Measure, Program};
use crate::sh::Sh;
use crate::workspace::{make_dir, read, remove_tree};

/// Both work on files in memory, so that the programs are measured and not the disk: edge-certgen
/// waits for it a dozen times, so that a power cut leaves a whole pair; the commands never do.
const MEMORY: &str = "/dev/shm/edgeutils-bench";

/// The manual steps: a copy of the CA, an EC key, a request, a certificate with its names.
const STEPS: &str = "\
set -e
cp ca.crt streamCA.crt
openssl ecparam -name prime256v1 -genkey -noout -out stream.key
openssl req -new -key stream.key -subj /C=CN/ST=Zhejiang/L=Hangzhou/O=KubeEdge -out stream.csr
echo 'subjectAltName = IP:127.0.0.1, IP:192.0.2.1' > names
openssl x509 -req -in stream.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 825 -sha256 -extfile names -out stream.crt";

const CA: &str = "openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 3650 -subj /CN=kubernetes \
-addext keyUsage=critical,keyCertSign";
const KEY: &str = "etc/kubeedge/certs/stream.key";

/// The three figures: a new key pair, an existing valid one, memory.
pub(super) fn cases(bin: &Path) -> Result<[Case; 3]> {
    let memory = PathBuf::from(MEMORY);
    clean()?;
    let (root, manual) = (memory.join("root"), memory.join("manual"));
    let pki = root.join("etc/kubernetes/pki");
    for dir in [&pki, &manual, &root.join("usr")] {
        make_dir(dir)?;
    }
    Sh::new(CA).dir(&pki).output()?;
    Sh::new("cp").args([pki.join("ca.crt"), pki.join("ca.key")]).arg(&manual).run()?;

    let text = |path: &Path| path.to_string_lossy().into_owned();
    let argv = |root: &Path, more: &[&str]| {
        let call = [text(&bin.join("edge-certgen")), "--root".into(), text(root), "stream".into()];
        let names = ["--ip", "192.0.2.1"].iter().chain(more).map(|word| (*word).to_owned());
        call.into_iter().chain(names).collect::<Vec<String>>()
    };
    Program::new("edge-certgen", &argv(&root, &[])).time()?;
    // A copy of the tree, so that this key pair does not change between the runs of the first case.
    let copy = memory.join("in-order");
    Sh::new("cp --archive").arg(&root).arg(&copy).run()?;
    let again = Program::new("edge-certgen", &argv(&copy, &[]));
    let key = root.join(KEY);
    let before = String::from_utf8(read(&key)?)?;
    let new = Program::new("edge-certgen", &argv(&root, &["--new-key", "--force"])).changing(key, &before);
    let new = new.leaving(root.join(TRACES));
    let steps = Program::shell("openssl", &format!("cd {}\n{STEPS}", text(&manual)));
    let nothing = Program::nothing();
    let name = "edge-certgen stream, new key";
    let in_order = Limit::TimesAnd(2.0, 3.0);
    Ok([
        Case::new(name, (&new, &steps), Measure::Wall, Limit::Faster(10.0), 41),
        Case::new("edge-certgen stream, in order", (&again, &nothing), Measure::Cpu, in_order, 301),
        Case::new(name, (&new, &nothing), Measure::Memory, Limit::MiB(8.0), 5),
    ])
}

/// Removes the files in memory.
pub(super) fn clean() -> Result<()> {
    remove_tree(Path::new(MEMORY))
}
