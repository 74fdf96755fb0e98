//! /etc/crypttab with the option `swap`: the device is formatted as swap at every boot.
//!
//! Reported, not edited: the entry in fstab turns it on, and the device may be needed for something else.

use edge_host::{Result, Root};

use super::{AtBoot, SwapSource, show, text};

const FILE: &str = "/etc/crypttab";

pub(super) fn detect(root: &Root) -> Result<Vec<SwapSource>> {
    let Some(text) = text(root, FILE)? else { return Ok(Vec::new()) };
    Ok(parse(&text)
        .map(|(line, name)| {
            let found = SwapSource::new("crypttab", FILE, format!("/dev/mapper/{name}"), AtBoot::Related)
                .because("formatted as swap at every boot; fstab or a unit turns it on")
                .manual_step(format!("comment out {}:{line} if nothing else needs the device", show(root, FILE)));
            SwapSource { line: Some(line), ..found }
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
    fn parse_finds_entries_with_the_option() {
        let text =
            "# swap\ncswap /dev/sda2 /dev/urandom swap,cipher=aes\nswap /dev/sdb none luks\n#x /dev/y z swap\nw /d\n";
        assert_eq!(super::parse(text).collect::<Vec<_>>(), [(2, "cswap")]);
    }
}
