//! config.txt of Raspberry Pis: which file is the kernel's command line.

use edge_host::Result;
use edge_prep::cgroup::config_txt::{Choice, evaluate};

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "config_txt",
    check,
    read,
    seeds: || {
        super::texts(&[
            "# comment\n[all]\narm_64bit=1\ncmdline=cmdline.txt\nos_prefix=current/\n",
            "[pi4]\ncmdline=pi4.txt\n[pi5]\ncmdline=pi5.txt\n[all]\n[none]\ncmdline=x\n",
            "[tryboot]\nos_prefix=new/\n[all]\ninclude more.txt\ninclude gone.txt\n[gpio4=1]\ncmdline=cmdline.txt\n",
        ])
    },
    tokens: &[
        "[all]",
        "[none]",
        "[pi4]",
        "[pi02]",
        "[tryboot]",
        "[gpio4=1]",
        "[0x1234]",
        "\n",
        "cmdline=",
        "os_prefix=",
        "include more.txt\n",
        "include loop.txt\n",
        "include gone.txt\n",
        "..",
        "/",
        "#",
        "a.txt",
        "\u{0}",
        "=",
    ],
    growing: &[
        ("", "[gpio{}=1]\ncmdline=cmdline.txt\n", ""),
        ("", "cmdline=a{}.txt\n", ""),
        ("[gpio4=1]\n", "cmdline=cmdline.txt\n", ""),
        ("", "include more.txt\n", ""),
        ("cmdline=", "a/", "x"),
        ("", "[", ""),
    ],
};

const MODELS: [Option<&str>; 4] =
    [None, Some("Raspberry Pi 4 Model B Rev 1.4"), Some("Raspberry Pi Zero 2 W Rev 1.0"), Some("a board of others")];

fn include(name: &str) -> Result<Option<String>> {
    Ok(match name {
        "more.txt" => Some("[pi4]\ncmdline=more.txt\n".to_owned()),
        "loop.txt" => Some("include loop.txt\n".to_owned()),
        _ => None,
    })
}

fn chosen(text: &str, model: Option<&str>) -> Result<Choice> {
    evaluate(text, model, &mut include)
}

fn read(data: &[u8]) {
    let _ = chosen(&super::text(data), None);
}

fn check(data: &[u8]) {
    let text = super::text(data);
    for model in MODELS {
        let choice = chosen(&text, model);
        if let Ok(choice) = &choice {
            let parts: Vec<&str> = choice.file.split('/').collect();
            assert!(parts.iter().all(|part| !part.is_empty() && *part != ".."), "{choice:?}");
        }
        let file = |choice: Result<Choice>| choice.map(|choice| choice.file).ok();
        let expected = file(choice.clone());
        // Comments and inactive sections change nothing.
        assert_eq!(file(chosen(&format!("# x\n\n{text}"), model)), expected);
        assert_eq!(file(chosen(&format!("{text}\n[none]\ncmdline=never.txt\nos_prefix=../\n"), model)), expected);
        // The last assignment takes precedence, whatever precedes it.
        let is_unreadable = choice.is_err_and(|error| {
            let message = error.to_string();
            message.contains("NUL") || message.contains("includes")
        });
        let last = file(chosen(&format!("{text}\n[all]\ncmdline=last.txt\nos_prefix=p/\n"), model));
        assert_eq!(last.as_deref(), (!is_unreadable).then_some("p/last.txt"));
    }
}
