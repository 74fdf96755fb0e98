//! The memory limit of go's compilers and linkers, below which they do not collect garbage.
//!
//! Garbage collection is a ninth of the cost of building all plugins (Go 1.26, plugins v1.9.1: 42 s of CPU with it,
//! 38 s without), so it starts only when a process has used its share of the free memory.

use std::fs;
use std::thread::available_parallelism;

const MEMINFO: &str = "/proc/meminfo";
/// Variables that are kept where the user sets one of them.
const VARIABLES: [&str; 2] = ["GOGC", "GOMEMLIMIT"];
/// In MiB: with less a process would collect all the time, and more is never used.
const LEAST: u64 = 512;
const MOST: u64 = 1024;

/// Variables for the go command: the user's, or the limit, or none where there is little memory.
pub(super) fn variables() -> Vec<(&'static str, String)> {
    let given: Vec<_> = VARIABLES.iter().filter_map(|name| Some((*name, std::env::var(name).ok()?))).collect();
    if !given.is_empty() {
        return given;
    }
    let cores = available_parallelism().map_or(1, |cores| cores.get() as u64);
    let meminfo = fs::read_to_string(MEMINFO).unwrap_or_default();
    let share = share(available_mib(&meminfo), cores);
    share.map_or_else(Vec::new, |mib| vec![("GOGC", "off".to_owned()), ("GOMEMLIMIT", format!("{mib}MiB"))])
}

/// The limit of each process in MiB, as go runs one for each core. Half of the memory is left for the host.
fn share(available: u64, cores: u64) -> Option<u64> {
    let each = available / 2 / cores;
    (each >= LEAST).then_some(each.min(MOST))
}

fn available_mib(meminfo: &str) -> u64 {
    let kib = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:")?.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn share_is_none_on_a_small_host() {
        // A Raspberry Pi with 1 GiB, one with 4 GiB of which half is free, a laptop, a build server.
        for (available, cores, expected) in
            [(700, 4, None), (2048, 4, None), (6000, 4, Some(750)), (64_000, 16, Some(1024)), (0, 1, None)]
        {
            assert_eq!(share(available, cores), expected, "{available} MiB, {cores} cores");
        }
        assert_eq!(available_mib("MemTotal:  16 kB\nMemAvailable:   2097152 kB\n"), 2048);
        assert_eq!(available_mib(""), 0);
    }
}
