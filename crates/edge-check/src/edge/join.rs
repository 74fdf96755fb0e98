//! The command that joins a node, for hints.

use edge_kubeedge::Minor;

/// The command with what is known; what the user must fill in is in capitals.
pub(crate) fn join(host: Option<&str>, version: Option<Minor>) -> String {
    // Of the version only the minor one is known.
    let version = version.map_or_else(|| "VERSION".to_owned(), |version| format!("{version}.PATCH"));
    format!("edge-join apply --cloudcore {} --version {version} --token -", host.unwrap_or("HOST"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn join_has_every_option_that_is_required() {
        assert_eq!(join(None, None), "edge-join apply --cloudcore HOST --version VERSION --token -");
        assert_eq!(
            join(Some("192.0.2.1"), Some(Minor::new(23))),
            "edge-join apply --cloudcore 192.0.2.1 --version 1.23.PATCH --token -"
        );
    }
}
