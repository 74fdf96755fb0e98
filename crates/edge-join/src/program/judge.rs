//! Decides by its ELF file whether a program can be installed on a system. It is not run.

use std::fs::File;
use std::io::Seek;

use edge_host::{Arch, Error, Exit, Program, Result, ResultExt, Root, loader};
use edge_kubeedge::program;

use super::Release;

/// What the file of a program says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Its version: v1.23.1.
    pub version: String,
}

/// Checks the machine, loader and version of a program for the system below `root`, which is of this architecture.
///
/// Errors: exit 1 where it is not a program, exit 4 where it would not run here or is of another release.
pub fn judge(file: &mut File, shown: &str, root: &Root, arch: Arch, release: &Release) -> Result<Judged> {
    let refused = |what: String| Error::refused(format!("cannot install edgecore from {shown}: {what}"));
    file.rewind().on("read", shown)?;
    let program = Program::read(&mut *file);
    let Some(program) = program else {
        return Err(Error::failed(format!("cannot install edgecore from {shown}: it is not a program (ELF)"))
            .hint("get the file again"));
    };
    if !arch.may_run(program) {
        return Err(refused(format!("it is for {}, but this system is {arch}", program.machine()))
            .hint(format!("use that for this architecture: {}", release.archive(arch))));
    }
    let needed = loader(file).map_err(|cause| refused(cause.to_string()).with_exit(Exit::Failed))?;
    if let Some(path) = needed
        && !root.find(&path)?.exists()
    {
        return Err(refused(format!("it needs the loader {}, which this system does not have", path.display()))
            .hint("this edgecore is built for a system with another C library, such as glibc in place of musl: use one that is static, or another system"));
    }
    file.rewind().on("read", shown)?;
    let version = program::from_elf(file).on("read", shown)?;
    let Some(version) = version else {
        return Err(refused("it has no version of KubeEdge, or several".to_owned()).hint(
            "use edgecore of a release; a program that is packed or built without its version is not installed",
        ));
    };
    if version.text != release.tag() {
        return Err(refused(format!("it is {}, and {} is requested", version.text, release.tag()))
            .hint(format!("get the file of the release {release}, or request the other one with --version")));
    }
    Ok(Judged { version: version.text })
}

/// The version of an installed program; none where it is not known.
pub fn version_of(mut file: File, shown: &str) -> Result<Option<String>> {
    Ok(program::from_elf(&mut file).on("read", shown)?.map(|version| version.text))
}
