//! GOFLAGS: which of the user's flags a build keeps, and which it refuses.

/// Flags that run another program or read other source, which makes the checksum database pointless.
const UNSAFE: [&str; 3] = ["toolexec", "overlay", "exec"];

/// The name of the first flag that changes what is built.
pub(super) fn first_unsafe(flags: &str) -> Option<&str> {
    split(flags).map(name).find(|name| UNSAFE.contains(name))
}

/// The user's flags without those that say where modules are read.
pub(super) fn kept(flags: &str) -> String {
    let is_kept = |flag: &&str| !["mod", "modfile"].contains(&name(flag));
    split(flags).filter(is_kept).collect::<Vec<_>>().join(" ")
}

/// The single flags, split as go does: a flag that begins with a quote ends at the next one.
fn split(flags: &str) -> impl Iterator<Item = &str> {
    let mut rest = flags;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let quote = rest.chars().next().filter(|first| ['\'', '"'].contains(first));
        let end = match quote {
            Some(quote) => rest[1..].find(quote).map(|end| end + 2),
            None => rest.find(char::is_whitespace),
        };
        let (flag, behind) = rest.split_at(end.unwrap_or(rest.len()));
        rest = behind;
        (!flag.is_empty()).then_some(flag)
    })
}

/// `toolexec` of `-toolexec=x`, `--toolexec=x` and `'-toolexec=x y'`.
fn name(flag: &str) -> &str {
    flag.trim_start_matches(['\'', '"']).trim_start_matches('-').split('=').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_unsafe_finds_flags_in_every_spelling() {
        for (flags, want) in [
            ("-toolexec=/tmp/x", Some("toolexec")),
            ("-p=2 --toolexec=x", Some("toolexec")),
            ("-overlay=/tmp/o.json", Some("overlay")),
            ("'-toolexec=/tmp/x -y'", Some("toolexec")),
            ("-p=2 \"-overlay=/tmp/o.json\"", Some("overlay")),
            ("'-p=2'-toolexec=x", Some("toolexec")),
            ("\n-p=2\t-toolexec=x", Some("toolexec")),
            ("-buildvcs=false -p=2", None),
            ("'-ldflags=-X a=-toolexec'", None),
        ] {
            assert_eq!(first_unsafe(flags), want, "{flags}");
        }
    }

    #[test]
    fn kept_leaves_out_where_modules_are_read() {
        for (flags, want) in [
            ("-mod=vendor -p=2 --modfile=x -buildvcs=false", "-p=2 -buildvcs=false"),
            ("'-mod=vendor' '-tags=a b' \"-modfile=x\"", "'-tags=a b'"),
            ("'-tags=never ends", "'-tags=never ends"),
        ] {
            assert_eq!(kept(flags), want);
        }
    }

    proptest::proptest! {
        #[test]
        fn split_loses_nothing(flags in "[-=a-c'\" \t]{0,24}") {
            let solid = |text: &str| text.replace([' ', '\t'], "");
            assert_eq!(solid(&split(&flags).collect::<String>()), solid(&flags));
        }
    }
}
