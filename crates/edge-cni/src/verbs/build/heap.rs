//! How much memory go's compilers and linkers may fill before they collect garbage.
//!
//! Collecting is a ninth of what a build of all plugins costs (Go 1.26, plugins v1.9.1: 42 s of CPU with,
//! 38 s without), so it is left to when a process has filled its share of the memory that is free.

use std::fs;
use std::thread::available_parallelism;

const MEMINFO: &str = "/proc/meminfo";
/// What the user may set as well; then it stays so.
const VARIABLES: [&str; 2] = ["GOGC", "GOMEMLIMIT"];
/// With less than this a process would collect all the time; none of these builds fills more than the other.
const LEAST: u64 = 512;
const MOST: u64 = 1024;

/// Variables for the go command: the user's, ours, or none where memory is short.
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

/// What each process may fill, in MiB: go runs one for each core, and half of the memory is for the rest of the host.
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
    fn a_small_host_collects_as_go_does_by_itself() {
        // A Raspberry Pi with 1 GiB, one with 4 GiB of which half is free, a laptop, a build server.
        for (available, cores, wanted) in
            [(700, 4, None), (2048, 4, None), (6000, 4, Some(750)), (64_000, 16, Some(1024)), (0, 1, None)]
        {
            assert_eq!(share(available, cores), wanted, "{available} MiB, {cores} cores");
        }
        assert_eq!(available_mib("MemTotal:  16 kB\nMemAvailable:   2097152 kB\n"), 2048);
        assert_eq!(available_mib(""), 0);
    }
}
