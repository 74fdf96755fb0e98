//! The go command: found, new enough, and run as the user whose caches and settings it uses.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use edge_host::{Cmd, Error, Result, ResultExt};
use nix::unistd::{Gid, Uid, User as Account, geteuid, setgroups, setresgid, setresuid};
use serde_json::Value;

use crate::version::Go as Version;

/// Where people and distributions put Go; sudo's PATH has few of these.
const USUAL: [&str; 5] = ["/usr/local/go/bin", "/usr/lib/go/bin", "/usr/lib/golang/bin", "/opt/go/bin", "/snap/bin"];
/// The same below a home directory.
const USUAL_AT_HOME: [&str; 3] = [".local/go/bin", "go-sdk/bin", "sdk/go/bin"];
/// What go is told of the caller's environment when it is asked for its settings, with those below.
const ASKED_WITH: [&str; 3] = ["GOPROXY", "GOFLAGS", "GOENV"];
/// The settings that hold for a build; GOFLAGS are looked through, and GOPROXY is without `direct`.
const KEPT: [&str; 11] = [
    "GOSUMDB",
    "GONOSUMDB",
    "GOPRIVATE",
    "GONOPROXY",
    "GOINSECURE",
    "GOAUTH",
    // The checksum database's newest state is kept below it, wherever the modules are.
    "GOPATH",
    "GOMODCACHE",
    "GOCACHE",
    "GOTMPDIR",
    "GOTOOLCHAIN",
];
/// The rest of what go was told: it has no part in the settings, but they may need it.
const PASSED: [&str; 6] = ["NETRC", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"];
const ASK: Duration = Duration::from_secs(30);
const TOP: &str = "/";

/// Whose rights, home and caches a build has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    home: PathBuf,
}

impl User {
    /// From here on this process, and what it starts, has the rights of this user alone.
    ///
    /// What root does in directories of another user can be misdirected by links. There is no way back.
    pub(crate) fn take_rights(&self) -> Result<()> {
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        // In this order: the last step takes away the right to the other two.
        let taken = setgroups(&[gid]).and_then(|()| setresgid(gid, gid, gid)).and_then(|()| setresuid(uid, uid, uid));
        taken.on("become user", uid.to_string())
    }
}

/// A go command that can be used.
#[derive(Debug)]
pub(crate) struct Go {
    program: PathBuf,
    user: Option<User>,
    pub(crate) version: Version,
    settings: BTreeMap<String, String>,
}

/// The user who called sudo; none where this is the user's own call, or root's.
pub(crate) fn invoking_user() -> Result<Option<User>> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u32>().ok();
    let (Some(uid), Some(gid)) = (number("SUDO_UID"), number("SUDO_GID")) else { return Ok(None) };
    if uid == 0 || !geteuid().is_root() {
        return Ok(None);
    }
    let account = Account::from_uid(Uid::from_raw(uid)).ok().flatten();
    let home = account.map(|account| account.dir).ok_or_else(|| {
        Error::failed(format!("cannot build as user {uid}, who called sudo: there is no such account"))
            .hint("run it without sudo: a build changes nothing on the host")
    })?;
    Ok(Some(User { uid, gid, home }))
}

/// The first go that is new enough, or may fetch one that is.
///
/// Errors: none found, none that answers, all too old, GOFLAGS that would run another program (exit 4).
pub(crate) fn find(need: Version, what: &str, asked: Option<&Path>, user: Option<&User>) -> Result<Go> {
    let programs = match asked {
        Some(program) => vec![named(program)?],
        None => candidates(user),
    };
    let (mut too_old, mut silent) = (None, None);
    for program in programs {
        match settings(&program, user) {
            Ok((version, settings)) => {
                let go = Go { program, user: user.cloned(), version, settings };
                if version >= need || go.fetches_toolchains() {
                    go.refuse_foreign_programs()?;
                    return Ok(go);
                }
                too_old.get_or_insert(go);
            }
            // What cannot say its version is no go to build with; the next one may be.
            Err(error) => {
                let said = error.cause();
                silent.get_or_insert(no_go(&program, &format!("it does not answer as go does: {said}")));
            }
        }
    }
    let absent = || {
        Error::failed(format!("cannot find go, which builds {what}"))
            .hint(format!("install Go {need} or newer (https://go.dev/dl), or name it: --go PROGRAM"))
    };
    Err(too_old.map(|go| go.too_old(need, what)).or(silent).unwrap_or_else(absent))
}

