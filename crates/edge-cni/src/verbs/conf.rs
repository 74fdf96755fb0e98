//! `edge-cni conf bridge`: the network that most nodes want, in words that their plugins read.

use std::path::{Path, PathBuf};

use edge_fetch::sha256;
use edge_host::action::Bytes;
use edge_host::{
    Error, Exit, Host, Inverse, Mode, Node, OutState, Outcome, Plan, Result, State, apply, out_file, out_state,
};

use crate::cli::BridgeArgs;
use crate::conflist::{self, CONF_DIR, File};
use crate::facts::networks;
use crate::installed;
use crate::plan::{self, PROGRAMS};
use crate::plugin::{self, DEBIAN_DIR};
use crate::request::{Network, absolute};
use crate::runtime::runtimes;
use crate::version::Cni;
use edge_conflist::known::Known;

const STDOUT: &str = "-";

/// A plugin and the versions that it reads.
type Reads = (String, Vec<Cni>);

pub(crate) fn run(host: &mut Host, args: &BridgeArgs) -> Result<Outcome> {
    absolute(&args.bin_dir)?;
    let wanted = Network::new(&args.name, &args.subnets)?;
    let path = Path::new(CONF_DIR).join(format!("10-{}.conflist", wanted.name));
    let to_stdout = args.out.as_deref() == Some(Path::new(STDOUT));
    if to_stdout && host.report.is_json() {
        return Err(Error::usage("cannot use --json with --out -: the document is standard output"));
    }
    if args.out.is_none() {
        host.prepare_change()?;
    }
    let files = conflist::files(host, Path::new(CONF_DIR))?;
    let others: Vec<&File> = files.iter().filter(|file| file.path != path).collect();
    let networks = networks(host)?;
    if networks.is_none() {
        host.report.note("the image's routes are not known: the subnet may overlap one of them");
    }
    plan::refuse_overlaps(&wanted, networks.as_ref(), &others)?;
    let document = plan::document(&wanted, version(host, args)?)?;
    match &args.out {
        Some(_) if to_stdout => {
            host.report.document(document.as_bytes())?;
            Ok(Outcome::default())
        }
        Some(out) => to_file(host, out, &document),
        None => to_host(host, &wanted, path, document, &others),
    }
}

/// What the plugins read: as they say themselves, or as the record of an image says of their release.
fn version(host: &mut Host, args: &BridgeArgs) -> Result<Cni> {
    let mut reads: Vec<Reads> = Vec::new();
    let record = installed::read(host)?;
    let known = Known::read()?;
    for name in PROGRAMS {
        let path = args.bin_dir.join(name);
        let standing = plugin::look(host, &args.bin_dir, name)?;
        if standing == plugin::Standing::Missing {
            if args.cni_version.is_some() && args.out.is_some() {
                // It is for another machine, and its user knows what is there.
                continue;
            }
            return Err(missing(host, &args.bin_dir, name));
        }
        if host.root.is_live() {
            let answer = plugin::ask(host, &path).map_err(|error| {
                let hint = "edge-cni check looks at each plugin";
                if error.hint_text().is_some() { error } else { error.hint(hint) }
            })?;
            reads.push((name.to_owned(), answer.reads));
            continue;
        }
        let shown = path.to_string_lossy().into_owned();
        let release = record.plugins.get(&shown).and_then(|plugin| plugin.version.as_ref());
        match release.and_then(|release| known.plugins(release)) {
            Some(newest) => reads.push((name.to_owned(), up_to(newest))),
            None if args.cni_version.is_some() => {}
            None => {
                return Err(Error::failed(format!("cannot tell what {} reads: edge-cni did not install it", shown))
                    .hint("programs of an image are not run: name the version with --cni-version"));
            }
        }
    }
    match args.cni_version {
        Some(asked) if reads.is_empty() => plan::version(&[(PROGRAMS[0].to_owned(), vec![asked])], Some(asked)),
        None => {
            let (reads, capped) = capped(host, reads)?;
            let version = plan::version(&reads, None)?;
            if let Some(text) = capped.filter(|_| version < Cni::NEWEST) {
                host.report.note(&text);
            }
            Ok(version)
        }
        asked => plan::version(&reads, asked),
    }
}

