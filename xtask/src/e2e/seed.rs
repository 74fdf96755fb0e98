//! The user-data of scripts/cloud-init with its values filled in.

use anyhow::{Result, bail};

use super::disk::GuestFile;

/// Where cloud-init looks on the machine's own disk.
const SEED: &str = "/var/lib/cloud/seed/nocloud";

/// User-data without settings.
pub(super) const NOTHING: &str = "#!/bin/sh\n";

/// The two files of a first boot as `instance`; a new name is a new first boot.
pub(super) fn files(instance: &str, user_data: &str) -> [GuestFile; 2] {
    [
        GuestFile::text(format!("{SEED}/meta-data"), format!("instance-id: {instance}\n")),
        GuestFile::text(format!("{SEED}/user-data"), user_data),
    ]
}

/// Fills in values: each `NAME=` line of the file gets a new right side.
pub(super) fn filled(user_data: &str, values: &[(&str, String)]) -> Result<String> {
    let mut lines: Vec<String> = user_data.lines().map(str::to_owned).collect();
    for (name, value) in values {
        let prefix = format!("{name}=");
        let mut places = lines.iter_mut().filter(|line| line.trim_start().starts_with(&prefix));
        let (Some(line), None) = (places.next(), places.next()) else {
            bail!("the user-data does not have exactly one line for {name}");
        };
        let indent = line.len() - line.trim_start().len();
        line.truncate(indent);
        line.push_str(&format!("{prefix}{value}"));
    }
    Ok(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_replace_those_of_the_file_and_nothing_else() {
        let text = "#cloud-config\n  content: |\n    A=1\n    AB=2\nruncmd:\n  - echo $A\n";
        let expected = "#cloud-config\n  content: |\n    A=x y\n    AB=2\nruncmd:\n  - echo $A\n";
        assert_eq!(filled(text, &[("A", "x y".to_owned())]).unwrap(), expected);
        assert!(filled(text, &[("C", "1".to_owned())]).is_err());
    }

    #[test]
    fn values_of_the_example_are_settings_of_the_script() {
        let example = include_str!("../../../scripts/cloud-init/edge-node.yaml");
        let script = include_str!("../../../scripts/settings.sh");
        let content = example.split("content: |\n").nth(1).unwrap().split("  - path:").next().unwrap();
        let names: Vec<&str> = content.lines().map(|line| line.trim().split_once('=').unwrap().0).collect();
        assert!(names.contains(&"RUNTIME"), "{names:?}");
        for name in names {
            assert!(filled(example, &[(name, "x".to_owned())]).is_ok(), "{name}");
            assert!(script.split([' ', '\'', '"', '\n']).any(|word| word == name), "{name}");
        }
    }
}
