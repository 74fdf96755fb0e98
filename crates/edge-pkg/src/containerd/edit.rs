//! Edits containerd's configuration and hosts.toml key by key; everything else in the files stays as it is.

use std::collections::HashMap;
use std::path::Path;

use edge_fetch::RegistryMirror;
use edge_host::{Error, Exit, Result};
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, TableLike, Value, value};

use super::config::{CERTS_D, CRI_PLUGINS, Config, Form, Keys, line_at};

const RUNC_TYPE: &str = "io.containerd.runc.v2";
/// The beginning of files that edge-pkg has made.
pub const MARK: &str = "# Made by edge-pkg.";
const HEADER: &str = "# Made by edge-pkg. containerd asks the hosts in this order, the registry itself last.\n\n";

/// The requested settings; none leaves one as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// Whether runc uses systemd's cgroups.
    pub systemd_cgroup: Option<bool>,
    /// The image of the pause container.
    pub pause_image: Option<String>,
    /// Mirrors are requested: hosts.toml must be read.
    pub has_mirrors: bool,
}

/// The file with the CRI enabled and these settings, and a line for each change. Refuses (exit 4) a file that containerd
/// or this edit would not understand.
pub fn config(path: &Path, text: &str, settings: &Settings, major: u32) -> Result<(String, Vec<String>)> {
    let now = Config::parse(text, major).map_err(|line| not_toml(path, line))?;
    now.refuse(path, major)?;
    let mut document: DocumentMut = text.parse().map_err(|_| not_toml(path, 1))?;
    let mut details = Vec::new();
    let form = now.form(major);
    if now.disabled.is_some() {
        enable_cri(&mut document, &mut details);
    }
    if let Some(requested) = settings.systemd_cgroup.filter(|requested| *requested != (now.driver() == "systemd")) {
        set_driver(path, &mut document, &now, form, requested, &mut details)?;
    }
    if let Some(image) = &settings.pause_image {
        set(path, &mut document, &form.sandbox(), Value::from(image.as_str()), &mut details)?;
    }
    if settings.has_mirrors {
        if let Some(line) = now.old_registries {
            return Err(Error::cannot(
                "edit",
                path,
                format!("line {line} has mirrors or credentials of registries, which containerd does not combine with hosts.toml"),
            )
            .with_exit(Exit::Refused)
            .hint("remove them from that file, and pass each mirror with --registry-mirror"));
        }
        if now.registries.is_none() {
            set(path, &mut document, &form.registry("config_path"), Value::from(CERTS_D), &mut details)?;
        }
    }
    if !details.is_empty() && now.version.is_none() {
        document.insert("version", value(form.version()));
        details.insert(0, format!("version: {}", form.version()));
    }
    let edited = document.to_string();
    verify(path, &edited, settings, major)?;
    Ok((edited, details))
}

/// Reads the edited file as containerd does: it must have the requested values.
fn verify(path: &Path, edited: &str, settings: &Settings, major: u32) -> Result<()> {
    let after = Config::parse(edited, major).map_err(|line| not_toml(path, line))?;
    let has_driver = settings.systemd_cgroup.is_none_or(|systemd| systemd == (after.driver() == "systemd"));
    let sandbox = after.sandbox.as_ref().map(|setting| &setting.value);
    let has_image = settings.pause_image.as_ref().is_none_or(|image| sandbox == Some(image));
    if after.disabled.is_none() && has_driver && has_image && (!settings.has_mirrors || after.registries.is_some()) {
        return Ok(());
    }
    Err(Error::cannot("edit", path, "the edited file would not have the requested settings"))
}

fn enable_cri(document: &mut DocumentMut, details: &mut Vec<String>) {
    let Some(array) = document.get_mut("disabled_plugins").and_then(Item::as_array_mut) else { return };
    array.retain(|value| value.as_str().is_none_or(|name| !CRI_PLUGINS.contains(&name)));
    details.push("disabled_plugins: without the CRI".to_owned());
}

fn set_driver(
    path: &Path,
    document: &mut DocumentMut,
    now: &Config,
    form: Form,
    systemd: bool,
    details: &mut Vec<String>,
) -> Result<()> {
    let name = &now.runtime;
    match &now.runtime_type {
        Some(kind) if kind != RUNC_TYPE => {
            return Err(Error::cannot(
                "edit",
                path,
                format!("the default runtime {name} is of the type {kind}, and SystemdCgroup is a setting of runc"),
            )
            .with_exit(Exit::Refused)
            .hint("set its cgroup driver as its documentation says"));
        }
        Some(_) => {}
        // containerd takes a table of a runtime as a whole, so its type must be in it.
        None => set(path, document, &form.runtime(name, &["runtime_type"]), Value::from(RUNC_TYPE), &mut Vec::new())?,
    }
    set(path, document, &form.runtime(name, &["options", "SystemdCgroup"]), Value::from(systemd), details)
}

