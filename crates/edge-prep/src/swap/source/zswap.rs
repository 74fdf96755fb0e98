//! zswap: a compressed cache in front of swap. Mentioned only: without swap it has nothing to do.

use std::path::Path;

use edge_host::{Result, Root};

use super::{AfterReboot, Brings, Remedy, SwapSource, text};

const SWITCH: &str = "/sys/module/zswap/parameters/enabled";

pub(super) fn detect(root: &Root) -> Result<Vec<SwapSource>> {
    let value = if root.is_live() { text(root, SWITCH)? } else { None };
    Ok(value.and_then(|value| found(&value)).into_iter().collect())
}

fn found(value: &str) -> Option<SwapSource> {
    (value.trim() == "Y").then(|| SwapSource {
        source: "zswap",
        file: Path::new(SWITCH).to_path_buf(),
        line: None,
        what: "zswap".to_owned(),
        brings: Brings::Unknown,
        after_reboot: AfterReboot::Aside,
        why: "a compressed cache in front of swap, idle without it".to_owned(),
        remedy: Remedy::Nothing,
        service: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_mentioned_where_it_is_on() {
        assert!(found("N\n").is_none() && found("").is_none());
        let on = found("Y\n").unwrap();
        assert_eq!((on.after_reboot, on.what.as_str()), (AfterReboot::Aside, "zswap"));
        assert!(matches!(on.remedy, Remedy::Nothing));
    }
}
