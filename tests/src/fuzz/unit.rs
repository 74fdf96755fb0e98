//! Unit files and environment files: what is read keeps its place, and what is written is read as it was.

use std::path::Path;

use edge_systemd::{Settings, fuzz, parse, quoted_path, quoted_variable, requested_links};

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "unit",
    check,
    read,
    seeds: || {
        super::texts(&[
            "[Unit]\nDescription=a \\\n# between\n b\n[Service]\nEnvironment=\"A=1 2\" 'B=x' C=\\x41\nEnvironment=\nEnvironment=D=%n\n\
             EnvironmentFile=-/etc/a\nExecStart=\nExecStart=-/bin/a $A \"${B}\" ; @/bin/b \\;\n[Install]\nWantedBy=x.target\nAlias=y.service\n",
            "; c\r\n[Service]\r\nExecStart=/bin/a\r\nType=oneshot\r\n",
            "# c\nA=1\nB=\"a b\" c 'd'\n C = x\\\ny\nD='a\"q\"'\nE=\"a\\$\\\\\"\n",
        ])
    },
    tokens: &[
        "[Service]",
        "[",
        "]",
        "Environment=",
        "ExecStart=",
        "WantedBy=",
        "=",
        "\\",
        "\\\n",
        "\"",
        "'",
        "%",
        "%%",
        "$A",
        "${A}",
        "\\x41",
        "\\u00e4",
        ";",
        " ; ",
        "\\;",
        "#",
        "\n",
        "\r\n",
        "\0",
        " ",
        "A=1",
        "-",
        ":",
        "\u{e4}",
    ],
    growing: &[
        ("[Service]\n", "Environment=A{}=1\n", ""),
        ("[Service]\nEnvironment=", "A{}=1 ", ""),
        ("[Service]\nEnvironment=\"A=", "\\\\", "\""),
        ("[Service]\nEnvironment=A=1\nExecStart=/bin/a ", "${A}", ""),
        ("[Service]\nEnvironment=A=1\nExecStart=/bin/a ", "$A ; /bin/b ", ""),
        ("[Service]\nEnvironment=\"A=x x x x x x x x\"\nExecStart=/bin/a ", "$A ", ""),
        ("[Service]\nExecStart=/bin/a ", "\\q\"a ", ""),
        ("[Service]\n", "A=\\\n", ""),
        ("[Service]\nA=", "\\\n#\n", "x"),
        ("", "[S{}]\nA=\n", ""),
        ("[Install]\n", "WantedBy=x{}.target\n", ""),
        ("", "A{}='\n'\n", ""),
        ("A=\"", "\\$\n", "\""),
    ],
};

fn settings(data: &[u8]) -> Settings {
    let mut settings = Settings::new("a-b@x.service");
    settings.add(Path::new("/u"), data);
    settings
}

fn read(data: &[u8]) {
    let settings = settings(data);
    settings.exec_start_words(&settings.environment());
    requested_links("a-b@x.service", &settings);
    fuzz::env_file(data);
}

fn check(data: &[u8]) {
    read(data);
    let all = parse(data);
    let ends = data.iter().filter(|byte| b"\n\r\0".contains(byte)).count() + 1;
    let mut before = 0;
    for one in &all {
        assert!(before < one.line && one.line <= one.last_line && one.last_line <= ends, "{one:?}");
        before = one.last_line;
    }
    // One a line, as a program would write them, they are the same.
    let plain: Vec<_> = all.iter().filter(|one| !one.value.ends_with('\\')).collect();
    let text: String = plain.iter().map(|one| format!("[{}]\n{}={}\n", one.section, one.key, one.value)).collect();
    let again = parse(text.as_bytes());
    assert_eq!(again.len(), plain.len());
    for (one, other) in again.iter().zip(plain) {
        assert_eq!((&one.section, &one.key, &one.value), (&other.section, &other.key, &other.value));
    }
    let value: String = super::text(data).chars().filter(|char| !char.is_control()).collect();
    let own = settings(format!("[Service]\nEnvironment={}\n", quoted_variable("A", &value)).as_bytes()).environment();
    assert_eq!(own.iter().map(|one| one.value.as_str()).collect::<Vec<_>>(), [value.as_str()]);
    let path = format!("/{value}");
    if let Ok(quoted) = quoted_path(&path) {
        let own = settings(format!("[Service]\nExecStart={quoted} restore\n").as_bytes()).exec_start();
        assert_eq!(own.iter().map(|one| one.argv.clone()).collect::<Vec<_>>(), [[path, "restore".to_owned()]]);
    }
    let lines: Vec<usize> = fuzz::env_file(data).into_iter().map(|(_, _, line)| line).collect();
    assert!(lines.is_sorted() && lines.iter().all(|line| (1..=ends).contains(line)));
}
