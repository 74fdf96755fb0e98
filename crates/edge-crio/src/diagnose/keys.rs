//! Reports values that CRI-O does not start with: those of another type, and those that it does not know.

use edge_host::Result;
use edge_kubeedge::schema::is_duration;
use toml_edit::{Document, Item, TableLike};

use super::{Finding, Version};
use crate::config::{ConfFile, Current, Key, Kind, Setting, Table, line_at};

const UNSTARTED: &str = "CRI-O does not start";
const CORRECT: &str = "correct it, or remove the line to use the default";
/// Longer values are cut in messages.
const MAX_SHOWN: usize = 60;

/// The findings about the values of all files, and of the unit's options; `release` is the installed release, if it is
/// known. Keys that CRI-O does not know are ignored, as it ignores them.
pub fn keys(current: &Current, release: Option<Version>) -> Result<Vec<Finding>> {
    let table = Table::of(release.map(|release| release.minor))?;
    let mut findings = Vec::new();
    for file in &current.files {
        if let Ok(document) = Document::parse(file.text.as_str()) {
            let mut types = Types { table: &table, file, findings: &mut findings };
            types.check("", "", document.as_table());
        }
    }
    findings.extend(table.limited().filter_map(|(name, key)| refused(current, &name, key)));
    Ok(findings)
}

/// A value that is used and that CRI-O refuses, though its type is the expected one.
fn refused(current: &Current, name: &str, key: &Key) -> Option<Finding> {
    let (shown, expected, file, line) = if let Some(minimum) = key.minimum {
        let Setting { value, file, line } = current.merged.number(name)?;
        let expected = format!("at least {minimum}, or a negative number for no limit");
        (0..minimum).contains(&value).then(|| (value.to_string(), expected, file, line))?
    } else {
        let Setting { value, file, line } = current.merged.text_or_empty(name)?;
        (format!("{value:?}"), accepted(name, key, &value)?, file, line)
    };
    let text = format!("{shown} is not valid, expected {expected}: {UNSTARTED}");
    Some(Finding::error(file, text).on_line(Some(line)).at(name).hint(CORRECT))
}

/// What a key accepts, if it does not accept this text.
fn accepted(name: &str, key: &Key, value: &str) -> Option<String> {
    if key.is_duration {
        let is_valid = value.is_empty() || is_duration(value);
        return (!is_valid).then(|| "a duration such as 30s or 4h".to_owned());
    }
    let is_value = |known: &String| known == value || (name == LOG_LEVEL && known.eq_ignore_ascii_case(value));
    if key.values.iter().any(is_value) {
        return None;
    }
    let known: Vec<&str> = key.values.iter().map(String::as_str).filter(|value| !value.is_empty()).collect();
    let (last, first) = known.split_last()?;
    Some(format!("{} or {last}", first.join(", ")))
}

/// Its case is ignored.
const LOG_LEVEL: &str = "crio.runtime.log_level";

/// Compares the values of a file with the types of the keys.
struct Types<'a> {
    table: &'a Table,
    file: &'a ConfFile,
    findings: &'a mut Vec<Finding>,
}

impl Types<'_> {
    /// Checks a table; `section` is its name in the built-in table, `shown` that in the file.
    fn check(&mut self, section: &str, shown: &str, table: &dyn TableLike) {
        for (name, item) in table.iter() {
            let lower = name.to_ascii_lowercase();
            let full = |name: &str| if shown.is_empty() { name.to_owned() } else { format!("{shown}.{name}") };
            if let Some(key) = self.table.key(section, &lower) {
                if !is_of(key.kind, item) {
                    self.report(&full(&lower), expected(key.kind), item, &hint(key.kind, name, item));
                }
            } else if let Some(below) = self.table.section(section, &lower) {
                match item.as_table_like() {
                    Some(table) => self.check(&below, &full(name), table),
                    None => self.report(&full(name), "a table", item, CORRECT),
                }
            }
        }
    }

    fn report(&mut self, name: &str, expected: &str, item: &Item, hint: &str) {
        let span = item.span();
        let raw = span.clone().and_then(|span| self.file.text.get(span)).unwrap_or_default();
        let problem = match item.as_str() {
            Some(text) => format!("{} is not {expected}", cut(&format!("{text:?}"))),
            None if item.is_value() => format!("{} is not {expected}", cut(raw)),
            None => format!("a table is not {expected}"),
        };
        let line = line_at(&self.file.text, span.map_or(0, |span| span.start));
        let finding = Finding::error(&self.file.path, format!("{problem}: {UNSTARTED}"));
        self.findings.push(finding.on_line(Some(line)).at(name).hint(hint));
    }
}

