//! Commands of other programs in hints, as they work on an image.
//!
//! Pasted as they are for a running system, they would change the host that the image is mounted on.

use super::BEFORE_COMMAND;

/// Programs whose operands are paths as the image's system has them. Not umount, chattr and mkdir: those of the hints
/// are what the kernel says or the caller has named, as this machine has them.
const FILE_PROGRAMS: [&str; 7] = ["chmod", "mv", "cp", "rm", "ln", "zcat", "echo"];
/// What comes before one in a sentence, besides [`BEFORE_COMMAND`].
const BEFORE_IN_SENTENCE: [&str; 3] = ["&& ", "or ", "run "];
const SYSTEMCTL: &str = "systemctl";
/// Programs that work on the system that they are run in.
const IN_THE_SYSTEM: [&str; 2] = ["apt-get", "gpasswd"];
/// Verbs of systemctl that only change or read files (systemctl(1), `--root`).
const FILE_VERBS: [&str; 6] = ["enable", "disable", "mask", "unmask", "cat", "is-enabled"];
/// The option for an image, as `--root DIR` or `--root=DIR`.
const ROOT: &str = "--root";
/// Options for a running system.
const LIVE_OPTIONS: [&str; 2] = ["--now ", "--runtime "];
/// What ends a part of a hint, and begins the next.
const BETWEEN_PARTS: [&str; 5] = [", and ", ", or ", "; ", " && ", ", "];

/// The hint with its commands for the image at `dir`, a shell word. None if it only says what to do with a running
/// service: nothing runs in an image.
pub(super) fn hint_for(dir: &str, hint: &str) -> Option<String> {
    let mut hint = hint.to_owned();
    let mut from = 0;
    while let Some((at, name)) = next_command(&hint, from) {
        let end = hint[at..].find(['`', ';', ')']).map_or(hint.len(), |length| at + length);
        let command = &hint[at..end];
        let changed = match name {
            SYSTEMCTL if is_for_image(command) => command.to_owned(),
            name if IN_THE_SYSTEM.contains(&name) => format!("chroot {dir} {command}"),
            SYSTEMCTL if FILE_VERBS.contains(&verb(command)) => {
                let command = LIVE_OPTIONS.iter().fold(command.to_owned(), |text, option| text.replace(option, ""));
                command.replacen(SYSTEMCTL, &format!("{SYSTEMCTL} --root={dir}"), 1)
            }
            SYSTEMCTL => {
                hint = without_part(&hint, at, end)?;
                // The rest is short, and has no other command before this one.
                from = hint.len().min(at);
                continue;
            }
            _ => command.split(' ').map(|word| below(dir, word)).collect::<Vec<_>>().join(" "),
        };
        from = at + changed.len();
        hint.replace_range(at..end, &changed);
    }
    Some(hint)
}

/// Whether a call of systemctl names an image already.
fn is_for_image(command: &str) -> bool {
    command.split(' ').any(|word| word == ROOT || word.strip_prefix(ROOT).is_some_and(|rest| rest.starts_with('=')))
}

/// The verb of a call of systemctl; options may come before it.
fn verb(command: &str) -> &str {
    command.split(' ').skip(1).find(|word| !word.starts_with('-')).unwrap_or_default()
}

