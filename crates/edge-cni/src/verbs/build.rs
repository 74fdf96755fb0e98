//! `edge-cni build`: finds go, gets the source, builds all plugins at once, and checks each of them.

mod diagnose;
mod memory;
mod source;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use edge_host::{Arch, Error, Exit, Host, Mode, OutDir, Outcome, Program, Result, ResultExt};
use serde_json::json;

use crate::catalog::Catalog;
use crate::cli::BuildArgs;
use crate::go::{self, Go, User};
use crate::manifest::{self, Manifest};
use crate::version;
use diagnose::{At, diagnose};
use source::{Package, Source};

const FROM_MODULE: &str = "module";
/// The GOPATH of a build: go installs for other architectures below it, and not to GOBIN.
const GOPATH: &str = "gopath";
/// The directory of go's temporary files.
const TMP: &str = "gopath/tmp";
const BUILD: Duration = Duration::from_secs(3600);
const POLL_EVERY: Duration = Duration::from_millis(500);
const REPORT_EVERY: Duration = Duration::from_secs(30);

/// A build.
struct Job<'a> {
    catalog: &'a Catalog,
    args: &'a BuildArgs,
    arch: Arch,
    /// The folder with the source; none for the module.
    folder: Option<PathBuf>,
}

pub(crate) fn run(host: &mut Host, args: &BuildArgs) -> Result<Outcome> {
    host.must_be_live(
        "build",
        "go runs on this machine",
        "build without --root, with --arch, and install the result: edge-cni --root DIR install --from-build DIR",
    )?;
    let catalog = Catalog::read()?;
    let arch = args.arch.or_else(Arch::of_kernel);
    let arch =
        arch.ok_or_else(|| Error::usage("cannot determine the architecture of this machine").hint("use --arch ARCH"))?;
    let folder = (args.from != Path::new(FROM_MODULE)).then(|| std::path::absolute(&args.from));
    let folder = folder.transpose().on("find", &args.from)?;
    let job = Job { catalog: &catalog, args, arch, folder };
    let what = job.describe();

    // A build reads, runs and writes nothing as root.
    let user = User::of_sudo()?;
    if let Some(user) = &user {
        user.drop_root()?;
    }
    let local = job.folder.as_ref().map(|dir| source::folder(dir, &catalog)).transpose()?;
    let mut need = match &local {
        Some(source) => source.needs,
        None => catalog.go(&args.release).map(|need| need.max(version::Go::INSTALLS_MODULES)),
    };
    let go = go::find(*need.get_or_insert(version::Go::INSTALLS_MODULES), &what, args.go.as_deref(), user.as_ref())?;

    let existing = existing(&args.out)?;
    if let Some(built) = existing.as_ref().filter(|built| job.is_done(built, &go)) {
        show(host, built, &args.out);
        return Ok(up_to_date(host));
    }
    // The directory is replaced, which would leave the caller in a deleted one.
    if fs::canonicalize(&args.out).is_ok_and(|out| std::env::current_dir().is_ok_and(|here| here.starts_with(out))) {
        return Err(Error::usage(format!(
            "cannot build into {}: it contains the current directory",
            args.out.display()
        ))
        .hint("use another --out, or run the command from a different directory"));
    }
    if let Some(source) = &local {
        source.choose(&args.plugins, &args.release)?;
    }
    if host.mode == Mode::DryRun {
        let list = if args.plugins.is_empty() { "all plugins".to_owned() } else { args.plugins.join(", ") };
        let out = args.out.display();
        let what = format!("would build {list} of {} for {arch} into {out}, with {}", args.release, go.shown());
        host.report.would_change(&what);
        return Ok(Outcome { exit: Exit::Differs, changed: true, ..Outcome::default() });
    }

    host.catch_signals()?;
    let source = match local {
        Some(source) => source,
        None => source::fetch(host, &go, &catalog, &args.release)?,
    };
    if let Some(need) = source.needs {
        go.require(need, &what)?;
    }
    let chosen = source.choose(&args.plugins, &args.release)?;
    let out = OutDir::begin(&args.out).map_err(|error| for_caller(error, user.as_ref()))?;
    let manifest = make(host, &job, &go, &source, &chosen, &out)?;
    if existing.is_some_and(|built| built == manifest && built.is_intact_in(&args.out)) {
        show(host, &manifest, &args.out);
        return Ok(up_to_date(host));
    }
    // Last, as a directory without it is not a complete build.
    out.write(manifest::NAME, &manifest.bytes()?)?;
    out.finish()?;
    show(host, &manifest, &args.out);
    Ok(Outcome { changed: true, ..Outcome::default() })
}

