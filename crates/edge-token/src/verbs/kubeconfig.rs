//! `kubeconfig`.

use std::path::{Path, PathBuf};

use edge_host::{Error, Exit, Host, Outcome, Result, State, apply};
use nix::unistd::geteuid;

use crate::cli::KubeconfigArgs;
use crate::facts::{self, Input, User};
use crate::kubeconfig::{Access, Kubeconfig};
use crate::plan::{Wanted, plan};

/// The kubeconfig that kubeadm makes for the administrator.
const ADMIN: &str = "/etc/kubernetes/admin.conf";
const DIRECTORY: &str = ".kube";
const FILE: &str = "config";

pub(crate) fn run(host: &mut Host, args: &KubeconfigArgs) -> Result<Outcome> {
    // Before the lock is taken: it may be a pipe.
    let source = source(host, args)?;
    let user = facts::user(host, &args.user)?;
    // A user may write to their own home directory.
    let is_own = host.root.is_live() && !geteuid().is_root() && geteuid().as_raw() == user.uid;
    if is_own {
        host.prepare_edit(true)?;
    } else {
        host.prepare_change()?;
    }
    let home = home(host, &args.user, &user)?;
    let path = home.join(DIRECTORY).join(FILE);
    let shown = host.root.display(&path).display().to_string();
    if host.root.canonical(&path)? != path {
        return Err(Error::refused(format!("cannot write {shown}: a part of its path is a symbolic link"))
            .hint("replace the link with what it points to"));
    }
    let (access, context) = access(host, args, &source)?;
    let mut wanted =
        Wanted { access, context, from: source.name, shown, owner: (user.uid, user.gid), now: edge_host::now(), path };
    if let Some(name) = &args.name {
        wanted.rename(check_name(name)?);
    }
    wanted.check()?;
    let found = host.root.find_link(&wanted.path)?;
    let plan = plan(&wanted, found)?;
    let outcome = apply(host, plan)?;
    Ok(check_directory(host, &args.user, &user, &home.join(DIRECTORY))?
        .map_or(outcome, |exit| Outcome { exit: outcome.exit.worst(exit), ..outcome }))
}

fn source(host: &Host, args: &KubeconfigArgs) -> Result<Input> {
    match &args.from {
        Some(file) => facts::own_file(file),
        None => facts::host_file(host, Path::new(ADMIN)).map_err(|error| match error.io_kind() {
            Some(std::io::ErrorKind::NotFound) => {
                error.hint("run this on a control plane host, or name the kubeconfig: --from FILE")
            }
            _ => error,
        }),
    }
}

/// The home directory, without links: its parents belong to root, but what is in it to the user.
fn home(host: &Host, name: &str, user: &User) -> Result<PathBuf> {
    let home = host.root.canonical(&user.home)?;
    let shown = host.root.display(&home).display().to_string();
    match host.root.find_link(&home)?.state {
        State::Directory { uid, .. } if uid == user.uid => Ok(home),
        State::Directory { .. } => Err(Error::refused(format!("cannot use {shown}: it does not belong to {name}"))
            .hint(format!("if nobody else uses it: chown {}:{} {}", user.uid, user.gid, edge_host::quoted(&shown)))),
        State::Absent => Err(Error::failed(format!("cannot use {shown}: the home directory of {name} does not exist"))
            .hint(format!("create it: mkhomedir_helper {}", edge_host::quoted(name)))),
        other => Err(Error::failed(format!("cannot use {shown}: it is {}, not a directory", other.describe()))),
    }
}

/// The access that is copied, with the content of the files that it names, and the name of its context.
fn access(host: &Host, args: &KubeconfigArgs, source: &Input) -> Result<(Access, String)> {
    let cannot = |why: String| Error::cannot("copy", &source.name, why);
    let config = Kubeconfig::parse(source.text()?).map_err(cannot)?;
    let names = config.names("contexts");
    let context = match (&args.context, config.current(), names.as_slice()) {
        (Some(name), ..) => name.clone(),
        (None, Some(name), _) => name.to_owned(),
        (None, None, [only]) => only.clone(),
        (None, None, []) => return Err(cannot("it has no context".to_owned())),
        (None, None, several) => {
            let hint = format!("choose one: --context {}", several.join(", --context "));
            return Err(cannot("it has several contexts, and none is the current one".to_owned()).hint(hint));
        }
    };
    let mut access = config.access(&context).map_err(cannot)?;
    let directory = args.from.as_deref().unwrap_or(Path::new(ADMIN)).parent().unwrap_or(Path::new(""));
    let read = |file: &str| {
        let path = directory.join(file);
        let input = if args.from.is_some() { facts::own_file(&path) } else { facts::host_file(host, &path) };
        input.map(|input| input.bytes)
    };
    access.embed(read)?;
    Ok((access, context))
}

/// A name for entries of a kubeconfig.
fn check_name(name: &str) -> Result<&str> {
    if name.is_empty() || name.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(Error::usage(format!("cannot use --name {name:?}: expected a name without spaces")));
    }
    Ok(name)
}

/// A manual step if the directory belongs to another user, such as root after `sudo mkdir`.
fn check_directory(host: &mut Host, name: &str, user: &User, directory: &Path) -> Result<Option<Exit>> {
    let State::Directory { uid, .. } = host.root.find_link(directory)?.state else { return Ok(None) };
    if uid == user.uid {
        return Ok(None);
    }
    let shown = host.root.display(directory).display().to_string();
    host.report.warning(&format!("{shown} does not belong to {name}, and kubectl cannot write its cache there"));
    host.report.hint(&format!("chown {}:{} {}", user.uid, user.gid, edge_host::quoted(&shown)));
    host.report.manual_step();
    Ok(Some(Exit::Differs))
}
