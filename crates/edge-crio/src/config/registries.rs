//! Sets mirrors of image registries, in edge-crio's file in registries.conf.d.

pub use edge_fetch::RegistryMirror as Mirror;
use edge_host::{Error, Exit, Result};
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

use super::{REGISTRIES, not_toml};

const HEADER: &str =
    "# Made by edge-crio; `edge-crio undo` removes it. Mirrors are tried in order, the registry itself last.\n\n";

/// The file with these mirrors instead of others of the same registries, and a line for each new mirror. Refuses a text
/// that is not valid TOML.
pub fn mirrors(text: &str, requested: &[Mirror]) -> Result<(String, Vec<String>)> {
    let mut document: DocumentMut = text.parse().map_err(|error| not_toml(REGISTRIES, text, &error))?;
    let mut details = Vec::new();
    let mut hosts: Vec<&str> = requested.iter().map(|mirror| mirror.host.as_str()).collect();
    hosts.dedup();
    for host in hosts {
        let of_host: Vec<&Mirror> = requested.iter().filter(|mirror| mirror.host == host).collect();
        let entry = document.entry("registry").or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
        let Some(registries) = entry.as_array_of_tables_mut() else {
            return Err(Error::cannot("edit", REGISTRIES, "registry is not a list of [[registry]] sections")
                .with_exit(Exit::Refused)
                .hint("write it as [[registry]] sections, or move the file out of the directory"));
        };
        let is_host = |table: &Table| table.get("location").and_then(Item::as_str) == Some(host);
        if registries.iter().any(|table| is_host(table) && has(table, &of_host)) {
            continue;
        }
        registries.retain(|table| !is_host(table));
        let mut table = Table::new();
        table.insert("location", value(host));
        let mut list = ArrayOfTables::new();
        for mirror in of_host {
            let mut entry = Table::new();
            entry.insert("location", value(&mirror.location));
            if mirror.insecure {
                entry.insert("insecure", value(true));
            }
            list.push(entry);
            let without_tls = if mirror.insecure { " (without TLS)" } else { "" };
            details.push(format!("{host}: mirror {}{without_tls}", mirror.location));
        }
        table.insert("mirror", Item::ArrayOfTables(list));
        registries.push(table);
    }
    let edited = document.to_string();
    Ok((if text.is_empty() && !details.is_empty() { format!("{HEADER}{edited}") } else { edited }, details))
}

fn has(table: &Table, requested: &[&Mirror]) -> bool {
    let Some(list) = table.get("mirror").and_then(Item::as_array_of_tables) else { return false };
    let same = |(entry, mirror): (&Table, &&Mirror)| {
        entry.get("location").and_then(Item::as_str) == Some(mirror.location.as_str())
            && entry.get("insecure").and_then(Item::as_bool).unwrap_or_default() == mirror.insecure
    };
    list.len() == requested.len() && list.iter().zip(requested).all(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_are_added_and_others_are_kept() {
        let requested: Vec<Mirror> = ["docker.io=https://m.example/hub/", "quay.io=http://10.0.0.1:5000"]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        let (text, details) = mirrors("", &requested).unwrap();
        insta::assert_snapshot!(text, @r#"
        # Made by edge-crio; `edge-crio undo` removes it. Mirrors are tried in order, the registry itself last.

        [[registry]]
        location = "docker.io"

        [[registry.mirror]]
        location = "m.example/hub"

        [[registry]]
        location = "quay.io"

        [[registry.mirror]]
        location = "10.0.0.1:5000"
        insecure = true
        "#);
        assert_eq!(details, ["docker.io: mirror m.example/hub", "quay.io: mirror 10.0.0.1:5000 (without TLS)"]);
        assert_eq!(mirrors(&text, &requested).unwrap(), (text.clone(), vec![]));
        let inline = mirrors("registry = [{location = 'docker.io'}]\n", &requested).unwrap_err();
        assert!(inline.to_string().ends_with("registry is not a list of [[registry]] sections"), "{inline}");
        let other = ["docker.io=https://n.example".parse().unwrap()];
        let (text, _) = mirrors(&text, &other).unwrap();
        assert!(text.contains("n.example") && !text.contains("m.example") && text.contains("quay.io"), "{text}");
    }
}
