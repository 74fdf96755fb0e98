//! What dpkg rejects in its status file, and what it accepts although packages are lost.
//!
//! Measured with dpkg 1.21.22: it takes a missing or empty file for a host without packages, and fails with
//! "parsing file … near line N" for the rest.

/// The states of a package.
const STATES: [&str; 8] = [
    "not-installed",
    "config-files",
    "half-installed",
    "unpacked",
    "half-configured",
    "triggers-awaited",
    "triggers-pending",
    "installed",
];
/// Fields that a package has only once; dpkg rejects every other repeated field, too.
const SINGLE: [&str; 4] = ["package", "status", "architecture", "version"];

/// What is wrong with a status file; none if dpkg reads packages from it.
pub(super) fn damage(text: &str) -> Option<String> {
    if text.trim().is_empty() {
        return Some("it is empty".to_owned());
    }
    if !text.bytes().any(|byte| byte != 0) {
        return Some("it contains only zeros, as after a power failure".to_owned());
    }
    syntax(text)
}

/// The same for a file with changes, which may be empty.
pub(super) fn syntax(text: &str) -> Option<String> {
    let mut fields: Vec<String> = Vec::new();
    // Not `lines`, as dpkg takes only a bare line feed for the end of a paragraph.
    let mut lines = text.strip_suffix('\n').unwrap_or(text).split('\n').enumerate().peekable();
    while let Some((index, line)) = lines.next() {
        let wrong = |why: &str| Some(format!("line {}: {why}", index + 1));
        let is_end = lines.peek().is_none_or(|(_, next)| next.is_empty());
        if line.is_empty() {
            fields.clear();
            continue;
        }
        if fields.is_empty() || !line.starts_with([' ', '\t']) {
            let Some((name, value)) = line.split_once(':').filter(|(name, _)| is_name(name)) else {
                return wrong("it is not a field (NAME: VALUE)");
            };
            let name = name.to_ascii_lowercase();
            if SINGLE.contains(&name.as_str()) && fields.contains(&name) {
                return wrong(&format!("the field {name:?} is set twice"));
            }
            if name == "status" && !value.split_whitespace().nth(2).is_some_and(|state| STATES.contains(&state)) {
                return wrong("it is not a valid Status");
            }
            fields.push(name);
        }
        if is_end && !fields.iter().any(|field| field == "package") {
            return wrong("the paragraph that ends here does not have the name of its package");
        }
    }
    if !text.is_empty() && !text.ends_with('\n') {
        return Some(format!("line {}: it is incomplete", text.lines().count()));
    }
    // dpkg reads over them, and loses the packages that were there.
    let zero = text.find('\0')?;
    let line = text[..zero].matches('\n').count() + 1;
    Some(format!("line {line}: it contains zeros, as after a power failure"))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "Package: a\nStatus: install ok installed\nArchitecture: all\nVersion: 1\nDescription: x\n y\n .\n";

    #[test]
    fn damage_is_what_dpkg_rejects() {
        for good in [
            GOOD.to_owned(),
            format!("\n{GOOD}\n\n{GOOD}"),
            format!("{GOOD}\nPackage: b\n"),
            GOOD.replace(" installed\n", " installed\r\n"),
            format!("{GOOD}\nPackage: c\nStatus: hold reinstreq half-installed\nVersion: 2\n\n"),
        ] {
            assert_eq!(damage(&good), None, "{good}");
        }
        for (text, why) in [
            (String::new(), "empty"),
            (" \n\n".to_owned(), "empty"),
            ("\0".repeat(4096), "only zeros"),
            (format!("{GOOD}\0\0\0\0"), "line 8: it is not a field"),
            (GOOD.trim_end().to_owned(), "line 7: it is incomplete"),
            (format!("{GOOD}\nPack"), "line 9: it is not a field"),
            (format!("{GOOD}\nPackage: b\nStatus: install ok ins"), "line 10: it is not a valid Status"),
            ("garbage here\n".to_owned(), "line 1: it is not a field"),
            ("Status: install ok installed\nVersion: 1\n".to_owned(), "line 2: the paragraph"),
            (format!("{GOOD}<<<<<<< HEAD\n"), "line 8"),
            (format!("{GOOD}\r\n{GOOD}"), "line 8"),
            (format!("{GOOD}Version: 2\n"), "line 8: the field \"version\" is set twice"),
            ("Package: a\nStatus: install ok wrong\n".to_owned(), "line 2"),
            (
                GOOD.replace("Description: x", "Description: \0\0"),
                "line 5: it contains zeros, as after a power failure",
            ),
            (format!("{GOOD}\nPackage: b\nX: \0\0\n\n{GOOD}"), "line 10: it contains zeros"),
            (format!("{GOOD}\u{fffd}\u{fffd}\n"), "line 8"),
        ] {
            assert!(damage(&text).is_some_and(|said| said.contains(why)), "{why}: {:?}", damage(&text));
        }
        assert_eq!(syntax(""), None);
    }

    proptest::proptest! {
        #[test]
        fn damage_does_not_panic(text in "([A-Z][a-z]{0,8}|: ?|\n| |\\PC|\0){0,40}") {
            let _ = damage(&text);
        }
    }
}
