//! Facts as literals, for tests of what follows from them.

use super::layout::Layout;
use super::live::{Hierarchy, Live, Memory};
use super::{Facts, Overlay};

pub(super) fn live(memory: Memory, cmdline: &str) -> Live {
    Live {
        hierarchy: Hierarchy::V2,
        memory,
        cmdline: cmdline.to_owned(),
        bootargs: Some(cmdline.to_owned()),
        model: None,
        release: "6.12.0".to_owned(),
        built: None,
        mounts: Vec::new(),
    }
}

pub(super) fn facts(layout: Layout, live: Option<Live>) -> Facts {
    Facts { live, layout, installed: None, overlay: Overlay::No }
}
