//! What go says where it fails, and what to do about it.

use edge_host::Error;

use crate::go::Go;
use crate::releases::Releases;

/// What go was to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// Fetch the module.
    Fetch,
    /// Build from it; its dependencies come from the proxy, too.
    Module,
    /// Build a folder.
    Folder,
}

const NOT_FOUND: [&str; 5] = ["404 Not Found", "410 Gone", "403 Forbidden", "unknown revision", "invalid version"];
const NO_WAY: [&str; 6] =
    ["module lookup disabled", "dial tcp", "dial udp", "i/o timeout", "TLS handshake", "server response"];
const CANNOT_WRITE: [&str; 4] = [
    "read-only file system",
    "could not create module cache",
    "failed to initialize build cache",
    "/sumdb/sum.golang.org/latest: no such file",
];

/// The error for what go said.
pub(super) fn diagnose(text: String, at: At, go: &Go, releases: &Releases) -> Error {
    let says = |words: &[&str]| words.iter().any(|word| text.to_lowercase().contains(&word.to_lowercase()));
    let proxy = go.proxy();
    if says(&["SECURITY ERROR", "checksum mismatch"]) {
        return Error::refused(text)
            .hint("what the proxy gives is not what the checksum database knows: do not use it");
    }
    let hint = if says(&["no space left"]) {
        "go needs some two hundred megabytes at --out, and as much in its caches: go env GOCACHE GOMODCACHE".to_owned()
    } else if says(&CANNOT_WRITE) {
        "go cannot write to its caches: GOPATH=DIR and GOCACHE=DIR in the environment name others".to_owned()
    } else if says(&["permission denied"]) {
        match at {
            At::Fetch => "the module cache of the user who builds must be that user's own".to_owned(),
            At::Module | At::Folder => {
                "go runs with the rights of the user who called sudo: name an --out that this user can reach".to_owned()
            }
        }
    } else if at == At::Folder {
        if !says(&["inconsistent vendoring"]) {
            return Error::failed(text);
        }
        "the folder's vendor directory does not fit its go.mod: `go mod vendor` mends it".to_owned()
    } else if says(&NOT_FOUND) {
        let newest = &releases.newest;
        format!("is there such a release? The newest that is known is {newest}; or {proxy} does not give it away")
    } else if at == At::Fetch {
        format!(
            "GOPROXY is {proxy}: name one that can be reached (go env -w GOPROXY=URL), or build from a checked-out folder: --from DIR"
        )
    } else if says(&NO_WAY) {
        // It asks for more than it needs: whether the module is deprecated by now.
        format!(
            "GOPROXY is {proxy}, and go cannot ask it: name one that can be reached; where all was fetched before, GOPROXY=file://{}/cache/download is one",
            go.module_cache()
        )
    } else {
        return Error::failed(text);
    };
    Error::failed(text).hint(hint)
}

#[cfg(test)]
mod tests {
    use edge_host::Exit;

    use super::*;
    use crate::go::tests::go;

    #[test]
    fn what_go_says_has_a_remedy() {
        let go = go("go1.26.8", &[("GOPROXY", "https://proxy.example,direct"), ("GOMODCACHE", "/home/x/mod")]);
        let releases = Releases::known().unwrap();
        let of = |text: &str, at: At| diagnose(text.to_owned(), at, &go, &releases);
        for at in [At::Fetch, At::Module] {
            let error =
                of("verifying x@v1: checksum mismatch; downloaded: h1:a; sum.golang.org: h1:b; SECURITY ERROR", at);
            assert_eq!(error.exit(), Exit::Refused);
            assert!(error.hint_text().unwrap().ends_with("do not use it"));
        }
        for (said, at, hint) in [
            (
                "dial tcp 192.0.2.1:443: i/o timeout",
                At::Fetch,
                "name one that can be reached (go env -w GOPROXY=URL), or build",
            ),
            ("dial tcp 192.0.2.1:443: i/o timeout", At::Module, "GOPROXY=file:///home/x/mod/cache/download is one"),
            (
                "loading deprecation for x: module lookup disabled by GOPROXY=off",
                At::Module,
                "GOPROXY is https://proxy.example, and",
            ),
            (
                "reading https://proxy.example/x: 403 Forbidden server response: no",
                At::Module,
                "is there such a release? ",
            ),
            ("write /x: no space left on device", At::Fetch, "go needs some two hundred megabytes"),
            ("mkdir /x: read-only file system", At::Fetch, "GOPATH=DIR and GOCACHE=DIR"),
            (
                "failed to initialize build cache at /x: mkdir /x: permission denied",
                At::Folder,
                "GOPATH=DIR and GOCACHE=DIR",
            ),
            ("open /x: permission denied", At::Folder, "the user who called sudo"),
            ("inconsistent vendoring in /x", At::Folder, "`go mod vendor` mends it"),
        ] {
            let error = of(said, at);
            assert!(error.hint_text().is_some_and(|text| text.contains(hint)), "{said}: {:?}", error.hint_text());
        }
        for at in [At::Module, At::Folder] {
            assert_eq!(of("main.go:4:2: undefined: x", at).hint_text(), None);
        }
    }
}
