//! `edge-conf get PATH`.

use edge_host::{Error, Host, Outcome, Result, ResultExt, is_hidden};
use edge_kubeedge::schema::{Lookup, Table};
use edge_kubeedge::spelling::{all_spelled, spelled, texts};
use edge_yaml::Path;
use serde_json::json;

use super::{Opened, rules};
use crate::cli::Options;
use crate::display::exact;
use crate::facts;
use crate::request::{Request, parse_path};

pub(crate) fn run(host: &mut Host, options: &Options, path: &str) -> Result<Outcome> {
    let requested = parse_path(path)?;
    let file = match &options.file {
        Some(path) if facts::is_stdin(Some(path)) => facts::stdin_file()?,
        Some(path) => facts::read_file(host, path)?,
        None => {
            let path = facts::choose_file(host, None, &[Request::Unset { path: requested.clone() }])?;
            facts::read_file(host, &path)?
        }
    };
    let name = file.name(host);
    let opened = Opened::of(&file, &name)?;
    let inner = opened.inner(&name)?;
    let document = inner.document();
    // Of several spellings, the one that takes effect; null never does.
    let all = all_spelled(document.value(), &texts(&requested)).into_iter();
    let counts = all.into_iter().find(|path| document.get(path).is_some_and(|value| !value.is_null()));
    let own = counts.or_else(|| spelled(document.value(), &texts(&requested))).unwrap_or_else(|| requested.clone());
    let Some(value) = document.get(&own) else {
        let error = Error::failed(format!("cannot get {requested}: it is not set in {name}"));
        // Add what KubeEdge does then, where it is known.
        let rules = rules(host, options, &file, opened.entry.as_ref(), document);
        let steps = texts(&requested);
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        return Err(match rules.map(|(rules, _)| (rules, Table::of(rules.kind).lookup(&steps, rules.version))) {
            Ok((rules, Lookup::Known(found))) => {
                let version = rules.version.unwrap_or_else(|| Table::of(rules.kind).newest());
                match found.key.default_in(version).filter(|_| found.text() == found.key.path) {
                    Some(default) => error.hint(format!("KubeEdge {version} uses its default: {}", default.yaml)),
                    None => error,
                }
            }
            Ok((_, Lookup::WrongPlace { belongs })) => error.hint(format!("edge-conf get {belongs}")),
            Ok((_, Lookup::Unknown { closest: Some(closest) })) => error.hint(format!("did you mean {closest}?")),
            _ => error,
        });
    };
    if host.report.is_json() {
        let value = exact(&value).ok_or_else(|| {
            Error::failed(format!("cannot print {requested} as JSON: it contains a value that JSON cannot represent"))
                .hint(format!("edge-conf get {requested}"))
        })?;
        host.report.record("value", json!({"file": name, "path": own.to_string(), "value": value}));
        return Ok(Outcome::default());
    }
    let text = match value.as_str() {
        // The reader expects one value per line.
        Some(text) if text.contains(is_hidden) => return Err(not_plain(&requested)),
        Some(text) => format!("{text}\n"),
        None => serde_yaml::to_string(&value).on("print", requested.to_string())?,
    };
    if text.contains(|char| is_hidden(char) && char != '\n') {
        return Err(not_plain(&requested));
    }
    host.report.document(text.as_bytes())?;
    Ok(Outcome::default())
}

fn not_plain(path: &Path) -> Error {
    Error::failed(format!("cannot print {path}: its value has line breaks or characters that are not visible"))
        .hint(format!("edge-conf --json get {path}"))
}