/// The go command that the user names: a path, or a name on the PATH.
fn named(program: &Path) -> Result<PathBuf> {
    let on_path = || {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_absolute() && is_program(file))
    };
    // Without a slash it is looked for as a shell does it: `go1.26.8`.
    if let Some(found) = (program.components().count() == 1).then(on_path).flatten() {
        return Ok(found);
    }
    let absolute = std::path::absolute(program).map_err(|cause| no_go(program, &cause.to_string()))?;
    match fs::metadata(&absolute) {
        Err(cause) => Err(no_go(&absolute, &cause.to_string())),
        Ok(meta) if meta.is_dir() => Err(no_go(&absolute, "it is a directory")),
        Ok(_) if !is_program(&absolute) => Err(no_go(&absolute, "it is no program that can be run")),
        Ok(_) => Ok(absolute),
    }
}

fn no_go(program: &Path, cause: &str) -> Error {
    Error::failed(format!("cannot use {} as the go command: {cause}", program.display()))
        .hint("name the program itself, such as --go /usr/local/go/bin/go; without --go it is looked for")
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
    // Asked for all, it runs a C compiler four times.
    let mut ask = base(program, user).args(["env", "-json", "GOVERSION", "GOFLAGS", "GOPROXY"]).args(KEPT);
    ask = ask.deadline(ASK);
    for (name, value) in [&ASKED_WITH[..], &KEPT, &PASSED].into_iter().flat_map(passed) {
        ask = ask.env(name, value);
    }
    let said = ask.run()?.stdout;
    let settings: BTreeMap<String, Value> =
        serde_json::from_str(&said).on("read", format!("the settings of {}", program.display()))?;
    let settings: BTreeMap<String, String> =
        settings.into_iter().filter_map(|(name, value)| Some((name, value.as_str()?.to_owned()))).collect();
    let version = match settings.get("GOVERSION").and_then(|version| version.parse().ok()) {
        Some(version) => version,
        // Before 1.16 it is no setting.
        None => {
            let said = base(program, user).arg("version").deadline(ASK).run()?.stdout;
            let word = said.split_whitespace().find_map(|word| word.starts_with("go1").then(|| word.parse().ok())?);
            word.ok_or("its answer names none").on("find the version of", program)?
        }
    };
    Ok((version, settings))
}

impl Go {
    fn setting(&self, name: &str) -> &str {
        self.settings.get(name).map(String::as_str).unwrap_or_default()
    }

    /// Whether it may fetch a newer toolchain by itself, through the same proxy and checksum database.
    fn fetches_toolchains(&self) -> bool {
        let toolchain = self.setting("GOTOOLCHAIN");
        self.version >= Version::SWITCHES && (toolchain == "auto" || toolchain.ends_with("+auto"))
    }

    /// What builds, for messages.
    pub(crate) fn shown(&self) -> String {
        format!("{} ({})", self.program.display(), self.version)
    }

    /// Where modules come from, for messages.
    pub(crate) fn proxy(&self) -> String {
        let proxy = self.setting("GOPROXY");
        let listed: Vec<&str> = proxy.split([',', '|']).filter(|one| !one.is_empty() && *one != "direct").collect();
        // Without git there is no way round a proxy, unless the user wants just that.
        if listed.is_empty() { proxy.to_owned() } else { listed.join(",") }
    }

    /// Where modules are kept.
    pub(crate) fn module_cache(&self) -> &str {
        self.setting("GOMODCACHE")
    }

    /// Whether the user says where go's temporary files go.
    pub(crate) fn has_own_tmp(&self) -> bool {
        !self.setting("GOTMPDIR").is_empty()
    }

    /// A command of this go with the user's settings, and none of them read again from files.
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
            .env("GOFLAGS", kept_flags(self.setting("GOFLAGS")))
            .env("GIT_TERMINAL_PROMPT", "0")
    }

    /// Fails where this go neither is new enough nor may fetch one that is.
    pub(crate) fn must_be(&self, need: Version, what: &str) -> Result<()> {
        if self.version >= need || self.fetches_toolchains() { Ok(()) } else { Err(self.too_old(need, what)) }
    }

    fn too_old(&self, need: Version, what: &str) -> Error {
        let error = Error::failed(format!("cannot build {what}: it needs Go {need}, and {} is older", self.shown()));
        let newest = crate::releases::Releases::known().ok().and_then(|known| known.newest_for(self.version).cloned());
        let older = newest.map(|release| format!("; this Go builds {release} and its kin")).unwrap_or_default();
        error.hint(if self.version >= Version::SWITCHES {
            format!(
                "GOTOOLCHAIN={} keeps it from fetching Go {need}: set GOTOOLCHAIN=auto, or install it{older}",
                self.setting("GOTOOLCHAIN")
            )
        } else {
            format!("install Go {need} or newer (https://go.dev/dl), or name it: --go PROGRAM{older}")
        })
    }

    /// GOFLAGS that have go run another program, or read other source, take the point out of the
    /// checksum database.
    fn refuse_foreign_programs(&self) -> Result<()> {
        let flags = self.setting("GOFLAGS");
        match split_flags(flags).map(flag_name).find(|name| ["toolexec", "overlay", "exec"].contains(name)) {
            None => Ok(()),
            Some(name) => {
                Err(Error::refused(format!("cannot build with GOFLAGS={flags}: -{name} changes what is built"))
                    .hint("run it with GOFLAGS= or take the flag out: go env -u GOFLAGS"))
            }
        }
    }
}

