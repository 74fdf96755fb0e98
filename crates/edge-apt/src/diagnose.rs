//! Explains apt's messages: what they mean and what the user can do.

use edge_host::{Error, Output};

/// A known part of a message, its meaning, and a hint. The first match in the table is used.
struct Explanation {
    patterns: &'static [&'static str],
    meaning: &'static str,
    hint: &'static str,
}

const fn known(patterns: &'static [&'static str], meaning: &'static str, hint: &'static str) -> Explanation {
    Explanation { patterns, meaning, hint }
}

/// The lock was free in our check, and taken when apt or dpkg tried it.
pub(crate) const TAKEN_MEANWHILE: &str = "another program has taken apt's lock in the meantime";
/// The programs of a plan.
const PROGRAMS: [&str; 3] = ["apt-get", "apt-mark", "dpkg"];
/// apt prints it before the message itself.
const APT_PREFIX: &str = "An error occurred during the signature verification. The repository is not updated and \
the previous index files will be used. ";

/// The message of dpkg about a failed script of a package, and the hint.
const SCRIPT_FAILED: &str = "script subprocess returned error";
const SCRIPT_HINT: &str = "fix what the script of the package reports, then run edge-apt wait --repair";
/// Lines without information, and the summary at the end of dpkg's output.
const NOISE: [&str; 2] = ["debconf: delaying package configuration", "E: Sub-process "];
const SUMMARY: &str = "Errors were encountered while processing:";

const TOO_OLD: &str = "its signature is of a type that this host's apt no longer accepts";
const TOO_OLD_HINT: &str =
    "use the repository of a newer version, or a bundle; or ask the owner of the repository to sign it again";

/// The messages of apt and dpkg about a lock that another program holds.
const LOCKED: &[&str] = &[
    "Could not get lock",
    "Unable to lock",
    "Unable to acquire the dpkg frontend lock",
    // dpkg up to Debian 10 and Ubuntu 20.04, then with the PID, and since 1.22 with the program.
    "is locked by another process",
    "lock was locked by ",
];

