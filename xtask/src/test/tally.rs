//! Counts tests: the output of libtest, their times, and the skips that tests have logged.

use std::fmt;

/// Numbers of passed, failed and skipped tests.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
    /// The skipped tests and why.
    pub(crate) reasons: Vec<(String, String)>,
    /// The seconds that each test took, and its name with its program's.
    pub(crate) times: Vec<(f64, String)>,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.reasons.extend(other.reasons.iter().cloned());
        self.times.extend(other.times.iter().cloned());
    }

    /// From the output of cargo test, the number of listed tests, its success, and what its tests
    /// wrote to the skip log.
    pub(crate) fn of_cargo_test(printed: &str, listed: usize, ended_well: bool, skip_log: &str) -> Tally {
        let mut tally = Tally::default();
        let mut program = "";
        for line in printed.lines() {
            if let Some(one) = parse_result(line) {
                tally.add(&one);
            } else if let Some(started) = parse_program(line) {
                program = started;
            } else if let Some((seconds, test)) = parse_time(line) {
                tally.times.push((seconds, format!("{program} {test}")));
            }
        }
        // A test program that was killed has no summary, and its tests have not passed.
        tally.failed += listed.saturating_sub(tally.passed + tally.failed + tally.skipped);
        // It did not build.
        if !ended_well && tally.failed == 0 {
            tally.failed = 1;
        }
        for (test, reason) in skip_log.lines().filter_map(parse_skip) {
            // A skipping test returns early, so libtest has counted it as passed.
            tally.passed = tally.passed.saturating_sub(1);
            tally.skipped += 1;
            tally.reasons.push((test.to_owned(), reason.to_owned()));
        }
        tally
    }

    /// A line for each of the slowest tests, the slowest first; nothing where no time is known.
    pub(crate) fn slowest(&self, count: usize) -> String {
        let mut times: Vec<&(f64, String)> = self.times.iter().collect();
        times.sort_by(|one, other| other.0.total_cmp(&one.0));
        let lines: String =
            times.iter().take(count).map(|(seconds, test)| format!("{seconds:7.1} s  {test}\n")).collect();
        if lines.is_empty() { lines } else { format!("slowest tests:\n{lines}") }
    }
}

/// How many tests have ended, by the output of libtest so far.
pub(super) fn finished(printed: &str) -> usize {
    printed.lines().filter(|line| line.starts_with("test ") && line.contains(" ... ")).count()
}

/// How many tests `cargo test -- --list` has printed.
pub(super) fn listed(printed: &str) -> usize {
    printed.lines().filter(|line| line.ends_with(": test")).count()
}

/// The name of a test program: `Running tests/apt/main.rs (target/debug/deps/apt-1007de9e20fa6878)`
fn parse_program(line: &str) -> Option<&str> {
    let (_, path) = line.trim_start().strip_prefix("Running ")?.rsplit_once('(')?;
    let (_, file) = path.strip_suffix(')')?.rsplit_once('/')?;
    Some(file.rsplit_once('-')?.0)
}

/// `test undo::a_run_is_undone ... ok <0.122s>`
fn parse_time(line: &str) -> Option<(f64, &str)> {
    let (test, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let (_, seconds) = result.strip_suffix("s>")?.rsplit_once('<')?;
    Some((seconds.parse().ok()?, test))
}

/// `test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s`
fn parse_result(line: &str) -> Option<Tally> {
    let rest = line.trim_start().strip_prefix("test result: ")?;
    let (_, counts) = rest.split_once(". ")?;
    let mut tally = Tally::default();
    for part in counts.split(';') {
        let mut words = part.split_whitespace();
        let (Some(count), Some(what)) = (words.next(), words.next()) else {
            continue;
        };
        let Ok(count) = count.parse::<usize>() else {
            continue;
        };
        match what {
            "passed" => tally.passed += count,
            "failed" => tally.failed += count,
            "ignored" => {
                tally.skipped += count;
                if count > 0 {
                    let reason = "marked #[ignore]".to_owned();
                    tally.reasons.push((format!("{count} tests"), reason));
                }
            }
            _ => {}
        }
    }
    Some(tally)
}

/// `SKIP stories::enable_logs: not root`
fn parse_skip(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix("SKIP ")?.split_once(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "
     Running unittests src/lib.rs (target/debug/deps/edge_host-1a2b)

running 3 tests
test a has been running for over 60 seconds
test a ... ok <61.250s>
test b ... ignored, slow
test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 4 filtered out; finished in 61.25s

     Running tests/apt/main.rs (/other/debug/deps/apt-3c4d)
test live::c ... FAILED <0.500s>
test result: FAILED. 5 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.50s
";

    fn counts(tally: &Tally) -> [usize; 3] {
        [tally.passed, tally.failed, tally.skipped]
    }

    #[test]
    fn of_cargo_test_adds_up_summaries_without_filtered_tests() {
        let tally = Tally::of_cargo_test(PRINTED, 20, false, "");
        assert_eq!(counts(&tally), [17, 2, 1]);
        assert_eq!(tally.to_string(), "17 passed, 2 failed, 1 skipped");
        assert_eq!(finished(PRINTED), 3);
    }

    #[test]
    fn of_cargo_test_counts_a_listed_test_without_a_result_as_failed() {
        assert_eq!(counts(&Tally::of_cargo_test(PRINTED, 23, false, "")), [17, 5, 1]);
        assert_eq!(listed("live::c: test\nd: test\n\n2 tests, 0 benchmarks\n"), 2);
    }

    #[test]
    fn of_cargo_test_moves_a_test_that_skips_from_passed_to_skipped() {
        let log = "SKIP one: not root\nSKIP two: no strace\nnoise\n";
        let tally = Tally::of_cargo_test(PRINTED, 20, false, log);
        assert_eq!(counts(&tally), [15, 2, 3]);
        assert!(tally.reasons.contains(&("two".to_owned(), "no strace".to_owned())));
    }

    #[test]
    fn of_cargo_test_counts_a_failed_build_as_a_failure() {
        let tally = Tally::of_cargo_test("error: could not compile\n", 0, false, "");
        assert_eq!(counts(&tally), [0, 1, 0]);
    }

    #[test]
    fn slowest_names_tests_with_their_program_and_time() {
        let tally = Tally::of_cargo_test(PRINTED, 20, false, "");
        assert_eq!(tally.slowest(5), "slowest tests:\n   61.2 s  edge_host a\n    0.5 s  apt live::c\n");
        assert_eq!(tally.slowest(1).lines().count(), 2);
        assert_eq!(Tally::default().slowest(5), "");
    }
}
