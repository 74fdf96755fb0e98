//! Counts tests: what libtest and libtest-mimic print, and which tests said they did nothing.

use std::fmt;

/// How many tests ended how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
    /// The skipped tests and why.
    pub(crate) reasons: Vec<(String, String)>,
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
    }

    /// What a run of cargo test printed, how it ended, and what its tests wrote to the skip log.
    pub(crate) fn of_cargo_test(printed: &str, ended_well: bool, skip_log: &str) -> Tally {
        let mut tally = Tally::default();
        for line in printed.lines() {
            if let Some(one) = parse_result(line) {
                tally.add(&one);
            }
        }
        // It did not build, or a test program was killed before its summary.
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

    /// `ok clippy 12.3s`, with counts where the suite has more than one test.
    pub(crate) fn line(&self, name: &str, seconds: f64) -> String {
        let state = match self {
            tally if tally.failed > 0 => "FAILED",
            tally if tally.passed == 0 && tally.skipped > 0 => "skipped",
            _ => "ok",
        };
        let mut line = format!("{state} {name} {seconds:.1}s");
        if self.passed + self.failed + self.skipped > 1 {
            line.push_str(&format!(" ({self})"));
        }
        line
    }
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
running 3 tests
test a ... ok
test b ... ignored, slow
test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.01s

   Doc-tests edge_host
test result: FAILED. 5 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.50s
";

    fn counts(tally: &Tally) -> [usize; 3] {
        [tally.passed, tally.failed, tally.skipped]
    }

    #[test]
    fn summaries_add_up_and_filtered_tests_do_not_count() {
        let tally = Tally::of_cargo_test(PRINTED, false, "");
        assert_eq!(counts(&tally), [17, 2, 1]);
        assert_eq!(tally.to_string(), "17 passed, 2 failed, 1 skipped");
    }

    #[test]
    fn libtest_mimic_prints_the_same_form() {
        let line = "test result: ok. 3 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.02s";
        assert_eq!(counts(&parse_result(line).unwrap()), [3, 0, 2]);
        assert_eq!(parse_result("test resulting ... ok"), None);
    }

    #[test]
    fn a_test_that_skips_at_run_time_moves_from_passed_to_skipped() {
        let log = "SKIP one: not root\nSKIP two: no strace\nnoise\n";
        let tally = Tally::of_cargo_test(PRINTED, false, log);
        assert_eq!(counts(&tally), [15, 2, 3]);
        assert!(tally.reasons.contains(&("two".to_owned(), "no strace".to_owned())));
    }

    #[test]
    fn a_build_that_fails_is_a_failure() {
        let tally = Tally::of_cargo_test("error: could not compile\n", false, "");
        assert_eq!(counts(&tally), [0, 1, 0]);
    }

    #[test]
    fn the_line_names_state_suite_and_time() {
        let one = Tally { passed: 1, ..Tally::default() };
        assert_eq!(one.line("clippy", 12.34), "ok clippy 12.3s");
        let mixed = Tally::of_cargo_test(PRINTED, false, "");
        assert_eq!(mixed.line("unit", 1.0), "FAILED unit 1.0s (17 passed, 2 failed, 1 skipped)");
        let skipped = Tally { skipped: 1, ..Tally::default() };
        assert_eq!(skipped.line("qemu", 0.0), "skipped qemu 0.0s");
    }
}
