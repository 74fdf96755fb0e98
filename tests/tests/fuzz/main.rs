//! The fuzz targets as property tests: 10,000 inputs each, or the number in EDGEUTILS_FUZZ_CASES.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod inputs;

use std::fs;
use std::time::Duration;

use edgeutils_tests::fuzz::{TARGETS, Target};
use inputs::{Input, Inputs};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::time::{ClockId, clock_gettime};
use proptest::test_runner::{Config, TestRunner};

/// The variable with the number of inputs for each target.
const CASES: &str = "EDGEUTILS_FUZZ_CASES";
const DEFAULT_CASES: u32 = 10_000;
/// Limit for all properties of one input of at most 16 KiB.
const ONE_INPUT: Duration = Duration::from_secs(2);
/// Limit of the whole program, with several inputs at the same time.
const MEMORY: u64 = 2 << 30;
/// Growing inputs end at this length, or when one has taken this long.
const LONGEST: usize = 1 << 18;
const LONG: Duration = Duration::from_millis(400);
/// Shorter times are not compared: the clock's resolution and a cold cache have more effect.
const SHORT: Duration = Duration::from_millis(25);

/// The processor time that this thread has used: other programs do not count.
fn spent() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}

fn time_of(run: impl FnOnce()) -> Duration {
    let before = spent();
    run();
    spent() - before
}

fn limit_memory() {
    let (_, most) = getrlimit(Resource::RLIMIT_AS).unwrap();
    setrlimit(Resource::RLIMIT_AS, MEMORY.min(most), most).unwrap();
}

fn target(name: &str) -> &'static Target {
    TARGETS.iter().find(|target| target.name == name).unwrap()
}

fn holds(name: &str) {
    let target = target(name);
    limit_memory();
    let inputs = Inputs::of(target);
    let cases = std::env::var(CASES).map_or(DEFAULT_CASES, |cases| cases.parse().unwrap());
    for seed in (target.seeds)() {
        (target.check)(&seed);
    }
    let config = Config { cases, max_shrink_iters: 4000, failure_persistence: None, ..Config::default() };
    let ran = TestRunner::new(config).run(&inputs, |Input(bytes)| {
        let time = time_of(|| (target.check)(&bytes));
        assert!(time < ONE_INPUT, "{} bytes took {time:?}", bytes.len());
        Ok(())
    });
    ran.unwrap_or_else(|failure| panic!("{failure}"));
}

/// Three and a half times: more than noise makes of twice, and less than the four times of a square.
fn most(before: Duration) -> Duration {
    before * 7 / 2
}

/// Twice the input takes about twice the time. What grows as its square takes four times.
fn grows_as_its_input(name: &str) {
    let target = target(name);
    limit_memory();
    for (head, unit, tail) in target.growing {
        let (mut before, mut half) = (Duration::ZERO, String::new());
        for count in (6..).map(|power| 1_usize << power) {
            let middle: String = (0..count).map(|number| unit.replace("{}", &number.to_string())).collect();
            let input = format!("{head}{middle}{tail}");
            if input.len() > LONGEST {
                break;
            }
            let time_of = |input: &str| time_of(|| (target.read)(input.as_bytes()));
            let mut time = time_of(&input);
            // Caches that others fill make a single look up to half as long again, and a busy machine is slower for
            // seconds: both are measured again, at the same time.
            if time > SHORT && time > most(before) {
                (before, time) = (0..7)
                    .map(|_| (time_of(&half), time_of(&input)))
                    .fold((Duration::MAX, Duration::MAX), |best, pair| (best.0.min(pair.0), best.1.min(pair.1)));
            }
            assert!(
                time < SHORT || time < most(before) || before < SHORT / 4,
                "{name}: {} bytes of {unit:?} took {time:?}, half of them {before:?}",
                input.len()
            );
            if time > LONG {
                break;
            }
            (before, half) = (time, input);
        }
    }
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(mod $name {
            #[test]
            fn holds() {
                super::holds(stringify!($name));
            }

            #[test]
            fn grows_as_its_input() {
                super::grows_as_its_input(stringify!($name));
            }
        })*

        const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

targets! { archive config_txt conflist containerd_toml daemon_json dpkg_status fstab http_answer image iptables_save journal kubeconfig manifest nodes openpgp pki swap_script token toml unit yaml }

#[test]
fn target_is_tested_here_and_has_its_program_for_cargo_fuzz() {
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(names, NAMES);
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz");
    let manifest = fs::read_to_string(format!("{dir}/Cargo.toml")).unwrap();
    for name in &names {
        let program = fs::read_to_string(format!("{dir}/fuzz_targets/{name}.rs")).unwrap();
        assert!(program.contains(&format!("check(\"{name}\", data)")), "{program}");
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
    }
    assert_eq!(fs::read_dir(format!("{dir}/fuzz_targets")).unwrap().count(), names.len());
}