const EXPLANATIONS: &[Explanation] = &[
    known(
        &["parsing file '/var/lib/dpkg/", "/var/lib/dpkg/status - open (2", "Problem parsing dpkg Status line"],
        "dpkg's status file is missing or damaged",
        "show how it is restored: edge-apt wait",
    ),
    known(
        &["is not valid yet", "Not live until"],
        "its lists are dated in the future, so the clock of this host is behind",
        "set the clock, or wait until it is synchronized, and run again: timedatectl set-ntp true",
    ),
    known(
        &["is expired (invalid since", "has expired (invalid", "EXPSIG", "Verifying signature: Expired on"],
        "its lists have expired",
        "check the clock with timedatectl; if it is right, the repository or its mirror is no longer maintained",
    ),
    known(
        &["EXPKEYSIG", "KEYEXPIRED", "The primary key is not live", "is not live: because"],
        "the key that signs it has expired",
        "download the key again: it may have been extended under the same fingerprint",
    ),
    known(
        &["REVKEYSIG"],
        "the key that signs it was revoked by its owner",
        "get the new key of the repository and its fingerprint",
    ),
    known(&["SHA1 is not considered secure", "Policy rejected"], TOO_OLD, TOO_OLD_HINT),
    known(
        &["NO_PUBKEY", "No good signature", "Missing key"],
        "it is signed with a different key than the given one",
        "check the address, and ask the owner of the repository for its key and fingerprint",
    ),
    known(
        &["BADSIG", "bad signature", "Message has been manipulated", "into data and signature failed"],
        "its signature is invalid: it was changed on the way, or is being updated right now",
        "try again in a few minutes, without a proxy or mirror if there is one",
    ),
    // Followed only by the key's fingerprint: gpgv does not accept the hash.
    known(&["The following signatures were invalid"], TOO_OLD, TOO_OLD_HINT),
    known(
        &["404 Not Found", "does not have a Release file", "File not found"],
        "the repository or file does not exist (404)",
        "check that the version is released and not removed already",
    ),
    known(
        &["403 Forbidden"],
        "the server denies access (403)",
        "check the address, or set a password in /etc/apt/auth.conf.d",
    ),
    known(
        &["Could not resolve", "Temporary failure resolving", "Name or service not known"],
        "its name cannot be resolved",
        "check network and DNS; a proxy is set with Acquire::http::Proxy in /etc/apt/apt.conf.d",
    ),
    known(
        &[
            "Could not connect",
            "Connection failed",
            "Connection timed out",
            "Connection refused",
            "Could not handshake",
            "Unable to connect",
        ],
        "its server cannot be reached",
        "check the network; a proxy is set with Acquire::http::Proxy in /etc/apt/apt.conf.d; --offline needs no network",
    ),
    known(
        &["Certificate verification failed", "certificate", "No system certificates available"],
        "the server's certificate is not trusted",
        "install ca-certificates, set the clock, or set your own CA with Acquire::https::CaInfo in /etc/apt/apt.conf.d",
    ),
    known(
        &["Hash Sum mismatch", "File has unexpected size"],
        "its lists do not match each other: it is being updated, or a proxy mixes old and new files",
        "try again in a few minutes; Acquire::http::No-Cache=true bypasses the cache of a proxy",
    ),
    known(
        &["Clearsigned file isn't valid"],
        "the server sent something else, such as a login page",
        "log in to the network, set a proxy, or check the address",
    ),
    known(&["is not signed", "isn't signed"], "it is not signed", "use a signed repository"),
    known(
        &["No space left on device", "You don't have enough free space"],
        "the file system is full",
        "free some space (apt-get clean) and run again",
    ),
    known(
        &["Conflicting values set for option Signed-By"],
        "two files in apt's configuration set different keys for one repository",
        "remove one of the files in /etc/apt/sources.list.d",
    ),
    known(LOCKED, "another program holds apt's lock", "run the same command again: it waits for the lock"),
    known(
        &["Malformed entry", "Malformed stanza", "Malformed line", "is not known on line", "could not be read"],
        "a file of apt's sources is invalid",
        "fix or remove the line that apt names",
    ),
    known(
        &["exited unexpectedly", "received a segmentation fault"],
        "dpkg was killed while it was working",
        "repair the installation: edge-apt wait --repair",
    ),
    known(
        &["needs to be reinstalled, but I can't find an archive"],
        "",
        "make its archive available (edge-apt wait --update, its repository, the offline folder), or remove it: \
         dpkg --remove --force-remove-reinstreq NAME",
    ),
    known(&["dpkg was interrupted"], "dpkg was interrupted", "repair the installation: edge-apt wait --repair"),
    known(
        &["Depends:", "unmet dependencies", "not installable"],
        "",
        "add the repository that has the package, or put the package into the offline folder",
    ),
];

/// One line from the output of apt: the meaning, then apt's own words.
pub(crate) fn explain(error: Error, messages: &str) -> Error {
    let messages = &without_userinfo(messages);
    // In the order of the table, not of the lines: causes are listed before their consequences.
    let first = messages.lines().filter_map(|line| Some((known_in(line)?, line))).min_by_key(|(at, _)| *at);
    let Some((known, line)) = first.and_then(|(at, line)| Some((EXPLANATIONS.get(at)?, line))) else {
        let words: Vec<&str> = messages.lines().map(bare).filter(|line| !line.is_empty()).take(3).collect();
        return error.with_cause(&words.join("; "));
    };
    let line = one_line(bare(line));
    let text = if known.meaning.is_empty() { line } else { format!("{} ({line})", known.meaning) };
    error.with_cause(&text).hint(known.hint)
}

/// Removes the credentials of addresses: of a password with a slash apt quotes only a part, which no longer looks
/// like one.
fn without_userinfo(messages: &str) -> String {
    let word = |word: &str| match (word.find("://"), word.rfind('@')) {
        (Some(mark), Some(at)) if mark + 3 <= at => format!("{}{}", &word[..mark + 3], &word[at + 1..]),
        _ => word.to_owned(),
    };
    messages.split_inclusive(char::is_whitespace).map(word).collect()
}

