//! Edits runs of the journal for tests, with new checksums.

use sha2::{Digest, Sha256};

/// A run's lines, changed or moved, with the sums that they would have been written with.
pub fn reseal(text: &str) -> String {
    let mut last = String::new();
    let mut sealed = String::new();
    for line in text.lines() {
        let rest = line.split_once("\"record\"").map_or(line, |(_, rest)| rest);
        let rest = format!("\"record\"{rest}");
        let sum = Sha256::new().chain_update(&last).chain_update(&rest).finalize();
        last = sum.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        sealed.push_str(&format!("{{\"sum\":\"{last}\",{rest}\n"));
    }
    sealed
}

/// A run as format 1 wrote it.
pub fn as_format_1(text: &str) -> String {
    let lines = text.lines().map(|line| format!("{{\"record\"{}\n", line.split_once("\"record\"").unwrap().1));
    lines.collect::<String>().replacen("\"format\":2", "\"format\":1", 1)
}
