//! zswap: a compressed cache in front of swap. Reported only: without swap it is idle.

use edge_host::{Result, Root};

use super::{AtBoot, SwapSource, text};

const SWITCH: &str = "/sys/module/zswap/parameters/enabled";

pub(super) fn detect(root: &Root) -> Result<Vec<SwapSource>> {
    let value = if root.is_live() { text(root, SWITCH)? } else { None };
    Ok(value.and_then(|value| found(&value)).into_iter().collect())
}

fn found(value: &str) -> Option<SwapSource> {
    let found = || SwapSource::new("zswap", SWITCH, "zswap", AtBoot::Related);
    (value.trim() == "Y").then(|| found().because("a compressed cache in front of swap, idle without it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn found_reports_zswap_where_it_is_on() {
        assert!(found("N\n").is_none() && found("").is_none());
        let on = found("Y\n").unwrap();
        assert_eq!((on.at_boot, on.what.as_str()), (AtBoot::Related, "zswap"));
        assert_eq!(on.manual_step, None);
    }
}