/// The relevant lines, joined: without what dpkg and apt add to every failure.
fn relevant(lines: &str) -> String {
    let mut all = String::new();
    for line in lines.lines().map(str::trim).take_while(|line| !line.starts_with(SUMMARY)) {
        if line.is_empty() || NOISE.iter().any(|noise| line.starts_with(noise)) {
            continue;
        }
        if !all.is_empty() {
            all.push_str(if all.ends_with(':') { " " } else { "; " });
        }
        all.push_str(bare(line));
    }
    all
}

/// The row of the table that matches this line.
fn known_in(line: &str) -> Option<usize> {
    let line = one_line(line);
    EXPLANATIONS.iter().position(|known| known.patterns.iter().any(|pattern| line.contains(pattern)))
}

/// Whether apt or dpkg failed because another program holds the lock.
pub(crate) fn is_locked(error: &Error) -> bool {
    error.output().is_some_and(|output| LOCKED.iter().any(|pattern| messages(output).contains(pattern)))
}

/// The messages of a program: standard error, or else standard output.
pub(crate) fn messages(output: &Output) -> &str {
    if output.stderr.trim().is_empty() { &output.stdout } else { &output.stderr }
}

/// Explains the failure of a program of a plan, without its long command line, which the report shows. The hint of
/// the run about how to resume is kept.
pub(crate) fn of_run(error: Error, what: &str) -> Error {
    let is_ours = error.program().is_some_and(|program| PROGRAMS.contains(&program));
    let output = error.output().filter(|output| is_ours && output.status.code().is_some());
    let Some(lines) = output.map(|output| output.last_lines().join("\n")) else { return error };
    let how_to_resume = error.hint_text().map(str::to_owned);
    let error = error.with_action(what, "");
    let is_known = lines.lines().any(|line| known_in(line).is_some());
    let words = relevant(&lines);
    let (error, hint) = match words.as_str() {
        _ if is_known => {
            let error = explain(error, &lines);
            let hint = error.hint_text().map(str::to_owned);
            (error, hint)
        }
        "" => (error, None),
        words => (error.with_cause(words), words.contains(SCRIPT_FAILED).then(|| SCRIPT_HINT.to_owned())),
    };
    let hints: Vec<String> = hint.into_iter().chain(how_to_resume).collect();
    if hints.is_empty() { error } else { error.hint(hints.join("; ")) }
}

