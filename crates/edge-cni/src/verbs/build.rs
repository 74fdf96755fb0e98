//! `edge-cni build`: look for go, fetch or find the source, build all plugins at once, check each.

mod diagnose;
mod heap;
mod source;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use edge_host::{Arch, Error, Exit, Host, Mode, OutDir, Outcome, Program, Result, ResultExt};
use serde_json::json;

use crate::cli::BuildArgs;
use crate::go::{self, Go, User};
use crate::manifest::{self, Manifest};
use crate::releases::Releases;
use crate::version;
use diagnose::{At, diagnose};
use source::{Package, Source};

const FROM_MODULE: &str = "module";
/// The GOPATH of a build: with it, and not with GOBIN, go installs for another machine.
const GOPATH: &str = "gopath";
/// Where go works, below that.
const TMP: &str = "gopath/tmp";
const BUILD: Duration = Duration::from_secs(3600);
const LOOK_EVERY: Duration = Duration::from_millis(500);
const SAY_EVERY: Duration = Duration::from_secs(30);

/// What a build is told to do.
struct Job<'a> {
    releases: &'a Releases,
    args: &'a BuildArgs,
    arch: Arch,
    /// The checked-out folder, if it is not the module.
    folder: Option<PathBuf>,
}

pub(crate) fn run(host: &mut Host, args: &BuildArgs) -> Result<Outcome> {
    if !host.root.is_live() {
        return Err(Error::usage("cannot build with --root: go runs on this machine")
            .hint("build for it with --arch and install there: edge-cni --root DIR install --from-build DIR"));
    }
    let releases = Releases::known()?;
    let arch = args.arch.or_else(Arch::of_kernel);
    let arch = arch.ok_or_else(|| Error::usage("cannot tell what this machine is").hint("name it with --arch"))?;
    let folder = (args.from != Path::new(FROM_MODULE)).then(|| std::path::absolute(&args.from));
    let folder = folder.transpose().on("find", &args.from)?;
    let job = Job { releases: &releases, args, arch, folder };
    let what = job.what();

    // All of a build is the caller's own: as root nothing is read, run or written.
    let user = go::invoking_user()?;
    if let Some(user) = &user {
        user.take_rights()?;
    }
    let local = job.folder.as_ref().map(|dir| source::folder(dir, &releases)).transpose()?;
    let mut need = match &local {
        Some(source) => source.needs,
        None => releases.go(&args.release).map(|need| need.max(version::Go::INSTALLS_MODULES)),
    };
    let go = go::find(*need.get_or_insert(version::Go::INSTALLS_MODULES), &what, args.go.as_deref(), user.as_ref())?;

    let standing = standing(&args.out)?;
    if let Some(built) = standing.as_ref().filter(|built| job.is_done(built, &go)) {
        show(host, built, &args.out);
        return Ok(already(host));
    }
    // The directory is replaced, and whoever stands in it would be left with one that is gone.
    if fs::canonicalize(&args.out).is_ok_and(|out| std::env::current_dir().is_ok_and(|here| here.starts_with(out))) {
        return Err(Error::usage(format!("cannot build into {}: this call stands in it", args.out.display()))
            .hint("name another directory, or call it from above"));
    }
    if let Some(source) = &local {
        source.chosen(&args.plugins, &args.release)?;
    }
    if host.mode == Mode::DryRun {
        let list = if args.plugins.is_empty() { "all plugins".to_owned() } else { args.plugins.join(", ") };
        let out = args.out.display();
        host.report.line(&format!("would build {list} of {} for {arch} into {out}, with {}", args.release, go.shown()));
        host.report.record("plan", json!({"actions": 1}));
        return Ok(Outcome { exit: Exit::Differs, changed: true, ..Outcome::default() });
    }

    host.catch_signals()?;
    let source = match local {
        Some(source) => source,
        None => source::fetch(host, &go, &releases, &args.release)?,
    };
    if let Some(need) = source.needs {
        go.must_be(need, &what)?;
    }
    let chosen = source.chosen(&args.plugins, &args.release)?;
    let out = OutDir::begin(&args.out).map_err(|error| for_caller(error, user.as_ref()))?;
    let manifest = make(host, &job, &go, &source, &chosen, &out)?;
    if standing.is_some_and(|built| built == manifest && built.holds(&args.out)) {
        show(host, &manifest, &args.out);
        return Ok(already(host));
    }
    // Last: a directory without it is no build.
    out.write(manifest::NAME, &manifest.bytes()?)?;
    out.finish()?;
    show(host, &manifest, &args.out);
    Ok(Outcome { changed: true, ..Outcome::default() })
}