/// The text on one line, and not too long.
fn cut(text: &str) -> String {
    let line: Vec<&str> = text.split_whitespace().collect();
    let line = line.join(" ");
    match line.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

fn is_of(kind: Kind, item: &Item) -> bool {
    match kind {
        Kind::String => item.as_str().is_some(),
        Kind::Strings => item.as_array().is_some_and(|list| list.iter().all(|one| one.as_str().is_some())),
        Kind::Boolean => item.as_bool().is_some(),
        Kind::Integer => item.as_integer().is_some(),
        Kind::Duration => item.as_integer().is_some() || item.as_str().is_some_and(is_duration),
        Kind::Map => item.as_table_like().is_some_and(|map| map.iter().all(|(_, one)| one.as_str().is_some())),
    }
}

fn expected(kind: Kind) -> &'static str {
    match kind {
        Kind::String => "a string",
        Kind::Strings => "a list of strings",
        Kind::Boolean => "true or false",
        Kind::Integer => "an integer",
        Kind::Duration => "a duration such as 5s",
        Kind::Map => "a table of strings",
    }
}

/// The value as it is probably meant.
fn hint(kind: Kind, name: &str, item: &Item) -> String {
    let number = item.as_integer().map(|number| number.to_string());
    let plain = number.or_else(|| item.as_bool().map(|flag| flag.to_string()));
    match (kind, plain, item.as_str()) {
        (Kind::String, Some(plain), _) => format!("write it in quotes: {name} = \"{plain}\""),
        (Kind::Integer, _, Some(text)) if text.parse::<i64>().is_ok() => {
            format!("write it without quotes: {name} = {text}")
        }
        (Kind::Boolean, _, Some(text @ ("true" | "false"))) => format!("write it without quotes: {name} = {text}"),
        (Kind::Strings, _, Some(text)) if !text.contains(['"', '\\', '\n']) => {
            format!("write a list: {name} = [\"{text}\"]")
        }
        _ => CORRECT.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Options;

    fn found(text: &str, minor: Option<u32>) -> Vec<String> {
        let files = vec![ConfFile { path: "/c".into(), text: text.to_owned() }];
        let findings = keys(&Current::of(files, Options::default()), minor.map(Version::minor)).unwrap();
        let shown = |one: &Finding| {
            format!(
                "{} {}: {} ({})",
                one.line.unwrap_or(0),
                one.path,
                one.text.strip_suffix(": CRI-O does not start").unwrap(),
                one.hint.as_deref().unwrap_or_default()
            )
        };
        findings.iter().map(shown).collect()
    }

    const HEALTHY: &str = r#"
other = 5
[crio]
root = "/r"
storage_driver = ""
storage_option = []
internal_wipe = true
unknown = 5
[crio.api]
stream_port = "0"
stream_idle_timeout = "1h30m"
tls_min_version = "VersionTLS13"
[crio.runtime]
pids_limit = -1
log_size_max = -1
log_level = "Warning"
default_capabilities = ["CHOWN"]
[crio.runtime.runtimes.Crun]
runtime_path = "/crun"
default_annotations = { "a" = "b" }
container_create_timeout = 240
[crio.runtime.workloads.w]
activation_annotation = "x"
resources = { cpushares = 5, cpuset = "0-1" }
[crio.image]
image_volumes = "bind"
pull_progress_timeout = "0s"
[crio.metrics]
metrics_port = 9090
metrics_collectors = ["operations"]
[crio.nri]
nri_plugin_request_timeout = 2000000000
[crio.nri.default_validator]
nri_enable_default_validator = false
[other.crio]
"#;

    #[test]
    fn keys_accepts_a_healthy_configuration() {
        for minor in [None, Some(19), Some(36)] {
            assert_eq!(found(HEALTHY, minor), [""; 0]);
        }
    }

    #[test]
    fn keys_reports_values_of_another_type() {
        let generic = CORRECT;
        for (text, want) in [
            (
                "[crio.runtime]\nPids_Limit = '1024'",
                "2 crio.runtime.pids_limit: \"1024\" is not an integer (write it without quotes: Pids_Limit = 1024)",
            ),
            (
                "[crio.api]\nstream_port = 10010",
                "2 crio.api.stream_port: 10010 is not a string (write it in quotes: stream_port = \"10010\")",
            ),
            ("[crio.runtime]\nselinux = 1", &format!("2 crio.runtime.selinux: 1 is not true or false ({generic})")),
            (
                "[crio.runtime]\ndefault_env = 'A=b'",
                "2 crio.runtime.default_env: \"A=b\" is not a list of strings (write a list: default_env = [\"A=b\"])",
            ),
            (
                "[crio.runtime]\ndefault_env = [\n  1,\n]",
                &format!("2 crio.runtime.default_env: [ 1, ] is not a list of strings ({generic})"),
            ),
            (
                "[crio.runtime]\nlog_size_max = 1.5",
                &format!("2 crio.runtime.log_size_max: 1.5 is not an integer ({generic})"),
            ),
            (
                "[crio.runtime.log_level]\na = 1",
                &format!("1 crio.runtime.log_level: a table is not a string ({generic})"),
            ),
            ("[crio]\nruntime = 5", &format!("2 crio.runtime: 5 is not a table ({generic})")),
            (
                "[crio.runtime.runtimes]\nA = 'x'",
                &format!("2 crio.runtime.runtimes.A: \"x\" is not a table ({generic})"),
            ),
            (
                "[crio.runtime.runtimes.a]\nruntime_path = true",
                "2 crio.runtime.runtimes.a.runtime_path: true is not a string (write it in quotes: runtime_path = \"true\")",
            ),
            (
                "[crio.runtime.workloads.w.resources]\ncpushares = '5'",
                "2 crio.runtime.workloads.w.resources.cpushares: \"5\" is not an integer (write it without quotes: cpushares = 5)",
            ),
            (
                "[crio.image]\npull_progress_timeout = '5'",
                &format!("2 crio.image.pull_progress_timeout: \"5\" is not a duration such as 5s ({generic})"),
            ),
        ] {
            assert_eq!(found(text, Some(36)), [want], "{text}");
        }
        // A key that the release does not read.
        assert_eq!(found("[crio.image]\npull_progress_timeout = '5'", Some(29)), [""; 0]);
    }

    #[test]
    fn keys_reports_values_that_crio_refuses() {
        for (text, want) in [
            (
                "[crio]\nstorage_driver = 'overlayfs'",
                "2 crio.storage_driver: \"overlayfs\" is not valid, expected overlay, overlay2, vfs, btrfs, zfs, aufs or devicemapper",
            ),
            (
                "[crio.runtime]\nlog_level = ''",
                "2 crio.runtime.log_level: \"\" is not valid, expected panic, fatal, error, warn, warning, info, debug or trace",
            ),
            (
                "[crio.image]\nimage_volumes = 'Bind'",
                "2 crio.image.image_volumes: \"Bind\" is not valid, expected mkdir, bind or ignore",
            ),
            (
                "[crio.image]\nshort_name_mode = 'permissive'",
                "2 crio.image.short_name_mode: \"permissive\" is not valid, expected enforcing or disabled",
            ),
            (
                "[crio.api]\nstream_idle_timeout = '30'",
                "2 crio.api.stream_idle_timeout: \"30\" is not valid, expected a duration such as 30s or 4h",
            ),
            (
                "[crio.runtime]\nlog_size_max = 100",
                "2 crio.runtime.log_size_max: 100 is not valid, expected at least 8192, or a negative number for no limit",
            ),
        ] {
            assert_eq!(found(text, None), [format!("{want} ({CORRECT})")], "{text}");
        }
        // The last file decides, and an option over all files.
        assert_eq!(found("[crio.image]\nshort_name_mode = 'permissive'", Some(33)), [""; 0]);
        let files = |texts: [&str; 2]| {
            texts
                .map(|text| ConfFile { path: "/c".into(), text: format!("[crio.runtime]\nlog_level = {text:?}") })
                .to_vec()
        };
        let of = |texts, unit: &str| {
            keys(&Current::of(files(texts), Options::of_unit("/u".as_ref(), unit)), None).unwrap().len()
        };
        assert_eq!((of(["bogus", "info"], ""), of(["info", "bogus"], "")), (0, 1));
        assert_eq!(of(["info", "bogus"], "[Service]\nExecStart=/usr/bin/crio --log-level debug\n"), 0);
        assert_eq!(of(["info", "info"], "[Service]\nEnvironment=CONTAINER_LOG_LEVEL=bogus\n"), 1);
    }
}