/// The user's flags but for those that say where modules are read.
fn kept_flags(flags: &str) -> String {
    let other = |flag: &&str| !["mod", "modfile"].contains(&flag_name(flag));
    split_flags(flags).filter(other).collect::<Vec<_>>().join(" ")
}

/// The single flags, as go takes them apart: one that begins with a quote goes on to the next of its kind.
fn split_flags(flags: &str) -> impl Iterator<Item = &str> {
    let mut rest = flags;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let quote = rest.chars().next().filter(|first| ['\'', '"'].contains(first));
        let end = match quote {
            Some(quote) => rest[1..].find(quote).map(|end| end + 2),
            None => rest.find(char::is_whitespace),
        };
        let (flag, behind) = rest.split_at(end.unwrap_or(rest.len()));
        rest = behind;
        (!flag.is_empty()).then_some(flag)
    })
}

/// `toolexec` of `-toolexec=x`, `--toolexec=x` and `'-toolexec=x y'`.
fn flag_name(flag: &str) -> &str {
    flag.trim_start_matches(['\'', '"']).trim_start_matches('-').split('=').next().unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn go(version: &str, settings: &[(&str, &str)]) -> Go {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Go { program: PathBuf::from("/x/go"), user: None, version: version.parse().unwrap(), settings }
    }

    #[test]
    fn an_old_go_may_fetch_a_new_one_if_the_user_lets_it() {
        let need = "1.24.2".parse().unwrap();
        for (version, toolchain, good) in [
            ("go1.24.2", "local", true),
            ("go1.22.1", "local", false),
            ("go1.22.1", "auto", true),
            ("go1.22.1", "go1.23.0+auto", true),
            ("go1.22.1", "path", false),
            ("go1.19.8", "auto", false),
        ] {
            assert_eq!(
                go(version, &[("GOTOOLCHAIN", toolchain)]).must_be(need, "it").is_ok(),
                good,
                "{version} {toolchain}"
            );
        }
        let error = go("go1.22.1", &[("GOTOOLCHAIN", "local")]).must_be(need, "v1.9.1").unwrap_err();
        assert_eq!(error.message(), "cannot build v1.9.1: it needs Go 1.24.2, and /x/go (1.22.1) is older");
        assert!(error.hint_text().unwrap().starts_with("GOTOOLCHAIN=local keeps it from fetching Go 1.24.2"));
    }

    #[test]
    fn flags_that_run_something_else_are_refused() {
        for flags in [
            "-toolexec=/tmp/x",
            "-p=2 --toolexec=x",
            "-overlay=/tmp/o.json",
            "'-toolexec=/tmp/x -y'",
            "-p=2 \"-overlay=/tmp/o.json\"",
            "'-p=2'-toolexec=x",
            "\n-p=2\t-toolexec=x",
        ] {
            let error = go("go1.26", &[("GOFLAGS", flags)]).refuse_foreign_programs().unwrap_err();
            assert_eq!(error.exit(), edge_host::Exit::Refused, "{flags}");
        }
        assert!(go("go1.26", &[("GOFLAGS", "-buildvcs=false -p=2")]).refuse_foreign_programs().is_ok());
        assert!(go("go1.26", &[("GOFLAGS", "'-ldflags=-X a=-toolexec'")]).refuse_foreign_programs().is_ok());
        for (flags, kept) in [
            ("-mod=vendor -p=2 --modfile=x -buildvcs=false", "-p=2 -buildvcs=false"),
            ("'-mod=vendor' '-tags=a b' \"-modfile=x\"", "'-tags=a b'"),
            ("'-tags=never ends", "'-tags=never ends"),
        ] {
            assert_eq!(kept_flags(flags), kept);
        }
    }

    #[test]
    fn modules_come_from_the_proxy_alone() {
        for (proxy, want) in [
            ("https://proxy.golang.org,direct", "https://proxy.golang.org"),
            ("https://a|https://b,direct", "https://a,https://b"),
            ("direct", "direct"),
            ("off", "off"),
        ] {
            assert_eq!(go("go1.26", &[("GOPROXY", proxy)]).proxy(), want);
        }
    }

    proptest::proptest! {
        #[test]
        fn flags_are_taken_apart_and_none_is_lost(flags in "[-=a-c'\" \t]{0,24}") {
            let solid = |text: &str| text.replace([' ', '\t'], "");
            assert_eq!(solid(&split_flags(&flags).collect::<String>()), solid(&flags));
        }
    }
}