/// Under sudo a place that only root can write to is no place for a build.
fn for_caller(error: Error, user: Option<&User>) -> Error {
    match user {
        Some(user) if error.io_kind() == Some(std::io::ErrorKind::PermissionDenied) => error.hint(format!(
            "a build has the rights of the user who called sudo ({}): name an --out that this user can write to",
            user.uid
        )),
        _ => error,
    }
}

/// The build that stands at --out; anything else that is not empty is not ours to replace.
fn standing(out: &Path) -> Result<Option<Manifest>> {
    if let Some(manifest) = Manifest::read(out)? {
        return Ok(Some(manifest));
    }
    let refuse = |what: &str| {
        Error::refused(format!("cannot build into {}: {what}", out.display()))
            .hint("name a directory that is not there yet")
    };
    match fs::read_dir(out).map(|mut entries| entries.next().is_some()) {
        Ok(true) => Err(refuse("it holds something that no build of ours made")),
        Ok(false) => Ok(None),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotADirectory => Err(refuse("it is no directory")),
        Err(cause) => Err(Error::io("read", out, &cause)),
    }
}

fn already(host: &mut Host) -> Outcome {
    host.report.up_to_date();
    if host.mode == Mode::DryRun {
        host.report.record("plan", json!({"actions": 0}));
    }
    Outcome::default()
}

impl Job<'_> {
    fn what(&self) -> String {
        format!("{} of the CNI plugins", self.args.release)
    }

    fn source_name(&self) -> String {
        self.folder.as_ref().map_or_else(|| self.releases.module.clone(), |dir| dir.display().to_string())
    }

    /// Whether a build is what this one would make. Of a folder it cannot be told without building.
    fn is_done(&self, built: &Manifest, go: &Go) -> bool {
        let wanted = Manifest::new(&self.source_name(), &self.args.release, self.arch, &self.args.plugins);
        let same = (&built.source, &built.version, built.arch, &built.asked)
            == (&wanted.source, &wanted.version, wanted.arch, &wanted.asked);
        let by = built.go.parse::<version::Go>();
        self.folder.is_none() && same && by.is_ok_and(|by| by >= go.version) && built.holds(&self.args.out)
    }
}

