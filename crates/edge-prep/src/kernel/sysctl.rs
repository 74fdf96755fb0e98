//! Sysctls: a requested value of the kernel. `facts` has the values that boot sets, and the current ones.

mod facts;

use std::path::PathBuf;

use edge_host::{Error, Result, quoted};
use serde::{Deserialize, Serialize};

pub use facts::effective_sysctls;
pub(super) use facts::{SysctlFacts, facts, provider};

const PROC_SYS: &str = "/proc/sys";

/// A requested kernel value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sysctl {
    /// The key in dots.
    pub key: String,
    /// The value, white space folded.
    pub value: String,
}

impl Sysctl {
    /// Parses `K=V` from the user, the key in dots or slashes; errors are usage errors.
    pub fn parse(text: &str) -> Result<Sysctl> {
        let bad = |why: &str| {
            Error::usage(format!("{text:?} is not a valid sysctl: {why}"))
                .hint("use the form KEY=VALUE, such as net.ipv4.ip_forward=1")
        };
        let (key, value) = text.split_once('=').ok_or_else(|| bad("expected KEY=VALUE"))?;
        if value.contains(['\n', '\r', '\0']) {
            return Err(bad("the value must be one line"));
        }
        let key = dotted(key.trim());
        let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:@".contains(&byte);
        let parts: Vec<&str> = key.split('.').collect();
        if parts.len() < 2 || key.len() > 255 || !key.bytes().all(is_valid) {
            return Err(bad("expected a key such as net.ipv4.ip_forward"));
        }
        // A slash inside a part is a dot of a name (eth0.100); an empty part could become `..` in the path.
        if parts.iter().any(|part| part.is_empty() || part.split('/').any(|name| name.is_empty())) {
            return Err(bad("the key has an empty part"));
        }
        let value = folded(value);
        if value.is_empty() || value.contains(char::is_control) || value.len() > 1024 {
            return Err(bad("the value must be 1 to 1024 bytes without control characters"));
        }
        Ok(Sysctl { key, value })
    }

    /// The file below /proc/sys.
    pub fn path(&self) -> PathBuf {
        let mut path = PathBuf::from(PROC_SYS);
        path.extend(self.key.split('.').map(|part| part.replace('/', ".")));
        path
    }

    /// The option that requests it.
    pub(crate) fn option(&self) -> String {
        format!("--sysctl {}", quoted(&format!("{}={}", self.key, self.value)))
    }

    /// The line of a configuration file.
    pub(in crate::kernel) fn line(&self) -> String {
        format!("{} = {}", self.key, self.value)
    }
}

/// Folds white space, which the kernel ignores between the numbers of a value.
fn folded(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The key in dots: where its first separator is a slash, slashes and dots are swapped (sysctl.d(5)).
fn dotted(key: &str) -> String {
    match key.find(['.', '/']).map(|at| key.as_bytes()[at]) {
        Some(b'/') => key
            .chars()
            .map(|char| match char {
                '/' => '.',
                '.' => '/',
                other => other,
            })
            .collect(),
        _ => key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn sysctl_parse_refuses_invalid_keys_and_values() {
        for bad in [
            "a.b",
            "=1",
            "a=1",
            "net.=1",
            "../x=1",
            "net../x=1",
            "net/../../etc/x=1",
            "net.a b=1",
            "net.x=",
            "net.x=1\n2",
        ] {
            assert!(Sysctl::parse(bad).is_err(), "{bad:?}");
        }
        let sysctl = Sysctl::parse("net/ipv4/conf/eth0.100/forwarding = 1").unwrap();
        assert_eq!(sysctl.key, "net.ipv4.conf.eth0/100.forwarding");
        assert_eq!(sysctl.path(), Path::new("/proc/sys/net/ipv4/conf/eth0.100/forwarding"));
        assert_eq!(Sysctl::parse("net.ipv4.ping_group_range=0\t 10").unwrap().value, "0 10");
    }
}
