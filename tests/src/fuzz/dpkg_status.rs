//! dpkg's status file.

use edge_apt::Status;

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "dpkg_status",
    check,
    read,
    seeds: || {
        super::texts(&[
            "Package: dpkg\nStatus: install ok installed\nArchitecture: arm64\nVersion: 1.21.22\n\nPackage: cri-o\nStatus: hold ok installed\nArchitecture: arm64\nVersion: 1:1.34.2-1.1~x+y\nDescription: x\n Package: not-this\n .\n",
            "Package: half\nStatus: install reinstreq half-installed\nArchitecture: all\n\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 0\n\nPackage: libx\nArchitecture: armhf\nConffiles:\n /etc/x 0123\n",
        ])
    },
    tokens: &[
        "Package:",
        "Status: ",
        "Version: ",
        "Architecture: ",
        " ",
        "\n",
        "\n\n",
        "\r\n",
        "\t",
        ":",
        "hold ok installed",
        "install reinstreq half-installed",
        "1:2~3-4",
        "dpkg",
        "apt",
        "arm64",
        "all",
    ],
    growing: &[
        ("", "Package: p{}\nStatus: install ok installed\nVersion: 1\n\n", ""),
        ("", "Package: p{}\nStatus: install reinstreq half-installed\nArchitecture: armhf\n\n", ""),
        ("Package: x\nVersion: ", "1.", "0\n"),
        ("Package: x\nVersion: 1\n", "Version: 0~{}\n", ""),
        ("Package: x\nDescription: y\n", " line\n", ""),
        ("", "a:\n\n", ""),
        ("Status:", " ", "\n"),
    ],
};

fn read(data: &[u8]) {
    let status = Status::parse(&super::text(data));
    let _ = (status.architecture().len(), status.unfinished().count(), status.apt());
}

fn check(data: &[u8]) {
    let text = super::text(data);
    let status = Status::parse(&text);
    let names: Vec<&str> = status.packages().iter().map(|package| package.name.as_str()).collect();
    assert_eq!(names, expected(&text));
    // Two files, one appended to the other, have the packages of both.
    let twice = Status::parse(&format!("{text}\n\n{text}"));
    assert_eq!(twice.packages(), [status.packages(), status.packages()].concat());
    for package in status.packages() {
        assert!(!package.state.contains(char::is_whitespace) || !package.state.contains(' '), "{package:?}");
        let is_unfinished = status.unfinished().any(|other| other == package);
        assert!(!(is_unfinished && package.is_installed()), "{package:?}");
    }
    let _ = (status.architecture().len(), status.apt());
}

/// The names, read in another way: paragraph by paragraph, the last field of that name.
fn expected(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut names = Vec::new();
    for paragraph in lines.split(|line| line.is_empty()) {
        let fields: Vec<(&str, &str)> = paragraph
            .iter()
            .filter(|line| !line.starts_with([' ', '\t']))
            .filter_map(|line| line.find(':').map(|colon| (&line[..colon], line[colon + 1..].trim())))
            .collect();
        if !fields.is_empty() {
            let name = fields.iter().rev().find(|(field, _)| *field == "Package");
            names.push(name.map_or("", |(_, value)| value).to_owned());
        }
    }
    names
}