fn make(
    host: &mut Host,
    job: &Job<'_>,
    go: &Go,
    source: &Source,
    chosen: &[Package],
    out: &OutDir,
) -> Result<Manifest> {
    let gopath = out.dir(GOPATH)?;
    let stamp = format!("-s -w -X {}={}", job.releases.stamp, job.args.release);
    let mut command = go.command().env("CGO_ENABLED", "0").env("GOOS", "linux").env("GOARCH", job.arch.goarch());
    if let Some(goarm) = job.arch.goarm() {
        command = command.env("GOARM", goarm);
    }
    // What go leaves in it when it is stopped goes with the rest.
    if !go.has_own_tmp() {
        command = command.env("GOTMPDIR", out.dir(TMP)?);
    }
    // Without a limit, which came with that version, it must not stop to collect.
    if go.version >= version::Go::LIMITS_MEMORY {
        command = heap::variables().into_iter().fold(command, |command, (name, value)| command.env(name, value));
    }
    let bin = gopath.join("bin");
    command = match &job.folder {
        None => {
            let package = |one: &Package| format!("{}/{}@{}", job.releases.module, one.dir, job.args.release);
            let install = command.env("GOPATH", &gopath).args(["install", "-trimpath", "-ldflags", &stamp]);
            install.args(chosen.iter().map(package))
        }
        Some(dir) => {
            // Nothing is fetched: the folder brings all of it.
            let build = command.env("GOPROXY", "off").dir(dir).args(["build", "-mod=vendor", "-trimpath"]);
            // The state of the checkout is not asked for: it may belong to another user.
            let build = if go.version >= version::Go::STAMPS { build.arg("-buildvcs=false") } else { build };
            let mut to = bin.clone().into_os_string();
            to.push("/");
            out.dir("gopath/bin")?;
            build.args(["-ldflags", &stamp, "-o"]).arg(to).args(chosen.iter().map(|one| format!("./{}", one.dir)))
        }
    };
    host.report.note(&format!(
        "building {} of {} for {} with {}",
        match chosen {
            [one] => one.name.clone(),
            all => format!("{} plugins", all.len()),
        },
        job.args.release,
        job.arch,
        go.shown()
    ));
    let command = host.stoppable(command.deadline(BUILD).report_every(LOOK_EVERY));
    // go makes a directory of its own for another machine.
    let crossed = bin.join(format!("linux_{}", job.arch.goarch()));
    let mut seen = BTreeSet::new();
    let mut said = Duration::ZERO;
    let ran = command.run_reporting(&mut |elapsed| {
        if report_built(host, chosen, &[&bin, &crossed], &mut seen) {
            said = elapsed;
        } else if elapsed >= said + SAY_EVERY {
            said = elapsed;
            host.report.note(&format!("compiling for {} s", elapsed.as_secs()));
        }
    });
    ran.map_err(|error| explained(error, job, go))?;
    report_built(host, chosen, &[&bin, &crossed], &mut seen);
    let mut manifest = Manifest::new(&job.source_name(), &job.args.release, job.arch, &job.args.plugins);
    manifest.sum.clone_from(&source.sum);
    for package in chosen {
        let made = [&crossed, &bin].into_iter().map(|dir| dir.join(&package.name)).find(|path| path.is_file());
        let made = made.ok_or_else(|| Error::failed(format!("cannot find {} after go built it", package.name)))?;
        must_be_for(&made, &package.name, job.arch)?;
        if manifest.go.is_empty() {
            manifest.go = built_by(go, &made)?;
        }
        manifest.plugins.insert(package.name.clone(), manifest::sum(&made)?);
        out.rename(&made, &package.name)?;
    }
    out.remove(&gopath)?;
    Ok(manifest)
}

/// The error of a build that failed, without its command line, which names every plugin.
fn explained(error: Error, job: &Job<'_>, go: &Go) -> Error {
    if error.program().is_none() {
        return error;
    }
    let at = if job.folder.is_some() { At::Folder } else { At::Module };
    diagnose(format!("cannot build {}: {}", job.what(), error.cause()), at, go, job.releases)
}

/// Says which plugins have come since the last time; whether any has.
fn report_built(host: &mut Host, chosen: &[Package], dirs: &[&PathBuf], seen: &mut BTreeSet<String>) -> bool {
    let before = seen.len();
    for package in chosen {
        if dirs.iter().any(|dir| dir.join(&package.name).is_file()) && seen.insert(package.name.clone()) {
            host.report.note(&format!("built {} ({} of {})", package.name, seen.len(), chosen.len()));
        }
    }
    seen.len() > before
}

/// Each result is looked at: what go was told and what it made must be the same.
fn must_be_for(path: &Path, name: &str, arch: Arch) -> Result<()> {
    let wrong = |what: &str| Error::failed(format!("cannot use what go built of {name}: {what}"));
    let file = fs::File::open(path).on("read", path)?;
    match Program::read(file) {
        None => Err(wrong("it is no program")),
        Some(program) if !arch.is_of(program) => Err(wrong(&format!("it is for {}, not {arch}", program.machine()))),
        Some(program) if !program.is_static => Err(wrong("it is not static")),
        Some(_) => Ok(()),
    }
}

/// The Go inside a program: not the one that was called, if that fetched another.
fn built_by(go: &Go, program: &Path) -> Result<String> {
    let said = go.command().arg("version").arg(program).run()?.stdout;
    Ok(said.rsplit(": ").next().unwrap_or_default().trim().to_owned())
}

fn show(host: &mut Host, manifest: &Manifest, out: &Path) {
    for (name, built) in &manifest.plugins {
        let file = out.join(name);
        host.report.line(&format!("{}  {:>6} KiB  {}", built.sha256, built.size.div_ceil(1024), file.display()));
        host.report.record(
            "plugin",
            json!({"name": name, "version": manifest.version, "arch": manifest.arch, "file": file,
                   "size": built.size, "sha256": built.sha256}),
        );
    }
}
