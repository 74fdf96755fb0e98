//! `download`: edgecore's release archive for another host.

use std::path::Path;

use edge_fetch::folder::{self, SUMS_512};
use edge_fetch::{Sha512Writer, sha512};
use edge_host::{Error, Exit, Host, Mode, Outcome, Result, Root, out_root, shown_url};
use serde_json::json;

use crate::cli::DownloadArgs;
use crate::program::{Options, Place, archives_exist, fetch_to, published_sum, select};

pub(crate) fn run(host: &mut Host, args: &DownloadArgs) -> Result<Outcome> {
    archives_exist(args.arch)?;
    let options = Options { sha512: args.sha512.clone(), mirror: args.mirror.clone(), ..Options::default() };
    let source = select(&options, &args.version, args.arch)?;
    let Place::Url(url) = &source.place else { return Err(Error::failed("cannot download a file of this host")) };
    let to = directory(&args.to)?;
    let name = args.version.archive(args.arch);
    let (path, shown) = (Path::new("/").join(&name), args.to.join(&name).display().to_string());
    // A complete file with its line in the list needs no server.
    let listed = folder::read_list(&args.to, SUMS_512)?;
    let listed = listed.as_deref().and_then(|list| edge_fetch::sums::listed(list, &name)).map(str::to_ascii_lowercase);
    let wanted = source.sha512.clone().or(listed);
    if let (Some(mut file), Some(wanted)) = (to.open(&path)?, &wanted)
        && sha512(&mut file, &shown, &|| host.check_interrupt())? == *wanted
    {
        if host.mode == Mode::Apply {
            folder::add_to_list(&to, SUMS_512, &name, wanted)?;
        } else {
            host.report.record("plan", json!({"actions": 0}));
        }
        host.report.line(&format!("{shown} is already downloaded, sha512 {wanted}"));
        host.report.up_to_date();
        return Ok(done(host, &shown, wanted, false));
    }
    if host.mode == Mode::DryRun {
        host.report.would_change(&format!("would download {} to {shown}", shown_url(url)));
        return Ok(Outcome { exit: Exit::Differs, changed: true, ..Outcome::default() });
    }
    let expected = match &source.sha512 {
        Some(sum) => sum.clone(),
        None => {
            let sum = published_sum(host, url)?;
            host.report.note(&format!(
                "the checksum of {name} is from the same place as the file: it detects damage, and does not prove the origin"
            ));
            sum
        }
    };
    // An interrupted download is removed.
    host.catch_signals()?;
    let mut file = Sha512Writer::new(to.new_file(&path, 0o644)?);
    fetch_to(host, url, &mut file)?;
    let (file, sum) = file.finish();
    // What has its final name is verified: a file of another call keeps it until then.
    if sum != expected {
        return Err(Error::refused(format!(
            "cannot use {}: its SHA-512 is {sum}, expected {expected}",
            shown_url(url)
        ))
        .hint("it is damaged, of another release, or was modified in transit; download it again"));
    }
    file.finish()?;
    folder::add_to_list(&to, SUMS_512, &name, &sum)?;
    host.report.line(&format!("downloaded {shown}, sha512 {sum}"));
    host.report.count(1);
    Ok(done(host, &shown, &sum, true))
}

fn done(host: &mut Host, path: &str, sum: &str, changed: bool) -> Outcome {
    host.report.record("file", json!({"path": path, "sha512": sum}));
    Outcome { changed, ..Outcome::default() }
}

/// A directory that the user named.
fn directory(path: &Path) -> Result<Root> {
    out_root(path).map_err(|error| match error.hint_text() {
        Some(_) => error,
        None => error.hint(format!("create it first: mkdir -p {}", path.display())),
    })
}
