//! Names of units, and the specifiers that depend on them, such as `%i`.

/// UNIT_NAME_MAX of systemd, without the terminating byte.
const MAX: usize = 255;
const TYPES: [&str; 11] =
    ["service", "socket", "target", "device", "mount", "automount", "swap", "timer", "path", "slice", "scope"];
/// Specifiers whose values only the running system knows (systemd.unit(5)).
const OF_THE_HOST: &str = "aAbBCdDEfgGhHIlLmMoqsStTuUvVwWyY";

/// A parsed name: `PREFIX[@INSTANCE].TYPE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name<'n> {
    pub(crate) prefix: &'n str,
    /// `Some("")` for a template.
    pub(crate) instance: Option<&'n str>,
    pub(crate) kind: &'n str,
}

impl<'n> Name<'n> {
    pub(crate) fn parse(name: &'n str) -> Option<Name<'n>> {
        let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b":_.-\\@".contains(&byte);
        let (stem, kind) = name.rsplit_once('.')?;
        let (prefix, instance) = stem.split_once('@').map_or((stem, None), |(prefix, rest)| (prefix, Some(rest)));
        let is_name = name.len() <= MAX && name.bytes().all(is_valid) && !prefix.is_empty() && TYPES.contains(&kind);
        is_name.then_some(Name { prefix, instance, kind })
    }

    /// `foo@.service` of `foo@x.service`.
    pub(crate) fn template(&self) -> Option<String> {
        self.instance.filter(|instance| !instance.is_empty()).map(|_| format!("{}@.{}", self.prefix, self.kind))
    }

    /// Every name whose drop-ins apply to this one, the most specific first: itself, its template, and its prefixes up to each
    /// dash.
    pub(crate) fn chain(name: &str) -> Vec<String> {
        let mut all = vec![name.to_owned()];
        let Some(parsed) = Name::parse(name) else { return all };
        if let Some(template) = parsed.template() {
            all.extend(Name::chain(&template));
        }
        // Without the last character of the prefix, so that each step is shorter; a leading dash ends the loop.
        let mut prefix = parsed.prefix;
        let instance = parsed.instance.filter(|instance| !instance.is_empty());
        loop {
            let shorter =
                prefix.char_indices().next_back().and_then(|(last, _)| prefix.get(..last)).unwrap_or_default();
            let Some(dash) = shorter.rfind('-').filter(|dash| *dash > 0) else { break };
            prefix = &prefix[..=dash];
            match instance {
                Some(instance) => {
                    all.push(format!("{prefix}@{instance}.{}", parsed.kind));
                    all.push(format!("{prefix}@.{}", parsed.kind));
                }
                None => all.push(format!("{prefix}.{}", parsed.kind)),
            }
        }
        all
    }
}

/// Whether this is a valid name of a unit, and so of its file and directories.
pub fn is_unit_name(name: &str) -> bool {
    Name::parse(name).is_some()
}

/// Replaces the specifiers of a value; none if one of them does not exist, as systemd ignores such a value. Specifiers of
/// the running system are kept.
pub(crate) fn expanded(value: &str, name: &str) -> Option<String> {
    let parsed = Name::parse(name);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let mut text = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(char) = chars.next() {
        if char != '%' {
            text.push(char);
            continue;
        }
        match chars.next() {
            None | Some('%') => text.push('%'),
            Some('n') => text.push_str(name),
            Some('N') => text.push_str(stem),
            Some('p') => text.push_str(parsed.map_or(stem, |parsed| parsed.prefix)),
            Some('i') => text.push_str(parsed.and_then(|parsed| parsed.instance).unwrap_or_default()),
            Some('j') => {
                let prefix = parsed.map_or(stem, |parsed| parsed.prefix);
                text.push_str(prefix.rsplit('-').next().unwrap_or(prefix));
            }
            Some(other) if OF_THE_HOST.contains(other) || "PJ".contains(other) => text.extend(['%', other]),
            Some(_) => return None,
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_unit_name_needs_a_type_and_valid_characters() {
        for name in ["a.service", "a@.service", "a@x-1.service", "dev-disk-by\\x2duuid.swap", "-.mount", "..service"] {
            assert!(is_unit_name(name), "{name}");
        }
        for name in ["a", ".service", "a.conf", "../a.service", "a b.service", "@x.service", &"a".repeat(256)] {
            assert!(!is_unit_name(name), "{name}");
        }
    }

    #[test]
    fn chain_has_a_prefix_for_each_dash() {
        for (name, chain) in [
            ("a.service", "a.service"),
            ("foo-bar-x.service", "foo-bar-x.service foo-bar-.service foo-.service"),
            ("a-b@x.service", "a-b@x.service a-b@.service a-.service a-@x.service a-@.service"),
            ("q--r-.service", "q--r-.service q--.service q-.service"),
            ("-lead.service", "-lead.service"),
        ] {
            assert_eq!(Name::chain(name).join(" "), chain);
        }
    }

    #[test]
    fn expanded_replaces_specifiers_of_the_name() {
        let of = |value: &str| expanded(value, "a-b@x.service");
        assert_eq!(of("%n %N %p %i %j %%n 1%").as_deref(), Some("a-b@x.service a-b@x a-b x b %n 1%"));
        assert_eq!(of("%H").as_deref(), Some("%H"));
        assert_eq!(of("%z"), None);
        assert_eq!(expanded("%i.", "a.service").as_deref(), Some("."));
    }
}