/// Sets a value, and adds a line if that changes it.
fn set(path: &Path, document: &mut DocumentMut, keys: &Keys, new: Value, details: &mut Vec<String>) -> Result<()> {
    let Some((last, parents)) = keys.split_last() else { return Ok(()) };
    let mut table: &mut dyn TableLike = document.as_table_mut();
    let mut is_inline = false;
    for (depth, key) in parents.iter().enumerate() {
        let item = table.entry(key).or_insert_with(|| match is_inline {
            true => Item::Value(InlineTable::new().into()),
            false => {
                let mut table = Table::new();
                // Only the innermost has a line of its own.
                table.set_implicit(depth + 1 < parents.len());
                Item::Table(table)
            }
        });
        is_inline |= item.is_inline_table();
        let name = parents[..=depth].join(".");
        table = item.as_table_like_mut().ok_or_else(|| {
            Error::cannot("edit", path, format!("{name} is not a table"))
                .with_exit(Exit::Refused)
                .hint(format!("containerd does not start with it either: repair it, or mv {0} {0}.old", path.display()))
        })?;
    }
    let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string().trim().to_owned(), str::to_owned);
    let before = table.get(last).and_then(Item::as_value).map(shown);
    if before.as_deref() == Some(shown(&new).as_str()) {
        return Ok(());
    }
    let changed = before.map_or_else(|| shown(&new), |before| format!("{before} -> {}", shown(&new)));
    details.push(format!("{}: {changed}", keys.join(".")));
    match table.get_mut(last).and_then(Item::as_value_mut) {
        // Replaced in place, to keep the comments around it.
        Some(old) => {
            let decor = old.decor().clone();
            *old = new;
            *old.decor_mut() = decor;
        }
        None => {
            table.insert(last, Item::Value(new));
        }
    }
    Ok(())
}

/// hosts.toml of a registry with these mirrors before any others, and a line for each new one.
pub fn hosts(path: &Path, text: &str, mirrors: &[&RegistryMirror]) -> Result<(String, Vec<String>)> {
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
        not_toml(path, line_at(text, error.span().map_or(0, |span| span.start)))
    })?;
    let no_table = |name: &str| {
        Error::cannot("edit", path, format!("{name} is not a table"))
            .with_exit(Exit::Refused)
            .hint(format!("move it away: mv {0} {0}.old", path.display()))
    };
    let mut now = Vec::new();
    if let Some(item) = document.get("host") {
        for (name, host) in item.as_table_like().ok_or_else(|| no_table("host"))?.iter() {
            if !host.is_table_like() {
                return Err(no_table(&format!("host.{name}")));
            }
            now.push(name.to_owned());
        }
    }
    let urls: Vec<String> = mirrors.iter().map(|mirror| mirror.url()).collect();
    if now.starts_with(&urls) {
        return Ok((text.to_owned(), Vec::new()));
    }
    let mut old: HashMap<String, Table> = document.remove("host").map(tables).unwrap_or_default();
    let mut all = Table::new();
    all.set_implicit(true);
    let mut details = Vec::new();
    for url in &urls {
        let kept = old.remove(url);
        if kept.is_none() {
            details.push(format!("mirror {url}"));
        }
        let new = || Table::from_iter([("capabilities", Array::from_iter(["pull", "resolve"]))]);
        all.insert(url, Item::Table(kept.unwrap_or_else(new)));
    }
    for name in &now {
        if let Some(table) = old.remove(name) {
            all.insert(name, Item::Table(table));
        }
    }
    forget_positions(&mut all);
    document.insert("host", Item::Table(all));
    if details.is_empty() {
        details.push(format!("{} first", urls.join(", ")));
    }
    let edited = document.to_string();
    Ok((if text.is_empty() { format!("{HEADER}{edited}") } else { edited }, details))
}

/// The tables in a table, each with a head of its own: others would be printed before those.
fn tables(all: Item) -> HashMap<String, Table> {
    let all = all.into_table().unwrap_or_default();
    let tables = all.into_iter().filter_map(|(name, item)| Some((name, item.into_table().ok()?)));
    tables
        .map(|(name, mut table)| {
            table.set_dotted(false);
            (name, table)
        })
        .collect()
}

/// Tables are printed in the order of the text that they were read from, those in them too: now in that of their parent.
fn forget_positions(table: &mut Table) {
    for (_, item) in table.iter_mut() {
        match item {
            Item::Table(inner) => forget(inner),
            Item::ArrayOfTables(list) => list.iter_mut().for_each(forget),
            _ => {}
        }
    }
}

fn forget(table: &mut Table) {
    table.set_position(None);
    forget_positions(table);
}

fn not_toml(path: &Path, line: usize) -> Error {
    Error::cannot("edit", path, format!("line {line} is not valid TOML"))
        .with_exit(Exit::Refused)
        .hint(format!("containerd does not start with it either: repair it, or mv {0} {0}.old", path.display()))
}
