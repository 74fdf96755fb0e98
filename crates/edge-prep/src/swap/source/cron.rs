//! Jobs of cron that turn swap on: at boot (`@reboot`), or later and so after a boot too.
//!
//! Reported, not edited.

use std::path::{Path, PathBuf};

use edge_host::{Result, Root};

use super::script;
use super::{AtBoot, SwapSource};

const SYSTEM: &str = "/etc/crontab";
const SYSTEM_DIR: &str = "/etc/cron.d";
const USERS: [&str; 2] = ["/var/spool/cron/crontabs", "/var/spool/cron"];
const PERIODIC: [&str; 4] = ["/etc/cron.hourly", "/etc/cron.daily", "/etc/cron.weekly", "/etc/cron.monthly"];
const AT_BOOT: &str = "@reboot";
/// Minute, hour, day, month, weekday.
const FIELDS: usize = 5;

pub(super) fn detect(root: &Root) -> Result<Vec<SwapSource>> {
    let mut tables = vec![(PathBuf::from(SYSTEM), true)];
    tables.extend(names(root, SYSTEM_DIR)?.into_iter().map(|path| (path, true)));
    for dir in USERS {
        tables.extend(names(root, dir)?.into_iter().map(|path| (path, false)));
    }
    let mut all = Vec::new();
    for (path, has_user) in tables {
        // Another directory of users' tables may be in this one.
        if !matches!(root.find(&path)?.state, edge_host::State::File { .. }) {
            continue;
        }
        let text = super::text(root, &path)?.unwrap_or_default();
        for (number, line) in text.lines().enumerate() {
            let Some((time, command)) = job(line, has_user) else { continue };
            if let Some(command) = script::in_text(root, &path, number, command) {
                let is_later = time != AT_BOOT;
                let why = if is_later { "run periodically" } else { "run at every boot" };
                all.push(SwapSource { is_later, ..command.source(root, "cron", AtBoot::Enabled, why) });
            }
        }
    }
    for dir in PERIODIC {
        for path in names(root, dir)? {
            if let Some(command) = script::in_program(root, &path) {
                let found = command.source(root, "cron", AtBoot::Enabled, "run periodically");
                all.push(SwapSource { is_later: true, ..found });
            }
        }
    }
    Ok(all)
}

/// The files that cron reads: not those with a dot in their name.
fn names(root: &Root, dir: &str) -> Result<Vec<PathBuf>> {
    let names = root.list(Path::new(dir))?;
    let is_read = |name: &str| !name.contains(['.', '~']);
    Ok(names.iter().filter(|name| name.to_str().is_some_and(is_read)).map(|name| Path::new(dir).join(name)).collect())
}

/// The first field of a job and its command; none for comments and variables.
fn job(line: &str, has_user: bool) -> Option<(&str, &str)> {
    let line = line.trim_start();
    let time = line.split_whitespace().next().filter(|first| !first.starts_with('#') && !first.contains('='))?;
    let skipped = if time.starts_with('@') { 1 } else { FIELDS } + usize::from(has_user);
    let mut rest = line;
    for _ in 0..skipped {
        rest = rest.trim_start().split_once(char::is_whitespace)?.1;
    }
    Some((time, rest.trim()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn job_separates_time_user_and_command() {
        for (line, has_user, expected) in [
            ("@reboot root swapon /x", true, Some(("@reboot", "swapon /x"))),
            ("@reboot\tswapon /x", false, Some(("@reboot", "swapon /x"))),
            ("*/5 * * * *  swapon /x", false, Some(("*/5", "swapon /x"))),
            ("0 1 * * * root  /a b", true, Some(("0", "/a b"))),
            ("# @reboot root x", true, None),
            ("PATH=/bin", false, None),
            ("", false, None),
            ("@reboot", false, None),
        ] {
            assert_eq!(super::job(line, has_user), expected, "{line}");
        }
    }
}