/// Where the next command of a known program begins.
fn next_command(hint: &str, from: usize) -> Option<(usize, &'static str)> {
    let begins =
        |at: usize| at == 0 || BEFORE_COMMAND.iter().chain(&BEFORE_IN_SENTENCE).any(|text| hint[..at].ends_with(text));
    let known = || FILE_PROGRAMS.into_iter().chain(IN_THE_SYSTEM).chain([SYSTEMCTL]);
    let name_at =
        |at: usize| known().find(|name| hint[at..].strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
    let starts = hint.char_indices().map(|(at, _)| at).filter(|at| *at >= from && begins(*at));
    starts.into_iter().find_map(|at| Some((at, name_at(at)?)))
}

/// The hint without the part that ends with the command at `at..end`.
fn without_part(hint: &str, at: usize, end: usize) -> Option<String> {
    let start = BETWEEN_PARTS.iter().filter_map(|text| hint[..at].rfind(text)).max();
    let rest = hint[end..].trim_start_matches("; ").trim_start_matches("or ");
    let kept = match start {
        Some(start) => format!("{}{}", &hint[..start], &hint[end..]),
        None => rest.to_owned(),
    };
    (!kept.is_empty()).then_some(kept)
}

/// An absolute path as it is below the image; other words, and paths that are below it already, as they are.
fn below(dir: &str, word: &str) -> String {
    let (quote, path) = if word.starts_with("'/") { word.split_at(1) } else { ("", word) };
    let dir = dir.trim_end_matches('/');
    match path.starts_with('/') && !path.starts_with(&format!("{dir}/")) {
        // The quotation marks of two words side by side make one word of them.
        true if dir.starts_with('\'') => format!("{dir}{word}"),
        true => format!("{quote}{dir}{path}"),
        false => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hint_for_an_image_changes_only_the_image() {
        for (hint, want) in [
            ("enable it: systemctl enable crio.service", "enable it: systemctl --root=/img enable crio.service"),
            ("systemctl unmask --runtime a.service; or b", "systemctl --root=/img unmask a.service; or b"),
            ("x: systemctl disable --now kubelet.service", "x: systemctl --root=/img disable kubelet.service"),
            ("x: echo '{\"a\":[]}' > /etc/a.json", "x: echo '{\"a\":[]}' > /img/etc/a.json"),
            ("x: chmod 755 /usr/bin/a", "x: chmod 755 /img/usr/bin/a"),
            ("x: mv /img/etc/a /img/etc/b", "x: mv /img/etc/a /img/etc/b"),
            ("remove the link (rm /etc/a), then run again", "remove the link (rm /img/etc/a), then run again"),
            ("if not: gpasswd -d pi docker", "if not: chroot /img gpasswd -d pi docker"),
            ("remove it: apt-get remove cri-o", "remove it: chroot /img apt-get remove cri-o"),
            ("set it to /a, and restart CRI-O: systemctl restart crio.service", "set it to /a"),
            ("start it: systemctl start a; or add it with --force", "add it with --force"),
            ("see /etc/a, or move it away: mv /etc/a /root", "see /etc/a, or move it away: mv /img/etc/a /img/root"),
            ("the rm command, /etc/a", "the rm command, /etc/a"),
            ("repair it, or mv /etc/a /etc/a.old", "repair it, or mv /img/etc/a /img/etc/a.old"),
            ("x: cp -p /a /b && zcat /c > /a", "x: cp -p /img/a /img/b && zcat /img/c > /img/a"),
            ("unmount it (umount /mnt/a)", "unmount it (umount /mnt/a)"),
            ("create it: mkdir -p /out", "create it: mkdir -p /out"),
            ("x: mv '/etc/a b' /root", "x: mv '/img/etc/a b' /img/root"),
            ("systemctl --now enable a.service", "systemctl --root=/img enable a.service"),
            // Written for the image.
            ("x: systemctl --root /img unmask a.service; or b", "x: systemctl --root /img unmask a.service; or b"),
            ("systemctl --root='/a b' mask c.service", "systemctl --root='/a b' mask c.service"),
            ("x: chroot /img apt-get install a", "x: chroot /img apt-get install a"),
            ("x: sed -i '1s|a|b|' /img/etc/a && systemctl daemon-reload", "x: sed -i '1s|a|b|' /img/etc/a"),
        ] {
            assert_eq!(hint_for("/img", hint).as_deref(), Some(want), "{hint}");
        }
        assert_eq!(hint_for("/img", "restart it: systemctl restart crio.service"), None);
    }
}
