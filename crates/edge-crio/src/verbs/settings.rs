//! `edge-crio settings`: prints settings for other programs.

use edge_host::{Error, Host, Outcome, Result, is_hidden};
use edge_kubeedge::Minor;

use crate::bundle::Manifest;
use crate::cli::{Format, SettingsArgs};
use crate::config::{Current, Driver};
use crate::facts::answer;
use crate::verbs::check::installed_release;
use crate::verbs::startup;
use crate::version::KubeEdge;
use crate::{apt, catalog, unit};

pub(crate) fn run(host: &mut Host, args: &SettingsArgs) -> Result<Outcome> {
    if host.report.is_json() {
        return Err(Error::usage("cannot use --json with settings: its output is not made of records"));
    }
    let current = Current::read(host)?;
    let config = &current.effective;
    if let Some((file, line)) = config.unparsable.first() {
        return Err(Error::cannot("read", file, format!("line {line} is not valid TOML"))
            .hint("CRI-O does not start with this file either: repair it, or move it out of the directory"));
    }
    if let Some(listen) = config.invalid.iter().find(|one| one.key == "crio.api.listen") {
        return Err(Error::failed(format!(
            "cannot use {} of {}: it {}",
            listen.key,
            listen.file.display(),
            listen.problem
        ))
        .hint("CRI-O does not start with it either: set a value, or remove the line to use the default"));
    }
    let here = answer(host, config.socket())?;
    let is_installed = here.is_some()
        || Manifest::read(host)?.is_some_and(|manifest| !manifest.files.is_empty())
        || apt::installed(host)?.is_some()
        || unit::read(&host.root)?.file.is_some();
    if !is_installed {
        return Err(Error::failed("cannot print the settings of CRI-O: it is not installed").hint(unit::INSTALL_HINT));
    }
    let release = match here.as_ref().and_then(startup::version_of) {
        Some(runs) => Some(runs),
        None => installed_release(host)?,
    };
    // The daemon's own answer first: its unit and files may have changed since it was started.
    let driver = match here.and_then(|answer| answer.driver) {
        Some(driver) => driver.to_string(),
        None => {
            if let Some(problem) = &current.options.problem {
                host.report.warning(&format!("{problem}: the unit may set other values than CRI-O's files"));
            }
            config.driver().to_owned()
        }
    };
    if Driver::parse(&driver).is_none() {
        return Err(Error::failed(format!(
            "cannot use the cgroup_manager of CRI-O: {driver:?} is not a valid cgroup driver, expected systemd or cgroupfs"
        )));
    }
    if let Some(listen) = config.listen.as_ref().filter(|listen| !listen.value.starts_with('/')) {
        return Err(Error::failed(format!(
            "cannot print the socket: {}:{} sets {:?}, which is not an absolute path, and CRI-O creates {}",
            listen.file.display(),
            listen.line,
            listen.value,
            config.socket()
        ))
        .hint("set listen to an absolute path without unix://, and restart CRI-O"));
    }
    let socket = format!("unix://{}", config.socket());
    // A blank or line break in it would begin another line or flag.
    if socket.contains(|char: char| char.is_whitespace() || is_hidden(char)) {
        let place = config.listen.as_ref().map(|setting| format!(" of {}", setting.file.display()));
        return Err(Error::failed(format!(
            "cannot print crio.api.listen{}: {socket:?} contains blanks or invisible characters",
            place.unwrap_or_default()
        ))
        .hint("set a path without them"));
    }
    let text = match args.format {
        Format::EdgeConf => format!("socket={socket}\ncgroupDriver={driver}\n"),
        Format::Keadm => {
            // clap requires the version with this format.
            let kubeedge = args.kubeedge_version.unwrap_or(KubeEdge { minor: Minor::new(0), patch: None });
            if let Some(problem) = release.map(|crio| catalog::keadm_problem(crio, kubeedge)).transpose()?.flatten() {
                host.report.warning(&problem);
            }
            let flags = catalog::keadm_flags(kubeedge.minor, &socket, &driver)?;
            if flags.is_empty() {
                return Err(Error::failed(format!(
                    "cannot print flags: keadm of KubeEdge {kubeedge} has none for a container runtime"
                )));
            }
            format!("{}\n", flags.join(" "))
        }
    };
    host.report.document(text.as_bytes())?;
    Ok(Outcome::default())
}
