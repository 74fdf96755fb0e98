//! The crates that the binaries link: their licences and notices, and a bill of materials.
//!
//! Features are those of the whole workspace, so the list may have a crate more than a binary, never one less.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use serde_json::{Value, json};

use crate::sh::Sh;
use crate::workspace::{Workspace, read};

/// The standard library and musl are linked too; the permission of the MIT licence follows.
const RUNTIME: &str = "  the Rust standard library: MIT OR Apache-2.0
  musl (targets *-musl): MIT

The Rust standard library is Copyright (c) The Rust Project contributors.
musl as a whole is Copyright (c) 2005-2020 Rich Felker, et al.
";

/// How the permission of the MIT licence begins.
const PERMISSION: &str = "Permission is hereby granted, free of charge";

/// Beginnings of the names of files with a licence or a notice.
const NOTICES: &[&str] = &["COPYING", "COPYRIGHT", "LICENCE", "LICENSE", "NOTICE", "UNLICENSE"];

/// A line of the Apache licence's text, which /usr/share/common-licenses has.
const APACHE: &str = "TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION";

/// A linked crate.
pub(super) struct Crate {
    name: String,
    version: String,
    license: String,
    is_ours: bool,
    dir: PathBuf,
    /// The ids of the crates that it links.
    links: Vec<String>,
}

/// Every crate that the utilities link for a target, by cargo's id.
pub(super) fn linked(workspace: &Workspace, triple: &str) -> Result<BTreeMap<String, Crate>> {
    let metadata = Sh::new("cargo metadata --locked --format-version 1 --filter-platform").arg(triple);
    let metadata: Value = serde_json::from_str(&metadata.dir(&workspace.root).capture()?)?;
    let list = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let mut packages = BTreeMap::new();
    let mut todo = Vec::new();
    for package in list(&metadata, "packages") {
        let id = text(&package, "id");
        let is_macro = list(&package, "targets").iter().any(|target| target["kind"] == json!(["proc-macro"]));
        if is_macro {
            continue;
        }
        if workspace.utilities.contains(&text(&package, "name")) {
            todo.push(id.clone());
        }
        let manifest = PathBuf::from(text(&package, "manifest_path"));
        let found = Crate {
            name: text(&package, "name"),
            version: text(&package, "version"),
            license: text(&package, "license").replace('/', " OR "),
            is_ours: package["source"].is_null(),
            dir: manifest.parent().unwrap_or(Path::new("/")).to_owned(),
            links: Vec::new(),
        };
        packages.insert(id, found);
    }
    for node in list(&metadata["resolve"], "nodes") {
        let normal = |dep: &Value| list(dep, "dep_kinds").iter().any(|kind| kind["kind"].is_null());
        let links = list(&node, "deps").iter().filter(|dep| normal(dep)).map(|dep| text(dep, "pkg")).collect();
        if let Some(package) = packages.get_mut(&text(&node, "id")) {
            package.links = links;
        }
    }
    let mut seen = BTreeSet::new();
    while let Some(id) = todo.pop() {
        if let Some(package) = packages.get(&id)
            && seen.insert(id)
        {
            todo.extend(package.links.iter().cloned());
        }
    }
    packages.retain(|id, _| seen.contains(id));
    for package in packages.values_mut() {
        package.links.retain(|id| seen.contains(id));
    }
    Ok(packages)
}

/// The text of `copyright`: each notice once, under the crates that have it.
pub(super) fn copyright(crates: &BTreeMap<String, Crate>) -> Result<String> {
    let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut list = String::new();
    for package in crates.values().filter(|package| !package.is_ours) {
        let title = format!("{} {}", package.name, package.version);
        if package.license.is_empty() {
            return Err(anyhow!("{title} names no licence"));
        }
        list.push_str(&format!("  {title}: {}\n", package.license));
        for text in notices(&package.dir)? {
            texts.entry(text).or_default().insert(title.clone());
        }
    }
    let mut copyright = format!(
        "edgeutils\nhttps://github.com/edgeutils/edgeutils\n\nCopyright: the edgeutils authors\n\
         License: Apache-2.0; on Debian its text is in /usr/share/common-licenses/Apache-2.0\n\n\
         The binaries link these libraries, under the licences named:\n\n{list}{RUNTIME}"
    );
    let permission = texts.keys().find_map(|text| text.find(PERMISSION).and_then(|at| text.get(at..)));
    let permission = permission.ok_or_else(|| anyhow!("no crate has the text of the MIT licence"))?;
    copyright.push_str(&format!("\n{permission}\n"));
    for (text, titles) in texts {
        let titles = titles.into_iter().collect::<Vec<_>>().join(", ");
        copyright.push_str(&format!("\n{}\n{titles}:\n\n{text}\n", "-".repeat(72)));
    }
    Ok(copyright)
}

/// The notices in a crate's directory, without the Apache licence itself.
fn notices(dir: &Path) -> Result<Vec<String>> {
    let cannot = || format!("cannot list {}", dir.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(cannot)? {
        let path = entry.with_context(cannot)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        if path.is_file() && NOTICES.iter().any(|beginning| name.starts_with(beginning)) {
            let text = String::from_utf8_lossy(&read(&path)?).replace('\r', "");
            if !text.contains(APACHE) {
                found.push(text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim().to_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// CycloneDX 1.5, without a time or a serial number: the same source has the same list.
pub(super) fn bill(crates: &BTreeMap<String, Crate>, version: &str) -> String {
    let purl = |package: &Crate| format!("pkg:cargo/{}@{}", package.name, package.version);
    let component = |package: &Crate| {
        json!({
            "type": "library",
            "bom-ref": purl(package),
            "name": package.name,
            "version": package.version,
            "purl": purl(package),
            "licenses": [{ "expression": package.license }],
        })
    };
    let dependency = |package: &Crate| {
        let links: Vec<String> = package.links.iter().filter_map(|id| crates.get(id)).map(purl).collect();
        json!({ "ref": purl(package), "dependsOn": links })
    };
    let bill = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": { "type": "application", "name": "edgeutils", "version": version } },
        "components": crates.values().map(component).collect::<Vec<_>>(),
        "dependencies": crates.values().map(dependency).collect::<Vec<_>>(),
    });
    format!("{bill:#}\n")
}
