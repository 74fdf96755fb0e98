//! edge-join: how long a check takes, of a double of cloudcore on the same host, and of a host that never answers; and the
//! memory of an install from a release archive of full size.

use std::path::Path;

use anyhow::{Result, anyhow};
use edgeutils_tests::{cloudcore, standin};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::case::{Case, Limit};
use super::measure::{Measure, Program};
use crate::workspace::{make_dir, write};

/// The header and claims of KubeEdge's tokens in base64url, and a signature.
const JWT: &str =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjQxMDI0NDQ4MDB9.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// On loopback with the double, whose start counts, too; and a host of which nothing comes, behind a device that drops what
/// is sent. What else is wrong with this host does not matter.
pub(super) fn all(bin: &Path, scratch: &Path) -> Result<Vec<Case>> {
    let (program, token) = (bin.join("edge-join"), scratch.join("join-token"));
    write(&token, format!("{}.{JWT}\n", "0".repeat(64)))?;
    let check = |host: &str, token: &Path| {
        format!("{} check --cloudcore {host} --node-name edge1 --token {}", program.display(), token.display())
    };
    let only_problems = "test $? -eq 3";
    let double = cloudcore::program_for("amd64").map_err(|why| anyhow!("no double of cloudcore: {why}"))?;
    let (double, pki) = (double.display(), scratch.join("join-cloud"));
    let of_double = check("127.0.0.1", &pki.join("token"));
    let pki = pki.display();
    let loopback = format!(
        "ip link set lo up; {double} make {pki}; {double} serve {pki} >/dev/null & cloud=$!
        until ss -ltn | grep -q :10004; do sleep 0.01; done
        said=$({of_double}); code=$?; kill $cloud; test $code -eq 0 -o $code -eq 3 && ! echo \"$said\" | grep -q ^127.0.0.1"
    );
    let silent = "ip link add v0 type veth peer name v1; ip link set v0 up; ip link set v1 up; \
ip address add 192.0.2.1/24 dev v0; ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:01 dev v0";
    let dead = format!("{silent}; {}; {only_problems}", check("192.0.2.9", &token));
    let nothing = Program::nothing();
    let mut cases = Vec::new();
    for (name, script, limit, runs) in
        [("edge-join check on loopback", loopback, 2_000.0, 5), ("edge-join check of a dead host", dead, 15_000.0, 3)]
    {
        let call = Program::new("edge-join", &["unshare", "-n", "sh", "-c", &script]);
        cases.push(Case::new(name, (&call, &nothing), Measure::Wall, Limit::Millis(limit), runs));
    }
    let install = install(bin, scratch)?;
    cases.push(Case::new(
        "edge-join apply, an archive of 120 MB",
        (&install, &nothing),
        Measure::Memory,
        Limit::MiB(32.0),
        1,
    ));
    Ok(cases)
}

/// As large as a release archive of KubeEdge.
const ARCHIVE: usize = 120 << 20;
const RELEASE: &str = "v1.23.1";

/// An install from an archive below a root, so that neither systemd nor cloudcore is needed.
fn install(bin: &Path, scratch: &Path) -> Result<Program> {
    let dir = scratch.join("join");
    let root = dir.join("root");
    for part in ["etc", "usr/bin"] {
        make_dir(&root.join(part))?;
    }
    write(&root.join("etc/os-release"), "ID=test\n")?;
    write(&root.join("usr/bin/env"), standin::AMD64)?;
    write(&root.join("usr/bin/edge-join"), "")?;
    // The flags of its build have the version; the rest are incompressible bytes, similar to those of a program.
    let flags = format!("-ldflags=\"-X github.com/kubeedge/kubeedge/pkg/version.gitVersion={RELEASE} -s\"\n");
    let mut state = 1_u64;
    let filling = (0..ARCHIVE).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    });
    let program = with_section(flags.as_bytes(), filling);
    let archive = dir.join("archive.tar.gz");
    let mut tar = tar::Builder::new(GzEncoder::new(std::fs::File::create(&archive)?, Compression::fast()));
    let mut header = tar::Header::new_gnu();
    header.set_size(program.len() as u64);
    header.set_mode(0o755);
    tar.append_data(&mut header, format!("kubeedge-{RELEASE}-linux-amd64/edge/edgecore"), program.as_slice())?;
    tar.into_inner()?.finish()?;
    let text = |path: &Path| path.display().to_string();
    let traces = [root.join("usr/local"), root.join("var"), root.join("etc/kubeedge"), root.join("etc/systemd")];
    let script = format!(
        "rm -rf {}; exec {} --root {} apply --cloudcore 192.0.2.1 --version {RELEASE} --archive {}",
        traces.map(|path| text(&path)).join(" "),
        text(&bin.join("edge-join")),
        text(&root),
        text(&archive)
    );
    Ok(Program::shell("edge-join", &script))
}

/// An ELF program for amd64 with a section `.go.buildinfo`, and these bytes behind it.
fn with_section(content: &[u8], filling: impl Iterator<Item = u8>) -> Vec<u8> {
    const NAMES: &[u8] = b"\0.go.buildinfo\0.shstrtab\0";
    let mut file = standin::AMD64.to_vec();
    file.resize(64, 0);
    let mut headers = vec![0; 64];
    for (name, bytes) in [(1_u32, content), (15, NAMES)] {
        let offset = file.len() as u64;
        let mut header = name.to_le_bytes().to_vec();
        header.extend(1_u32.to_le_bytes());
        for number in [0, offset, offset, bytes.len() as u64] {
            header.extend(u64::to_le_bytes(number));
        }
        header.resize(64, 0);
        headers.extend(header);
        file.extend(bytes);
    }
    file.resize(file.len().next_multiple_of(64), 0);
    let table = file.len() as u64;
    file.extend(headers);
    file.extend(filling);
    file[0x28..0x30].copy_from_slice(&table.to_le_bytes());
    for (at, number) in [(0x34, 64), (0x3a, 64), (0x3c, 3), (0x3e, 2)] {
        file[at..at + 2].copy_from_slice(&u16::to_le_bytes(number));
    }
    file
}
