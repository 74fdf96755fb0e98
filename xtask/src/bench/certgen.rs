//! edge-certgen against the openssl commands that make the same three files.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::case::{Case, Limit, NOTHING, TRACES};
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
    let (root, by_hand) = (memory.join("root"), memory.join("by-hand"));
    let pki = root.join("etc/kubernetes/pki");
    for dir in [&pki, &by_hand, &root.join("usr")] {
        make_dir(dir)?;
    }
    Sh::new(CA).dir(&pki).output()?;
    Sh::new("cp").args([pki.join("ca.crt"), pki.join("ca.key")]).arg(&by_hand).run()?;

    let text = |path: &Path| path.to_string_lossy().into_owned();
    let argv = |more: &[&str]| {
        let call = [text(&bin.join("edge-certgen")), "--root".into(), text(&root), "stream".into()];
        let names = ["--ip", "192.0.2.1"].iter().chain(more).map(|word| (*word).to_owned());
        call.into_iter().chain(names).collect::<Vec<String>>()
    };
    let again = Program::new("edge-certgen", &argv(&[]));
    again.time()?;
    let key = root.join(KEY);
    let before = String::from_utf8(read(&key)?)?;
    let new = Program::new("edge-certgen", &argv(&["--new-key", "--force"])).changing(key, &before);
    let new = new.leaving(root.join(TRACES));
    let script = format!("cd {}\n{STEPS}", text(&by_hand));
    let steps = Program::new("openssl", &["sh".to_owned(), "-c".to_owned(), script]);
    let nothing = Program::new("true", &[NOTHING]);
    let case = |name: &str, ours: Program, theirs: &Program, measure, limit, runs| Case {
        name: format!("edge-certgen stream, {name}"),
        ours,
        theirs: theirs.clone(),
        measure,
        limit,
        runs,
    };
    Ok([
        case("new key", new.clone(), &steps, Measure::Wall, Limit::Faster(10.0), 41),
        // In its own files, so this key pair does not change between the runs of the first case.
        case("in order", in_order(again, &root, &memory)?, &nothing, Measure::Cpu, Limit::TimesAnd(2.0, 3.0), 301),
        case("new key", new, &nothing, Measure::Memory, Limit::MiB(8.0), 5),
    ])
}

/// The same call on a copy of the tree.
fn in_order(call: Program, root: &Path, memory: &Path) -> Result<Program> {
    let copy = memory.join("in-order");
    Sh::new("cp --archive").arg(root).arg(&copy).run()?;
    Ok(call.with_argument(root, &copy))
}

/// Removes the files in memory.
pub(super) fn clean() -> Result<()> {
    remove_tree(Path::new(MEMORY))
}
