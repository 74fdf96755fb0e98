//! The journal of one run. The first byte of an input decides whether the lines of the rest are made whole lines
//! of the journal again, so that a changed record is read and not only its damage.

use edge_host::fuzz::{journal, resealed};

use super::Target;
use crate::image::Image;
use crate::tool;

pub(super) const TARGET: Target = Target {
    name: "journal",
    check,
    read,
    seeds,
    tokens: &[
        "{\"record\":\"end\"}\n",
        "{\"record\":\"reverted\"}\n",
        "{\"record\":\"done\",\"seq\":0}\n",
        "{\"record\":\"void\",\"seq\":1}\n",
        "{\"record\":\"begun\",\"seq\":0}\n",
        "{\"record\":\"failed\",\"seq\":0}\n",
        "{\"record\":\"undone\",\"seq\":0}\n",
        "\n",
        "{",
        "}",
        "[",
        "]",
        "\"",
        ",",
        ":",
        "null",
        "\"is\":",
        "\"file\"",
        "\"missing\"",
        "\"path\":",
        "\"format\":2",
        "{\"sum\":\"",
        "\"seq\":",
        "\u{0}",
    ],
    growing: &[
        (
            "\u{1}{\"record\":\"run\",\"format\":2,\"run\":1,\"tool\":\"x\",\"version\":\"0\",\"time\":\"\",\"request\":\"\"}\n",
            "{\"record\":\"end\"}\n",
            "",
        ),
        ("\u{1}", "{\"record\":\"end\"}\n", ""),
        ("\u{1}", "[", ""),
        ("\u{1}{\"record\":\"run\",\"format\":2,\"tool\":\"", "x", "\"}\n"),
        (
            "\u{1}{\"record\":\"run\",\"format\":2,\"run\":1,\"tool\":\"x\",\"version\":\"0\",\"time\":\"\",\"request\":\"\"}\n",
            "{\"record\":\"intent\",\"seq\":{},\"why\":\"\",\"undo\":\"\",\"change\":{\"set\":{\"path\":\"a\",\"before\":\"\",\"after\":\"\"}}}\n{\"record\":\"done\",\"seq\":{}}\n",
            "",
        ),
        ("", "\n", ""),
    ],
};

/// Journals of runs of the fixture: done, undone, with every kind of change.
fn seeds() -> Vec<Vec<u8>> {
    let fixture = tool::path("edge-fixture");
    let fixture = fixture.to_str().expect("a path that is text");
    let plans = [
        r#"[{"write": "/etc/a", "text": "two\n"}, {"line": "/etc/b", "text": "x"}, {"link": "/etc/c", "target": "a"}]"#,
        r#"[{"remove": "/etc/a"}, {"key": "/etc/k", "text": "secret"}, {"large": "/etc/l", "text": "x", "times": 9}]"#,
    ];
    let mut all = Vec::new();
    for plan in plans {
        let image = Image::with(fixture, &[("etc/a", "one\n"), ("etc/b", "one\n")]);
        image.apply(plan).expect(0);
        all.push(image.journal());
        image.undo().expect(0);
        all.push(image.journal());
    }
    (0..2).flat_map(|first| all.iter().map(move |seed| [&[first], seed.as_slice()].concat())).collect()
}

/// How the rest is read, by the first byte.
fn file(data: &[u8]) -> Vec<u8> {
    match data.split_first() {
        Some((first, rest)) if first % 2 == 1 => resealed(rest),
        Some((_, rest)) => rest.to_vec(),
        None => Vec::new(),
    }
}

fn read(data: &[u8]) {
    let _ = journal(&file(data));
}

fn check(data: &[u8]) {
    let bytes = file(data);
    let run = match journal(&bytes) {
        Ok(Some(run)) => run,
        Ok(None) => return,
        Err(error) => {
            assert!(error.to_string().starts_with("cannot read the journal "), "{error}");
            return;
        }
    };
    let whole = usize::try_from(run.whole_bytes).expect("a length in memory");
    assert!(whole <= bytes.len() && bytes[..whole].ends_with(b"\n"));
    assert_eq!(journal(&bytes[..whole]).ok().flatten().as_ref(), Some(&run));
    // An incomplete last line is ignored.
    assert_eq!(journal(&[&bytes[..whole], b"{\"rec"].concat()).ok().flatten().as_ref(), Some(&run));
    // Cut off anywhere it is an earlier state of the same run, never an error and never more.
    for part in 0..8 {
        let cut = whole * part / 8;
        match journal(&bytes[..cut]).expect("the front of what can be read") {
            Some(earlier) => {
                assert!(earlier.whole_bytes <= cut as u64 && earlier.entries <= run.entries);
            }
            None => assert!(!bytes[..cut].contains(&b'\n')),
        }
    }
}
