//! Shell scripts: the first command that turns swap on.

use edge_prep::fuzz::script_swap;

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "swap_script",
    check,
    read,
    seeds: || {
        super::texts(&[
            "#!/bin/sh\nset -e\n# swapon /no\nmkswap /swapfile && swapon -p 5 /swapfile\n",
            "if ! swapon --show | grep -q .; then sh -c 'exec sudo swapon \"$FILE\"'; fi\n",
            "for f in a b; do\n  X=1 swapon \\\n  $f 2>/dev/null\ndone\necho \"swapon /x\" # swapon\n",
        ])
    },
    tokens: &[
        "swapon", " /x", " -a", " --show", "\n", ";", "&&", "|", "'", "\"", "`", "$(", ")", "#", "\\", "sh -c ",
        "sudo ", "echo ", "if ", "{ ", "X=1 ", "\u{0}",
    ],
    growing: &[
        ("", "swapon --show /x{}\n", ""),
        ("", "sh -c '", "swapon /x"),
        ("", "sudo ", "x"),
        ("", "X=1 ", "x"),
        ("", "/swapon", ""),
        ("\"", "/swapon_", ""),
        ("", "(", ""),
        ("", "\\\n", ""),
        ("", "/bin/a{};", ""),
    ],
};

fn read(data: &[u8]) {
    script_swap(&super::text(data));
}

fn check(data: &[u8]) {
    let text = super::text(data);
    let found = script_swap(&text);
    assert!(found.is_none_or(|line| line >= 1 && line <= text.split('\n').count()), "{found:?}");
    // A comment before it changes nothing, and a command before it is the first.
    assert_eq!(script_swap(&format!("# swapon /x\n{text}")), found.map(|line| line + 1));
    assert_eq!(script_swap(&format!("swapon /x\n{text}")), Some(1));
}
