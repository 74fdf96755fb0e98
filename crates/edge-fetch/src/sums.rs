//! Lists of checksums, in the format of sha256sum.

use crate::sum::is_sha256;

/// The checksum of a file in a list, as it is written there; none where the file is not listed.
pub fn listed<'t>(list: &'t str, name: &str) -> Option<&'t str> {
    lines(list).find(|line| line.name == name).map(|line| line.sum)
}

/// The name and checksum in each line of a list. Errors: the line that is wrong, and why.
pub fn parse(list: &str) -> Result<Vec<(String, String)>, String> {
    let mut all = Vec::new();
    for Line { number, sum, name } in lines(list) {
        if !is_sha256(sum) {
            return Err(format!("line {number}: expected a SHA-256 of 64 hexadecimal digits"));
        }
        if name.is_empty() || name.contains('/') || name == ".." {
            return Err(format!("line {number}: expected the name of a file in the same folder"));
        }
        all.push((name.to_owned(), sum.to_ascii_lowercase()));
    }
    Ok(all)
}

/// A line of a list.
pub(crate) struct Line<'t> {
    number: usize,
    pub(crate) sum: &'t str,
    /// Empty where there is only a checksum.
    pub(crate) name: &'t str,
}

/// The lines of a list: `SUM  NAME`, or `SUM *NAME` for a binary file; the name may begin with `./`.
pub(crate) fn lines(list: &str) -> impl Iterator<Item = Line<'_>> {
    (1..).zip(list.lines().map(str::trim)).filter(|(_, line)| !line.is_empty()).map(|(number, line)| {
        let (sum, name) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let name = name.strip_prefix([' ', '*']).unwrap_or(name);
        Line { number, sum, name: name.strip_prefix("./").unwrap_or(name) }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parse_reads_the_format_of_sha256sum() {
        let hash = "A".repeat(64);
        let text = format!("{hash}  a_1.deb\n\n{hash} *./b.deb\r\n");
        let want: Vec<(String, String)> =
            ["a_1.deb", "b.deb"].iter().map(|name| ((*name).to_owned(), hash.to_lowercase())).collect();
        assert_eq!(parse(&text).unwrap(), want);
        assert_eq!((listed(&text, "b.deb"), listed(&text, "c.deb")), (Some(hash.as_str()), None));
        for bad in ["x", "abc  x", &format!("{hash}  ../x.deb"), &format!("{hash}  a/x.deb"), &format!("{hash}  ")] {
            assert!(parse(bad).unwrap_err().starts_with("line 1: "), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn parse_reads_every_form_of_a_line(
            files in proptest::collection::vec(
                ("[0-9a-fA-F]{64}", " | [.]/|[*]|[*][.]/", "[a-z0-9_.+~%-]{1,12}[.]deb", "\n|\r\n"),
                0..5,
            )
        ) {
            let text: String = files.iter().map(|(hash, mode, name, end)| format!("{hash} {mode}{name}{end}")).collect();
            let want: Vec<(String, String)> =
                files.iter().map(|(hash, _, name, _)| (name.clone(), hash.to_lowercase())).collect();
            prop_assert_eq!(parse(&text), Ok(want));
        }

        #[test]
        fn parse_refuses_files_outside_the_folder(
            text in "([0-9a-f]{64}|[0-9a-f]{3})?[ *]{0,2}(\\PC{0,12}|[./a]{0,6})\n?"
        ) {
            for (name, hash) in parse(&text).unwrap_or_default() {
                prop_assert!(!name.contains('/') && name != ".." && !name.is_empty() && hash.len() == 64, "{:?}", name);
            }
        }
    }
}
