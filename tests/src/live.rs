//! Scripts on a "live" host that is the test's own: private mount, network and UTS namespaces with
//! empty /run, /var and /mnt. Nothing of the machine is changed, and all of it ends with the script.

use std::path::Path;
use std::process::Command;

use crate::tool::Ran;

/// `edge` runs the fixture and prints its exit code; `plan TEXT` writes its plan.
const PRELUDE: &str = r#"
exec 2>&1
for dir in /run /var /mnt; do mount -t tmpfs -o size=8m,mode=755 tmpfs "$dir" || exit 99; done
cd /mnt
edge() { "$FIXTURE" --force-namespace "$@"; echo "exit $?"; }
apply() { edge apply --plan /mnt/plan.json "$@"; }
plan() { printf %s "$*" > /mnt/plan.json; }
"#;

/// Whether such namespaces can be made here.
pub fn can_unshare() -> bool {
    crate::is_root() && Command::new("unshare").args(["-mnu", "true"]).status().is_ok_and(|status| status.success())
}

/// The same, for a test that is skipped then.
pub fn cannot_unshare(test: &str) -> bool {
    let cannot = !can_unshare();
    if cannot {
        crate::skip(test, "private namespaces cannot be made");
    }
    cannot
}

/// Runs a shell script there; what it and all in it printed is in `stdout`.
pub fn script(fixture: &str, text: &str) -> Ran {
    let output = Command::new("timeout")
        .args(["--kill-after=1", "60", "unshare", "-mnu", "--propagation", "private", "--"])
        .args(["sh", "-uc", &format!("{PRELUDE}{text}")])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("FIXTURE", Path::new(fixture))
        .output()
        .unwrap();
    Ran::of(&output)
}

/// Fails unless the script printed exactly this. Leading white space of the lines is ignored.
#[track_caller]
pub fn transcript(fixture: &str, text: &str, want: &str) {
    let ran = script(fixture, text);
    assert_eq!(even(&ran.stdout), even(want), "the script printed:\n{}{}", ran.stdout, ran.stderr);
}

/// A text without the white space around its lines, and without empty lines.
pub fn even(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}