/// Explains that a build under sudo cannot write where only root can.
fn for_caller(error: Error, user: Option<&User>) -> Error {
    match user {
        Some(user) if error.io_kind() == Some(std::io::ErrorKind::PermissionDenied) => error.hint(format!(
            "use an --out that user {} can write to: a build runs as the user who called sudo",
            user.uid
        )),
        _ => error,
    }
}

/// The build at --out, which is replaced; anything else but an empty directory is refused.
fn existing(out: &Path) -> Result<Option<Manifest>> {
    if let Some(manifest) = Manifest::read(out)? {
        return Ok(Some(manifest));
    }
    let refuse = |what: &str| {
        Error::refused(format!("cannot build into {}: {what}", out.display()))
            .hint("use a directory that does not exist yet")
    };
    match fs::read_dir(out).map(|mut entries| entries.next().is_some()) {
        Ok(true) => Err(refuse("it is neither empty nor a build of edge-cni")),
        Ok(false) => Ok(None),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotADirectory => Err(refuse("it is not a directory")),
        Err(cause) => Err(Error::io("read", out, &cause)),
    }
}

fn up_to_date(host: &mut Host) -> Outcome {
    host.report.up_to_date();
    if host.mode == Mode::DryRun {
        host.report.record("plan", json!({"actions": 0}));
    }
    Outcome::default()
}

