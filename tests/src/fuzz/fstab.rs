//! /etc/fstab: which lines turn swap on, commenting them out, and undoing that.

use std::collections::BTreeSet;

use edge_prep::fuzz::{fstab_commented, fstab_swap, fstab_uncommented};

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "fstab",
    check,
    read,
    seeds: || {
        super::texts(&[
            "# /etc/fstab\nUUID=ab12 / ext4 errors=remount-ro 0 1\nUUID=cd34 none swap sw 0 0\n",
            "/swapfile\tnone\tswap\tsw,pri=5\t0\t0\r\n/dev/sdb1 /mnt/swap ext4 defaults 0 0\r\n",
            "# edge-prep: /swapfile none swap sw 0 0\n/swapfile none swap sw 0 0\n/swapfile none swap sw 0 0",
        ])
    },
    tokens: &[
        "swap",
        " none swap sw 0 0\n",
        "# edge-prep: ",
        "#",
        "\t",
        " ",
        "\n",
        "\r\n",
        "\\040",
        "/swapfile",
        "ext4",
    ],
    growing: &[
        ("", "/swap{} none swap sw 0 0\n", ""),
        ("", "/swapfile none swap sw 0 0\n", ""),
        ("/swapfile none swap ", "x,", ""),
        ("", " ", ""),
        ("", "# edge-prep: ", "/swapfile none swap sw 0 0\n"),
    ],
};

fn read(data: &[u8]) {
    let all = fstab_swap(data).into_iter().map(|(line, _)| line).collect();
    if let (off, Some(back)) = fstab_commented(data, &all) {
        fstab_uncommented(&off, &back).expect("the edit can be reverted");
    }
}

fn check(data: &[u8]) {
    let found = fstab_swap(data);
    assert_eq!(found, expected(data));
    let on: BTreeSet<usize> = found.iter().filter(|(_, in_force)| *in_force).map(|(line, _)| *line).collect();
    let (off, back) = fstab_commented(data, &on);
    let after: Vec<(usize, bool)> = found.iter().map(|(line, _)| (*line, false)).collect();
    assert_eq!(fstab_swap(&off), after);
    let Some(back) = back else { return };
    assert_eq!(fstab_uncommented(&off, &back).expect("reverted"), data);
    // What was added meanwhile stays; of equal lines another one may be commented out.
    let added = b"/dev/sdc1 /data ext4 defaults 0 2\n";
    let back = fstab_uncommented(&[added, off.as_slice()].concat(), &back).expect("reverted");
    assert_eq!(sorted(&back), sorted(&[added, data].concat()));
}

fn sorted(bytes: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').map(|line| line.trim_ascii_end()).collect();
    lines.sort_unstable();
    lines
}

/// The same, read in another way: line by line, as text.
fn expected(data: &[u8]) -> Vec<(usize, bool)> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(super::text(data).split('\n')) {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let (in_force, line) = line.strip_prefix("# edge-prep: ").map_or((true, line), |line| (false, line));
        let fields: Vec<&str> = line.split([' ', '\t']).filter(|field| !field.is_empty()).collect();
        if let [spec, _, "swap", ..] = fields[..]
            && !spec.starts_with('#')
        {
            found.push((number, in_force));
        }
    }
    found
}
