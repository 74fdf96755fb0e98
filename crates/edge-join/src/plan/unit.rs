//! The unit of edgecore, as keadm writes it, and the one that joins at the first boot of an image.

use crate::program::INSTALLED;

/// The unit of edgecore.
pub const UNIT: &str = "edgecore.service";
/// Its file, where keadm looks for it.
pub const UNIT_FILE: &str = "/etc/systemd/system/edgecore.service";
/// The unit of the first boot.
pub const FIRST_BOOT: &str = "edge-join-first-boot.service";
/// Its file.
pub const FIRST_BOOT_FILE: &str = "/etc/systemd/system/edge-join-first-boot.service";
/// The link that enables it.
pub const FIRST_BOOT_LINK: &str = "/etc/systemd/system/multi-user.target.wants/edge-join-first-boot.service";
/// The token for the first boot, which an administrator writes and the join deletes.
pub const TOKEN_FILE: &str = "/etc/edgeutils/join-token";

/// The text of edgecore's unit: what keadm 1.23 writes (`extsystem/simple.service`), with the network awaited.
pub fn edgecore(config: &str) -> String {
    // The default path is left out, as keadm does.
    let option =
        if config == edge_kubeedge::paths::EDGECORE_YAML { String::new() } else { format!(" --config {config}") };
    format!(
        "[Unit]\nDescription=edgecore.service\nDocumentation=https://kubeedge.io\nWants=network-online.target\n\
         After=network-online.target\n\n[Service]\nType=simple\nExecStart={INSTALLED}{option}\nRestart=always\nRestartSec=10\n\
         KillMode=process\n\n[Install]\nWantedBy=multi-user.target\n"
    )
}

/// The text of the first boot's unit; `words` are the words of the join that it makes.
///
/// It is not tried again by itself: a refused token is deleted, and edge-join has said why.
pub fn first_boot(words: &[String]) -> String {
    let line: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    format!(
        "# Written by edge-join apply --root; the token that it uses is deleted by the join.\n[Unit]\n\
         Description=Join KubeEdge as an edge node\nDocumentation=man:edge-join(8)\n\
         ConditionPathExists={TOKEN_FILE}\nWants=network-online.target\nAfter=network-online.target\n\n\
         [Service]\nType=oneshot\nExecStart={}\n\n[Install]\nWantedBy=multi-user.target\n",
        line.join(" ")
    )
}

/// A word of ExecStart=, for systemd's parser.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=,@+[]".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word.to_owned();
    }
    let mut text = String::from("\"");
    for char in word.chars() {
        match char {
            '"' | '\\' => text.extend(['\\', char]),
            '%' => text.push_str("%%"),
            '$' => text.push_str("$$"),
            char => text.push(char),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edgecore_reads_the_configuration_that_is_written() {
        assert!(edgecore("/etc/kubeedge/config/edgecore.yaml").contains("ExecStart=/usr/local/bin/edgecore\n"));
        assert!(edgecore("/x/e.yaml").contains("ExecStart=/usr/local/bin/edgecore --config /x/e.yaml\n"));
    }

    #[test]
    fn first_boot_quotes_its_words() {
        let words = ["/usr/bin/edge-join", "apply", "--label", "a b=50% \"$x\"", ""].map(str::to_owned);
        let text = first_boot(&words);
        let line = text.lines().find(|line| line.starts_with("ExecStart=")).unwrap();
        assert_eq!(line, r#"ExecStart=/usr/bin/edge-join apply --label "a b=50%% \"$$x\"" """#);
        assert!(text.contains("ConditionPathExists=/etc/edgeutils/join-token\n"));
    }
}