impl Job<'_> {
    fn describe(&self) -> String {
        format!("{} of the CNI plugins", self.args.release)
    }

    fn source_name(&self) -> String {
        self.folder.as_ref().map_or_else(|| self.catalog.module.clone(), |dir| dir.display().to_string())
    }

    /// Whether this build would make the same. It is unknown for a folder, which may have changed.
    fn is_done(&self, built: &Manifest, go: &Go) -> bool {
        let expected = Manifest::new(&self.source_name(), &self.args.release, self.arch, &self.args.plugins);
        let same = (&built.source, &built.version, built.arch, &built.requested)
            == (&expected.source, &expected.version, expected.arch, &expected.requested);
        let by = built.go.parse::<version::Go>();
        self.folder.is_none() && same && by.is_ok_and(|by| by >= go.version) && built.is_intact_in(&self.args.out)
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
    let ldflags = format!("-s -w -X {}={}", job.catalog.version_variable, job.args.release);
    let mut command = go.command().env("CGO_ENABLED", "0").env("GOOS", "linux").env("GOARCH", job.arch.goarch());
    if let Some(goarm) = job.arch.goarm() {
        command = command.env("GOARM", goarm);
    }
    // It is removed with the rest when go is stopped.
    if !go.has_own_tmp() {
        command = command.env("GOTMPDIR", out.dir(TMP)?);
    }
    // Older versions would run without garbage collection and without a limit.
    if go.version >= version::Go::LIMITS_MEMORY {
        command = memory::variables().into_iter().fold(command, |command, (name, value)| command.env(name, value));
    }
    let bin = gopath.join("bin");
    command = match &job.folder {
        None => {
            let package = |one: &Package| format!("{}/{}@{}", job.catalog.module, one.dir, job.args.release);
            let install = command.env("GOPATH", &gopath).args(["install", "-trimpath", "-ldflags", &ldflags]);
            install.args(chosen.iter().map(package))
        }
        Some(dir) => {
            // Nothing is downloaded: the folder has a vendor directory.
            let build = command.env("GOPROXY", "off").dir(dir).args(["build", "-mod=vendor", "-trimpath"]);
            // git refuses to read a checkout of another user.
            let build = if go.version >= version::Go::STAMPS { build.arg("-buildvcs=false") } else { build };
            let mut to = bin.clone().into_os_string();
            to.push("/");
            out.dir("gopath/bin")?;
            build.args(["-ldflags", &ldflags, "-o"]).arg(to).args(chosen.iter().map(|one| format!("./{}", one.dir)))
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
    let command = host.stoppable(command.deadline(BUILD).report_every(POLL_EVERY));
    // The directory that go creates for another architecture.
    let crossed = bin.join(format!("linux_{}", job.arch.goarch()));
    let mut seen = BTreeSet::new();
    let mut reported = Duration::ZERO;
    let ran = command.run_reporting(&mut |elapsed| {
        if report_built(host, chosen, &[&bin, &crossed], &mut seen) {
            reported = elapsed;
        } else if elapsed >= reported + REPORT_EVERY {
            reported = elapsed;
            host.report.note(&format!("still compiling after {} s", elapsed.as_secs()));
        }
    });
    ran.map_err(|error| explained(error, job, go))?;
    report_built(host, chosen, &[&bin, &crossed], &mut seen);
    let mut manifest = Manifest::new(&job.source_name(), &job.args.release, job.arch, &job.args.plugins);
    manifest.sum.clone_from(&source.sum);
    for package in chosen {
        let made = [&crossed, &bin].into_iter().map(|dir| dir.join(&package.name)).find(|path| path.is_file());
        let made = made.ok_or_else(|| Error::failed(format!("cannot find the {} that go built", package.name)))?;
        verify(&made, &package.name, job.arch)?;
        if manifest.go.is_empty() {
            manifest.go = built_by(go, &made)?;
        }
        manifest.plugins.insert(package.name.clone(), manifest::sum(&made)?);
        out.rename(&made, &package.name)?;
    }
    out.remove(&gopath)?;
    Ok(manifest)
}

/// The error of a failed build, without the long command line.
fn explained(error: Error, job: &Job<'_>, go: &Go) -> Error {
    if error.exit() == Exit::Interrupted {
        return error;
    }
    if error.program().is_none() {
        let program = go.shown();
        return Error::failed(format!("cannot build {}: cannot run {program}: {}", job.describe(), error.cause()));
    }
    let at = if job.folder.is_some() { At::Folder } else { At::Module };
    diagnose(format!("cannot build {}: {}", job.describe(), error.cause()), at, go, job.catalog)
}

/// Reports the plugins that were built since the last call; whether there are any.
fn report_built(host: &mut Host, chosen: &[Package], dirs: &[&PathBuf], seen: &mut BTreeSet<String>) -> bool {
    let before = seen.len();
    for package in chosen {
        if dirs.iter().any(|dir| dir.join(&package.name).is_file()) && seen.insert(package.name.clone()) {
            host.report.note(&format!("built {} ({} of {})", package.name, seen.len(), chosen.len()));
        }
    }
    seen.len() > before
}

/// Checks that go built what was requested.
fn verify(path: &Path, name: &str, arch: Arch) -> Result<()> {
    let wrong = |what: &str| Error::failed(format!("cannot use the {name} that go built: {what}"));
    let file = fs::File::open(path).on("read", path)?;
    match Program::read(file) {
        None => Err(wrong("it is not a program")),
        Some(program) if !arch.is_of(program) => Err(wrong(&format!("it is for {}, not {arch}", program.machine()))),
        Some(program) if !program.is_static => Err(wrong("it is not statically linked")),
        Some(_) => Ok(()),
    }
}

/// The Go version that built a program; go may have downloaded another toolchain than its own.
fn built_by(go: &Go, program: &Path) -> Result<String> {
    let output = go.command().arg("version").arg(program).run()?.stdout;
    Ok(output.rsplit(": ").next().unwrap_or_default().trim().to_owned())
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
