//! `edge-crio settings`.

use edge_host::{Error, Host, Outcome, Result, is_hidden};
use edge_kubeedge::Minor;

use crate::bundle::Manifest;
use crate::cli::{Format, SettingsArgs};
use crate::config::Driver;
use crate::facts::{answer, socket_path};
use crate::verbs::up;
use crate::{apt, knowledge, unit};

pub(crate) fn run(host: &mut Host, args: &SettingsArgs) -> Result<Outcome> {
    if host.report.is_json() {
        return Err(Error::usage("cannot use --json with settings: its output is for another program"));
    }
    let config = up::configuration(host)?;
    if let Some((file, why)) = config.broken.first() {
        return Err(Error::failed(format!("cannot read {}: it is no TOML: {why}", file.display()))
            .hint("CRI-O does not start with it either"));
    }
    if let Some(wrong) = config.wrong.iter().find(|wrong| wrong.key == "crio.api.listen") {
        return Err(Error::failed(format!("cannot use {} of {}: it {}", wrong.key, wrong.file.display(), wrong.why))
            .hint("CRI-O does not start with it either: set it, or take the line out"));
    }
    let here = answer(host, config.socket())?;
    let is_installed = here.is_some()
        || Manifest::read(host)?.is_some_and(|manifest| !manifest.files.is_empty())
        || apt::installed(host)?.is_some()
        || unit::UnitFacts::read(&host.root)?.file.is_some();
    if !is_installed {
        return Err(Error::failed("cannot tell CRI-O's settings: it is not installed here")
            .hint("edge-crio install --version V"));
    }
    // The daemon knows better than its unit and its files, which may have changed since it was started.
    let driver = match here.and_then(|answer| answer.driver) {
        Some(driver) => driver.to_string(),
        None => {
            let option = unit::driver_option(&host.root).unwrap_or_else(|error| {
                host.report.warning(&format!("{error}: the cgroup driver is that of CRI-O's files"));
                None
            });
            option.map_or_else(|| config.driver().to_owned(), |(option, _)| option.value)
        }
    };
    if Driver::parse(&driver).is_none() {
        return Err(Error::failed(format!(
            "cannot use CRI-O's cgroup_manager {driver:?}: it is neither systemd nor cgroupfs"
        )));
    }
    let socket = format!("unix://{}", socket_path(config.socket()));
    // Of these lines and flags each blank and line break would begin another one.
    if socket.contains(|char: char| char.is_whitespace() || is_hidden(char)) {
        let place = config.listen.as_ref().map(|setting| format!(" of {}", setting.file.display()));
        return Err(Error::failed(format!(
            "cannot print crio.api.listen{}: {socket:?} has blanks or characters that are not visible",
            place.unwrap_or_default()
        ))
        .hint("give the socket a path without them"));
    }
    let text = match args.format {
        Format::EdgeConf => format!("socket={socket}\ncgroupDriver={driver}\n"),
        Format::Keadm => {
            // clap asks for the version with this format.
            let kubeedge = args.kubeedge_version.unwrap_or(Minor::new(0));
            let flags = knowledge::keadm_flags(kubeedge, &socket, &driver)?;
            if flags.is_empty() {
                return Err(Error::failed(format!(
                    "cannot name flags: keadm of KubeEdge {kubeedge} has none for a runtime"
                )));
            }
            format!("{}\n", flags.join(" "))
        }
    };
    host.report.document(text.as_bytes())?;
    Ok(Outcome::default())
}