/// Leaves out what the host's runtimes do not read, and says so.
fn capped(host: &Host, reads: Vec<Reads>) -> Result<(Vec<Reads>, Option<String>)> {
    let Some(oldest) = runtimes(host)?.into_iter().min_by_key(|runtime| runtime.reads) else {
        return Ok((reads, None));
    };
    let newest = reads.iter().filter_map(|(_, reads)| reads.iter().max()).min().copied();
    if newest.is_none_or(|newest| newest <= oldest.reads) {
        return Ok((reads, None));
    }
    let cap = |reads: Vec<Cni>| reads.into_iter().filter(|version| *version <= oldest.reads).collect();
    let text = format!("the plugins read newer versions, but {} at most {}", oldest.shown(), oldest.reads);
    Ok((reads.into_iter().map(|(name, reads)| (name, cap(reads))).collect(), Some(text)))
}

/// The versions of the specification with lists, up to this one.
fn up_to(newest: Cni) -> Vec<Cni> {
    let all = ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];
    all.iter().filter_map(|text| text.parse().ok()).filter(|version| *version <= newest).collect()
}

fn missing(host: &Host, dir: &Path, name: &str) -> Error {
    let error =
        Error::failed(format!("cannot write a network: there is no {} in {}", name, host.root.display(dir).display()));
    let debian = host.root.find_link(&Path::new(DEBIAN_DIR).join(name)).is_ok_and(|found| found.exists());
    if debian && dir != Path::new(DEBIAN_DIR) {
        return error.hint(format!(
            "{DEBIAN_DIR} has one, but runtimes look in {dir}: edge-cni install puts them there",
            dir = dir.display()
        ));
    }
    error.hint("install the plugins first: edge-cni install; for another machine, give --out and --cni-version")
}

fn to_file(host: &mut Host, out: &Path, document: &str) -> Result<Outcome> {
    // The caller's own file, never below --root; its directory is not ours to make.
    let dir = out.parent().filter(|dir| !dir.as_os_str().is_empty());
    if let Some(dir) = dir.filter(|dir| !dir.is_dir()) {
        return Err(Error::failed(format!("cannot write {}: there is no directory {}", out.display(), dir.display()))
            .hint("make it first; without --out the file goes to the host's or image's /etc/cni/net.d"));
    }
    let standing = out_state(out, document.as_bytes())?;
    if standing == OutState::Same {
        host.report.up_to_date();
        return Ok(Outcome::default());
    }
    if host.mode == Mode::DryRun {
        host.report.line(&format!("would write {}", out.display()));
        return Ok(Outcome { exit: Exit::Differs, changed: true, ..Outcome::default() });
    }
    out_file(out, document.as_bytes())?;
    // A stream may be standard output itself, and what reads it expects the document alone.
    if standing != OutState::Stream {
        host.report.line(&format!("wrote {}", out.display()));
    }
    Ok(Outcome { changed: true, ..Outcome::default() })
}

fn to_host(host: &mut Host, wanted: &Network, path: PathBuf, document: String, others: &[&File]) -> Result<Outcome> {
    let mut record = installed::read(host)?;
    let was = host.root.find(&path)?;
    let shown = path.to_string_lossy().into_owned();
    let mut made = Plan::new();
    if let State::File { sha256, .. } = &was.state {
        let is_ours = record.is_ours(&shown, sha256);
        if was.bytes != document.as_bytes() && !is_ours {
            return Err(Error::refused(format!("cannot write {shown}: it is not as edge-cni left it"))
                .hint("choose another name with --name, or move that file away"));
        }
    }
    let first = others.iter().find(|other| other.content.is_ok() && other.path < path);
    if let Some(first) = first {
        made.note(format!("{} comes first, and is what a runtime uses", first.path.display()));
    }
    let sum = sha256(&document);
    record.replaces(&shown, &was.state, &sum);
    record.conflists.insert(shown, sum);
    installed::plan(host, &record, &mut made)?;
    if was.bytes != document.as_bytes() {
        let node = Node::File { content: Bytes::Known(document.into_bytes()), mode: 0o644 };
        let why = format!("the network {}", wanted.name);
        made.write(path, was, node, Inverse::Whole, why);
    }
    apply(host, made)
}
