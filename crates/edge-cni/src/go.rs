//! The go command of a build, run with the settings and caches of the user.

mod find;
mod flags;
mod user;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use edge_host::{Cmd, Error, Result, ResultExt};
use serde_json::Value;

use crate::catalog::Catalog;
use crate::version::Go as Version;
pub(crate) use find::find;
pub(crate) use user::User;

/// Variables of the caller that decide, with [`KEPT`], what `go env` prints.
const QUERIED_WITH: [&str; 3] = ["GOPROXY", "GOFLAGS", "GOENV"];
/// The settings that a build keeps as they are; GOFLAGS are filtered, and GOPROXY loses `direct`.
const KEPT: [&str; 11] = [
    "GOSUMDB",
    "GONOSUMDB",
    "GOPRIVATE",
    "GONOPROXY",
    "GOINSECURE",
    "GOAUTH",
    // It has the latest state of the checksum database, wherever the modules are.
    "GOPATH",
    "GOMODCACHE",
    "GOCACHE",
    "GOTMPDIR",
    "GOTOOLCHAIN",
];
/// Variables that are not settings of go, but that it may need.
const PASSED: [&str; 6] = ["NETRC", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"];
const QUERY: Duration = Duration::from_secs(30);
const TOP: &str = "/";

/// A usable go command.
#[derive(Debug)]
pub(crate) struct Go {
    program: PathBuf,
    user: Option<User>,
    pub(crate) version: Version,
    settings: BTreeMap<String, String>,
}

fn home(user: Option<&User>) -> PathBuf {
    user.map_or_else(
        || std::env::var_os("HOME").map_or_else(|| PathBuf::from(TOP), PathBuf::from),
        |user| user.home.clone(),
    )
}

fn base(program: &Path, user: Option<&User>) -> Cmd {
    let mut path = program.parent().map_or_else(std::ffi::OsString::new, |dir| dir.as_os_str().to_os_string());
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_else(|| edge_host::SEARCH_PATH.into()));
    Cmd::at(program).dir(TOP).env("PATH", path).env("HOME", home(user))
}

fn passed<'n>(names: &'n [&str]) -> impl Iterator<Item = (&'n str, std::ffi::OsString)> {
    names.iter().filter_map(|name| Some((*name, std::env::var_os(name)?)))
}

fn settings(program: &Path, user: Option<&User>) -> Result<(Version, BTreeMap<String, String>)> {
    // Without names it would run a C compiler four times.
    let mut query = base(program, user).args(["env", "-json", "GOVERSION", "GOFLAGS", "GOPROXY"]).args(KEPT);
    query = query.deadline(QUERY);
    for (name, value) in [&QUERIED_WITH[..], &KEPT, &PASSED].into_iter().flat_map(passed) {
        query = query.env(name, value);
    }
    let output = query.run()?.stdout;
    let settings: BTreeMap<String, Value> =
        serde_json::from_str(&output).map_err(|_| "unexpected output of go env").on("read the settings of", program)?;
    let settings: BTreeMap<String, String> =
        settings.into_iter().filter_map(|(name, value)| Some((name, value.as_str()?.to_owned()))).collect();
    let version = match settings.get("GOVERSION").and_then(|version| version.parse().ok()) {
        Some(version) => version,
        // Before 1.16 it is not a setting.
        None => {
            let output = base(program, user).arg("version").deadline(QUERY).run()?.stdout;
            let word = output.split_whitespace().find_map(|word| word.starts_with("go1").then(|| word.parse().ok())?);
            word.ok_or("unexpected output of go version").on("read the version of", program)?
        }
    };
    Ok((version, settings))
}

impl Go {
    fn setting(&self, name: &str) -> &str {
        self.settings.get(name).map(String::as_str).unwrap_or_default()
    }

    /// Whether it may download a newer toolchain, through the same proxy and checksum database.
    fn downloads_toolchains(&self) -> bool {
        let toolchain = self.setting("GOTOOLCHAIN");
        self.version >= Version::SWITCHES && (toolchain == "auto" || toolchain.ends_with("+auto"))
    }

    /// Its path and version, for messages.
    pub(crate) fn shown(&self) -> String {
        format!("{} ({})", self.program.display(), self.version)
    }

    /// The module proxies. `direct` is left out, as it needs git, unless it is the only one.
    pub(crate) fn proxy(&self) -> String {
        let proxy = self.setting("GOPROXY");
        let listed: Vec<&str> = proxy.split([',', '|']).filter(|one| !one.is_empty() && *one != "direct").collect();
        if listed.is_empty() { proxy.to_owned() } else { listed.join(",") }
    }

