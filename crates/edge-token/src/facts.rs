//! Everything that is read: input of the caller, kubeconfigs, the account of a user, the clock.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use edge_host::{Error, Host, Result, ResultExt};
use nix::errno::Errno;

/// The longest input, in bytes: what edge-yaml reads.
pub const MAX_INPUT: usize = edge_yaml::MAX_BYTES;
const STDIN: &str = "-";
const PASSWD: &str = "/etc/passwd";

/// An input, and its name in messages.
#[derive(Debug)]
pub struct Input {
    /// The path, or `standard input`.
    pub name: String,
    /// What it contains.
    pub bytes: Vec<u8>,
}

impl Input {
    /// Its text. Errors: exit 1 if it is not UTF-8.
    pub fn text(&self) -> Result<&str> {
        std::str::from_utf8(&self.bytes).map_err(|_| Error::cannot("read", &self.name, "it is not UTF-8 text"))
    }
}

/// A file of the caller, also with `--root`; - is standard input. Errors: exit 1 if it cannot be read, or is empty or too
/// large.
pub fn own_file(path: &Path) -> Result<Input> {
    let is_stdin = path == Path::new(STDIN);
    let name = if is_stdin { "standard input".to_owned() } else { path.display().to_string() };
    let reader: Box<dyn std::io::Read> =
        if is_stdin { Box::new(std::io::stdin()) } else { Box::new(File::open(path).on("read", path)?) };
    let mut bytes = Vec::new();
    reader.take(MAX_INPUT as u64 + 1).read_to_end(&mut bytes).on("read", &name)?;
    bounded(&name, bytes.len())?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        let error = Error::cannot("read", &name, "it is empty");
        return Err(if is_stdin { error.hint("check the command before the pipe") } else { error });
    }
    Ok(Input { name, bytes })
}

/// A file below the root. Errors: exit 1 if it does not exist, cannot be read or is too large.
pub fn host_file(host: &Host, path: &Path) -> Result<Input> {
    let name = host.root.display(path).display().to_string();
    let bytes = host.root.read(path)?.ok_or_else(|| Error::io("read", &name, &Errno::ENOENT.into()))?;
    bounded(&name, bytes.len())?;
    Ok(Input { name, bytes })
}

fn bounded(name: &str, bytes: usize) -> Result<()> {
    if bytes > MAX_INPUT {
        return Err(Error::cannot("read", name, format!("it is larger than {} MiB", MAX_INPUT >> 20)));
    }
    Ok(())
}

/// A user of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The numeric user.
    pub uid: u32,
    /// The numeric primary group.
    pub gid: u32,
    /// The home directory.
    pub home: PathBuf,
}

/// The user of this name. Errors: exit 1 if there is none.
pub fn user(host: &Host, name: &str) -> Result<User> {
    let input = host_file(host, Path::new(PASSWD))?;
    let text = String::from_utf8_lossy(&input.bytes);
    parse_user(&text, name).ok_or_else(|| {
        Error::failed(format!("cannot find the user {name:?} in {}", input.name))
            .hint("only users of /etc/passwd are known; list them: cut -d: -f1 /etc/passwd")
    })
}

fn parse_user(passwd: &str, name: &str) -> Option<User> {
    let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
    let fields: Vec<&str> = line.split(':').collect();
    let [_, _, uid, gid, _, home, ..] = fields.as_slice() else { return None };
    let home = Path::new(home);
    home.is_absolute().then(|| Some(User { uid: uid.parse().ok()?, gid: gid.parse().ok()?, home: home.into() }))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_user_reads_the_line_of_that_name_alone() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nubuntu:x:1000:1001::/home/ubuntu:/bin/sh\nbad:x:a:0::/:\nold:x:1\nrel:x:1:1::home:\n";
        let user = parse_user(passwd, "ubuntu").unwrap();
        assert_eq!((user.uid, user.gid, user.home.as_path()), (1000, 1001, Path::new("/home/ubuntu")));
        for name in ["ubunt", "bad", "old", "rel", ""] {
            assert_eq!(parse_user(passwd, name), None, "{name}");
        }
    }
}
