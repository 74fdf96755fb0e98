//! Decides from repeated looks at a unit's state whether it is up.

use std::time::{Duration, Instant};

use edge_systemd::systemctl::Properties;

/// A component that fails because of its configuration does so within seconds, even where its hundred
/// megabytes are read from an SD card.
const MUST_STAY_UP: Duration = Duration::from_secs(10);

/// The observations of a unit since its restart job ended.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// When this process was first seen active, and its PID.
    up: Option<(Instant, String)>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Wait,
    Up,
    Down(String),
}

impl Watch {
    /// Adds an observation. A unit with Restart=always becomes active repeatedly, so only the same process counts.
    pub(super) fn observe(&mut self, state: State, now: Instant) -> Verdict {
        let State { active, sub, pid, result } = state;
        let is_up = matches!(active.as_str(), "active" | "reloading");
        match &self.up {
            Some((since, first)) if is_up && *first == pid => {
                if now.duration_since(*since) >= MUST_STAY_UP {
                    Verdict::Up
                } else {
                    Verdict::Wait
                }
            }
            Some(_) => Verdict::Down(format!("started and exited again ({result})")),
            None if is_up => {
                self.up = Some((now, pid));
                Verdict::Wait
            }
            None if active == "failed" => Verdict::Down(format!("failed to start ({result})")),
            None if active == "inactive" || sub.starts_with("auto-restart") => {
                Verdict::Down(format!("exited immediately ({result})"))
            }
            None => Verdict::Wait,
        }
    }
}

/// The state of a unit that systemd reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    active: String,
    sub: String,
    pid: String,
    result: String,
}

impl State {
    pub(super) fn of(shown: &Properties) -> State {
        let of = |name: &str| shown.get(name).to_owned();
        State { active: of("ActiveState"), sub: of("SubState"), pid: of("MainPID"), result: of("Result") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verdict on `ActiveState/SubState/PID` seen one second after another, and when it came.
    fn watched(states: &[(&str, usize)]) -> (usize, Verdict) {
        let (mut watch, start) = (Watch::default(), Instant::now());
        let each = states.iter().flat_map(|(state, seconds)| std::iter::repeat_n(*state, *seconds));
        for (second, state) in each.enumerate() {
            let mut parts = state.split('/').map(str::to_owned);
            let mut part = || parts.next().unwrap_or_default();
            let state = State { active: part(), sub: part(), pid: part(), result: "exit-code".to_owned() };
            let verdict = watch.observe(state, start + Duration::from_secs(second as u64));
            if verdict != Verdict::Wait {
                return (second, verdict);
            }
        }
        (usize::MAX, Verdict::Wait)
    }

    #[test]
    fn watch_reports_only_a_process_that_stays_as_up() {
        let up = "active/running/17";
        let down = |why: &str| Verdict::Down(format!("{why} (exit-code)"));
        for (states, second, verdict) in [
            (vec![(up, 20)], 10, Verdict::Up),
            (vec![("activating/start-pre/0", 30), (up, 20)], 40, Verdict::Up),
            (vec![(up, 5), ("reloading/reload/17", 1), (up, 9)], 10, Verdict::Up),
            // A crash loop with Restart=always: seen between two starts, or by its new process.
            (vec![("activating/auto-restart/0", 10), (up, 1)], 0, down("exited immediately")),
            (vec![(up, 3), ("activating/auto-restart/0", 10)], 3, down("started and exited again")),
            (vec![(up, 3), ("active/running/18", 10)], 3, down("started and exited again")),
            // Without Restart=.
            (vec![(up, 2), ("failed/failed/0", 9)], 2, down("started and exited again")),
            (vec![("failed/failed/0", 9)], 0, down("failed to start")),
            (vec![("inactive/dead/0", 9)], 0, down("exited immediately")),
        ] {
            assert_eq!(watched(&states), (second, verdict), "{states:?}");
        }
    }

    #[test]
    fn state_of_a_unit_is_read_in_any_order() {
        let state = State::of(&Properties::parse(
            "Result=exit-code\nMainPID=17\nSubState=auto-restart\nActiveState=activating\n",
        ));
        let want = |text: &str| text.to_owned();
        assert_eq!(
            state,
            State { active: want("activating"), sub: want("auto-restart"), pid: want("17"), result: want("exit-code") }
        );
    }
}