    /// The directory of the module cache.
    pub(crate) fn module_cache(&self) -> &str {
        self.setting("GOMODCACHE")
    }

    /// Whether the user sets the directory of temporary files.
    pub(crate) fn has_own_tmp(&self) -> bool {
        !self.setting("GOTMPDIR").is_empty()
    }

    /// A command with the user's settings, none of which is read again from files.
    pub(crate) fn command(&self) -> Cmd {
        let mut command = base(&self.program, self.user.as_ref());
        for name in KEPT {
            command = command.env(name, self.setting(name));
        }
        for (name, value) in passed(&PASSED) {
            command = command.env(name, value);
        }
        command
            .env("GOENV", "off")
            .env("GOWORK", "off")
            .env("GO111MODULE", "on")
            .env("GOPROXY", self.proxy())
            .env("GOFLAGS", flags::kept(self.setting("GOFLAGS")))
            .env("GIT_TERMINAL_PROMPT", "0")
    }

    /// Fails where this go is too old and may not download a newer one.
    pub(crate) fn require(&self, need: Version, what: &str) -> Result<()> {
        if self.version >= need || self.downloads_toolchains() { Ok(()) } else { Err(self.too_old(need, what)) }
    }

    fn too_old(&self, need: Version, what: &str) -> Error {
        let error = Error::failed(format!("cannot build {what}: it needs Go {need}, but {} is older", self.shown()));
        let newest = Catalog::read().ok().and_then(|catalog| catalog.newest_for(self.version).cloned());
        let older = newest.map(|release| format!("; this Go can build {release}")).unwrap_or_default();
        error.hint(if self.version >= Version::SWITCHES {
            format!(
                "set GOTOOLCHAIN=auto, as GOTOOLCHAIN={} prevents the download of Go {need}; or install it{older}",
                self.setting("GOTOOLCHAIN")
            )
        } else {
            format!("install Go {need} or newer (https://go.dev/dl), or use --go PROGRAM{older}")
        })
    }

    fn refuse_unsafe_flags(&self) -> Result<()> {
        let flags = self.setting("GOFLAGS");
        match flags::first_unsafe(flags) {
            None => Ok(()),
            Some(name) => {
                Err(Error::refused(format!("cannot build with GOFLAGS={flags}: -{name} changes what is built"))
                    .hint("set GOFLAGS= for this command, or remove the flag: go env -u GOFLAGS"))
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn go(version: &str, settings: &[(&str, &str)]) -> Go {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Go { program: PathBuf::from("/x/go"), user: None, version: version.parse().unwrap(), settings }
    }

    #[test]
    fn require_accepts_an_old_go_that_may_download_a_newer_one() {
        let need = "1.24.2".parse().unwrap();
        for (version, toolchain, accepted) in [
            ("go1.24.2", "local", true),
            ("go1.22.1", "local", false),
            ("go1.22.1", "auto", true),
            ("go1.22.1", "go1.23.0+auto", true),
            ("go1.22.1", "path", false),
            ("go1.19.8", "auto", false),
        ] {
            assert_eq!(
                go(version, &[("GOTOOLCHAIN", toolchain)]).require(need, "it").is_ok(),
                accepted,
                "{version} {toolchain}"
            );
        }
        let error = go("go1.22.1", &[("GOTOOLCHAIN", "local")]).require(need, "v1.9.1").unwrap_err();
        assert_eq!(error.message(), "cannot build v1.9.1: it needs Go 1.24.2, but /x/go (1.22.1) is older");
        let hint = "set GOTOOLCHAIN=auto, as GOTOOLCHAIN=local prevents the download of Go 1.24.2";
        assert!(error.hint_text().unwrap().starts_with(hint), "{error}");
    }

    #[test]
    fn unsafe_flags_are_refused() {
        let refused = go("go1.26", &[("GOFLAGS", "-p=2 -toolexec=x")]).refuse_unsafe_flags().unwrap_err();
        assert_eq!(refused.exit(), edge_host::Exit::Refused);
        assert!(go("go1.26", &[("GOFLAGS", "-p=2")]).refuse_unsafe_flags().is_ok());
    }

    #[test]
    fn proxy_leaves_out_direct() {
        for (proxy, want) in [
            ("https://proxy.golang.org,direct", "https://proxy.golang.org"),
            ("https://a|https://b,direct", "https://a,https://b"),
            ("direct", "direct"),
            ("off", "off"),
        ] {
            assert_eq!(go("go1.26", &[("GOPROXY", proxy)]).proxy(), want);
        }
    }
}