/// With single spaces: apt joins the indented lines of sqv.
fn one_line(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn bare(line: &str) -> &str {
    let line = line.trim();
    let line = ["E: ", "W: ", "dpkg: error: "].iter().find_map(|front| line.strip_prefix(front)).unwrap_or(line);
    line.strip_prefix(APT_PREFIX).unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use edge_host::Cmd;

    use super::*;

    fn update() -> Error {
        Error::cannot("update", "", "")
    }

    /// The failure of this command line with this output.
    fn run(line: &str, status: i32, stderr: &str) -> Error {
        let mut words = line.split(' ');
        let cmd = Cmd::at(words.next().unwrap()).args(words);
        let status = ExitStatus::from_raw(status << 8);
        cmd.failure(Output { status, stdout: String::new(), stderr: stderr.to_owned() })
    }

    #[test]
    fn explain_puts_the_meaning_before_apts_own_words() {
        let messages = "W: GPG error: file:/r ./ InRelease: The following signatures couldn't be verified because the public key is not available: NO_PUBKEY 1\nE: The repository 'file:/r ./ InRelease' is not signed.\n";
        let error = explain(update(), messages);
        assert!(
            error
                .message()
                .starts_with("cannot update: it is signed with a different key than the given one (GPG error"),
            "{error}"
        );
        assert!(error.hint_text().is_some());
    }

    #[test]
    fn explain_knows_both_verifiers() {
        let sqv = "W: OpenPGP signature verification failed: file:/r  InRelease: Sub-process /usr/bin/sqv returned an \
                   error code (1), error message is: Verifying signature:            ";
        let gpgv = "W: GPG error: file:/r  InRelease: ";
        for (front, messages, means) in [
            (sqv, "Message has been manipulated", "its signature is invalid"),
            (gpgv, "The following signatures were invalid: BADSIG 1 x", "its signature is invalid"),
            (
                gpgv,
                "Splitting up /var/lib/apt/lists/partial/_r into data and signature failed",
                "its signature is invalid",
            ),
            (gpgv, "The following signatures were invalid: 8B25160A9B56B19EBBD3EF2C1942FEDDE52EB085", TOO_OLD),
            (gpgv, "The following signatures were invalid: REVKEYSIG 1 x", "the key that signs it was revoked"),
            (sqv, "Expired on 2026-01-11T00:00:00Z", "its lists have expired"),
            (gpgv, "The following signatures were invalid: EXPSIG 1 x", "its lists have expired"),
            (
                sqv,
                "Not live until 2026-12-31T23:30:00Z",
                "its lists are dated in the future, so the clock of this host is",
            ),
        ] {
            let error = explain(update(), &format!("{front}{messages}\nE: The repository 'file:/r' is not signed.\n"));
            assert!(error.message().starts_with(&format!("cannot update: {means}")), "{error}");
            assert!(!error.message().contains("  "), "{error}");
        }
        let page = "E: Failed to fetch http://r/InRelease  Clearsigned file isn't valid, got 'NOSPLIT' (does the network require authentication?)\n\
                    E: The repository 'http://r  InRelease' is not signed.\n";
        let error = explain(update(), page);
        assert!(
            error.message().starts_with("cannot update: the server sent something else, such as a login page"),
            "{error}"
        );
    }

    #[test]
    fn explain_passes_on_an_unknown_message() {
        assert_eq!(explain(update(), "E: one\n\nW: two\n").message(), "cannot update: one; two");
    }

    #[test]
    fn of_run_explains_a_failed_program() {
        let error = run(
            "/usr/bin/apt-get install x -o a=b",
            100,
            "debconf: delaying\ndpkg: error: failed to write '/var/lib/dpkg/status': No space left on device\nE: Sub-process failed",
        );
        let explained = of_run(error.hint("go on"), "install x");
        assert_eq!(
            explained.message(),
            "cannot install x: the file system is full (failed to write '/var/lib/dpkg/status': No space left on device)"
        );
        assert_eq!(explained.hint_text(), Some("free some space (apt-get clean) and run again; go on"));
        let script = run(
            "/usr/bin/apt-get install x",
            100,
            "debconf: delaying package configuration, since\nno luck\ndpkg: error processing package x (--configure):\n \
             installed x package post-installation script subprocess returned error exit status 7\n\
             Errors were encountered while processing:\n x\nE: Sub-process y",
        );
        let explained = of_run(script, "install x");
        assert_eq!(
            explained.message(),
            "cannot install x: no luck; dpkg: error processing package x (--configure): \
             installed x package post-installation script subprocess returned error exit status 7"
        );
        assert_eq!(explained.hint_text(), Some(SCRIPT_HINT));
        let unknown = run("/usr/bin/dpkg --remove x", 1, "dpkg: oh\nno");
        assert_eq!(of_run(unknown, "remove x").message(), "cannot remove x: dpkg: oh; no");
        assert_eq!(of_run(run("/usr/bin/dpkg -a", 1, ""), "remove x").message(), "cannot remove x: exit status: 1");
        let other = Error::cannot("write", "/etc/x", "No space left on device");
        assert_eq!(of_run(other.clone(), "install x"), other);
        let foreign = run("/usr/bin/gpg -a", 1, "no");
        assert_eq!(of_run(foreign.clone(), "install x"), foreign);
    }

    #[test]
    fn is_locked_recognizes_every_version_of_dpkg() {
        for messages in [
            "E: Could not get lock /var/lib/dpkg/lock-frontend.",
            // dpkg's own words of 1.19, 1.20 and 1.22.
            "dpkg: error: dpkg frontend is locked by another process",
            "dpkg: error: dpkg frontend lock was locked by another process with pid 7",
            "dpkg: error: dpkg frontend lock was locked by /usr/bin/apt process with pid 7",
        ] {
            let error = run("/usr/bin/dpkg -a", 2, messages);
            assert!(is_locked(&error), "{messages}");
            assert!(is_locked(&of_run(error, "install x")), "{messages}");
            assert!(!is_locked(&Error::failed(messages)), "{messages}");
        }
        assert!(!is_locked(&run("/usr/bin/apt-get update", 100, "E: Unable to locate package")));
    }
}
