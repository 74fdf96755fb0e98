//! Facts as literals, for tests of plans and findings.

use super::Facts;
use super::layout::Layout;
use super::live::{Hierarchy, Live, Memory};

pub(super) fn live(memory: Memory, cmdline: &str) -> Live {
    Live {
        hierarchy: Hierarchy::V2,
        memory,
        cmdline: cmdline.to_owned(),
        bootargs: Some(cmdline.to_owned()),
        model: None,
        release: "6.12.0".to_owned(),
        has_memcg: None,
        mounts: edge_host::Mounts::default(),
    }
}

pub(super) fn facts(layout: Layout, live: Option<Live>) -> Facts {
    Facts { live, layout, installed_has_memcg: None, volatile: None }
}
