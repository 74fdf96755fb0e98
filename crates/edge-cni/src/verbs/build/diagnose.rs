//! Finds the hint for an error of go.

use edge_host::Error;

use crate::catalog::Catalog;
use crate::go::Go;

/// The step that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// Downloading the module.
    Fetch,
    /// Building the module, whose dependencies come from the proxy, too.
    Module,
    /// Building a folder.
    Folder,
}

const NOT_FOUND: [&str; 5] = ["404 Not Found", "410 Gone", "403 Forbidden", "unknown revision", "invalid version"];
const UNREACHABLE: [&str; 6] =
    ["module lookup disabled", "dial tcp", "dial udp", "i/o timeout", "TLS handshake", "server response"];
const CANNOT_WRITE: [&str; 4] = [
    "read-only file system",
    "could not create module cache",
    "failed to initialize build cache",
    "/sumdb/sum.golang.org/latest: no such file",
];

/// The error for a message of go.
pub(super) fn diagnose(text: String, at: At, go: &Go, catalog: &Catalog) -> Error {
    let contains = |words: &[&str]| words.iter().any(|word| text.to_lowercase().contains(&word.to_lowercase()));
    let proxy = go.proxy();
    if contains(&["SECURITY ERROR", "checksum mismatch"]) {
        return Error::refused(text)
            .hint("do not use this module: the proxy's copy does not match the checksum database");
    }
    let hint = if contains(&["no space left"]) {
        "free 200 MiB for --out and 200 MiB for go's caches: go env GOCACHE GOMODCACHE".to_owned()
    } else if contains(&CANNOT_WRITE) {
        "set GOPATH=DIR and GOCACHE=DIR in the environment to directories that go can write to".to_owned()
    } else if contains(&["permission denied"]) {
        match at {
            At::Fetch => "use a module cache that the building user owns: go env -w GOMODCACHE=DIR".to_owned(),
            At::Module | At::Folder => {
                "use an --out that the user who called sudo can write to: go runs as that user".to_owned()
            }
        }
    } else if at == At::Folder {
        if !contains(&["inconsistent vendoring"]) {
            return Error::failed(text);
        }
        "update the vendor directory of the folder: go mod vendor".to_owned()
    } else if contains(&NOT_FOUND) {
        let newest = &catalog.newest;
        format!("check the version (the newest known release is {newest}), or use another proxy than {proxy}")
    } else if at == At::Fetch {
        format!(
            "use a reachable proxy instead of {proxy} (go env -w GOPROXY=URL), or build from a checkout: --from DIR"
        )
    } else if contains(&UNREACHABLE) {
        // go also asks whether the module is deprecated, which the module cache can answer.
        format!(
            "use a reachable proxy instead of {proxy}, or, if all modules were downloaded before, GOPROXY=file://{}/cache/download",
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
    fn diagnose_has_a_hint_for_usual_errors() {
        let go = go("go1.26.8", &[("GOPROXY", "https://proxy.example,direct"), ("GOMODCACHE", "/home/x/mod")]);
        let catalog = Catalog::read().unwrap();
        let of = |text: &str, at: At| diagnose(text.to_owned(), at, &go, &catalog);
        for at in [At::Fetch, At::Module] {
            let error =
                of("verifying x@v1: checksum mismatch; downloaded: h1:a; sum.golang.org: h1:b; SECURITY ERROR", at);
            assert_eq!(error.exit(), Exit::Refused);
            assert!(error.hint_text().unwrap().starts_with("do not use this module"));
        }
        for (said, at, hint) in [
            (
                "dial tcp 192.0.2.1:443: i/o timeout",
                At::Fetch,
                "instead of https://proxy.example (go env -w GOPROXY=URL), or build",
            ),
            ("dial tcp 192.0.2.1:443: i/o timeout", At::Module, "GOPROXY=file:///home/x/mod/cache/download"),
            (
                "loading deprecation for x: module lookup disabled by GOPROXY=off",
                At::Module,
                "use a reachable proxy instead of https://proxy.example, or",
            ),
            ("reading https://proxy.example/x: 403 Forbidden server response: no", At::Module, "check the version"),
            ("write /x: no space left on device", At::Fetch, "free 200 MiB"),
            ("mkdir /x: read-only file system", At::Fetch, "GOPATH=DIR and GOCACHE=DIR"),
            (
                "failed to initialize build cache at /x: mkdir /x: permission denied",
                At::Folder,
                "GOPATH=DIR and GOCACHE=DIR",
            ),
            ("open /x: permission denied", At::Folder, "the user who called sudo"),
            ("inconsistent vendoring in /x", At::Folder, "go mod vendor"),
        ] {
            let error = of(said, at);
            assert!(error.hint_text().is_some_and(|text| text.contains(hint)), "{said}: {:?}", error.hint_text());
        }
        for at in [At::Module, At::Folder] {
            assert_eq!(of("main.go:4:2: undefined: x", at).hint_text(), None);
        }
    }
}
