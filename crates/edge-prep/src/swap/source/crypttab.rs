//! /etc/crypttab with the option `swap`: the device is made anew as swap at each boot.
//!
//! Reported, not edited: the line in fstab is what turns it on, and this one may be wanted again.

use std::path::Path;

use edge_host::{Result, Root};

use super::manual_step::ManualStep;
use super::{AfterReboot, SwapSource, text};

const FILE: &str = "/etc/crypttab";

pub(super) fn detect(root: &Root) -> Result<Vec<SwapSource>> {
    let Some(text) = text(root, FILE)? else { return Ok(Vec::new()) };
    Ok(parse(&text)
        .map(|(line, name)| {
            ManualStep {
                source: "crypttab",
                file: Path::new(FILE).to_path_buf(),
                line: Some(line),
                what: format!("/dev/mapper/{name}"),
                after_reboot: AfterReboot::Aside,
                why: "formatted as swap at each boot; fstab or a unit turns it on".to_owned(),
                step: format!("put a # in front of {FILE}:{line} if nothing else needs the device"),
            }
            .found()
        })
        .collect())
}

/// Line number and name of each device with the option.
fn parse(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().filter_map(|(index, line)| {
        let mut fields = line.split_whitespace();
        let name = fields.next().filter(|name| !name.starts_with('#'))?;
        let options = fields.nth(2)?;
        options.split(',').any(|option| option == "swap").then_some((index + 1, name))
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_the_option_counts() {
        let text =
            "# swap\ncswap /dev/sda2 /dev/urandom swap,cipher=aes\nswap /dev/sdb none luks\n#x /dev/y z swap\nw /d\n";
        assert_eq!(super::parse(text).collect::<Vec<_>>(), [(2, "cswap")]);
    }
}
