//! Finds a go command that is new enough, on the PATH and in the usual places.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use edge_host::{Error, Result};

use super::{Go, User, home, settings};
use crate::version::Go as Version;

/// Where users and distributions install Go; few of these are on sudo's PATH.
const USUAL: [&str; 5] = ["/usr/local/go/bin", "/usr/lib/go/bin", "/usr/lib/golang/bin", "/opt/go/bin", "/snap/bin"];
/// The same below a home directory.
const USUAL_AT_HOME: [&str; 3] = [".local/go/bin", "go-sdk/bin", "sdk/go/bin"];

/// The first go that is new enough, or may download a toolchain that is.
///
/// `what` is what it builds, for messages; `requested` is the program that the user named.
/// Errors: none found, none that works, all too old, GOFLAGS that would run another program (exit 4).
pub(crate) fn find(need: Version, what: &str, requested: Option<&Path>, user: Option<&User>) -> Result<Go> {
    let programs = match requested {
        Some(program) => vec![named(program)?],
        None => candidates(user),
    };
    let (mut too_old, mut broken) = (None, None);
    for program in programs {
        match settings(&program, user) {
            Ok((version, settings)) => {
                let go = Go { program, user: user.cloned(), version, settings };
                if version >= need || go.downloads_toolchains() {
                    go.refuse_unsafe_flags()?;
                    return Ok(go);
                }
                too_old.get_or_insert(go);
            }
            // The next one may work.
            Err(error) => {
                broken.get_or_insert(unusable(&program, &format!("it does not work: {}", error.cause())));
            }
        }
    }
    let absent = || {
        Error::failed(format!("cannot find go to build {what}"))
            .hint(format!("install Go {need} or newer (https://go.dev/dl), or use --go PROGRAM"))
    };
    Err(too_old.map(|go| go.too_old(need, what)).or(broken).unwrap_or_else(absent))
}

/// The go command that the user names: a path, or a name on the PATH.
fn named(program: &Path) -> Result<PathBuf> {
    let on_path = || {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_absolute() && is_program(file))
    };
    // A name without a slash is searched on the PATH, as in a shell: `go1.26.8`.
    if let Some(found) = (program.components().count() == 1).then(on_path).flatten() {
        return Ok(found);
    }
    let absolute = std::path::absolute(program).map_err(|cause| unusable(program, &cause.to_string()))?;
    match fs::metadata(&absolute) {
        Err(cause) => Err(unusable(&absolute, &cause.to_string())),
        Ok(meta) if meta.is_dir() => Err(unusable(&absolute, "it is a directory")),
        Ok(_) if !is_program(&absolute) => Err(unusable(&absolute, "it is not executable")),
        Ok(_) => Ok(absolute),
    }
}

fn unusable(program: &Path, cause: &str) -> Error {
    Error::failed(format!("cannot use {} as the go command: {cause}", program.display()))
        .hint("use the path of the program, such as --go /usr/local/go/bin/go, or leave out --go to search for it")
}

fn is_program(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn candidates(user: Option<&User>) -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let home = home(user);
    let at_home = USUAL_AT_HOME.iter().map(|dir| home.join(dir));
    let dirs = std::env::split_paths(&path).chain(USUAL.iter().map(PathBuf::from)).chain(at_home);
    let mut found: Vec<PathBuf> = Vec::new();
    for program in dirs.map(|dir| dir.join("go")).filter(|file| file.is_absolute() && is_program(file)) {
        if !found.contains(&program) {
            found.push(program);
        }
    }
    found
}
