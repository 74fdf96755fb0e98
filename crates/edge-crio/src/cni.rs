//! The network of pods: what edge-conflist finds, which edge-cni reports as well, beside what CRI-O reports.
//!
//! CRI-O only reports that it found no configuration, and reports that it is ready from the first usable one on, even if
//! that one is gone. So the files and plugins are examined whatever it reports.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use edge_conflist::crio::places;
use edge_conflist::diagnose::{Effect, Problem, diagnose, facts};
use edge_cri::Answer;
use edge_host::{Finding, Host, Result, Severity};

use crate::version::Version;

/// The minor version that needs no plugin for the loopback interface.
const RUNS_LOOPBACK_ITSELF: u32 = 30;
/// CRI-O looks for a network every half second, and when a file changes.
const POLLS_WITHIN: Duration = Duration::from_secs(2);
const ASK_EVERY: Duration = Duration::from_millis(200);
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// The network of pods.
#[derive(Debug)]
pub struct Network {
    /// The network that CRI-O uses when it reads the files now.
    used: Option<String>,
    problems: Vec<Problem>,
    is_configured: bool,
}

impl Network {
    /// Reads it from the host; on a live host the plugins are run for their versions.
    pub fn read(host: &Host) -> Result<Network> {
        let facts = facts(host, places(host)?, false)?;
        let verdict = diagnose(&facts);
        let used = verdict.used.and_then(|file| Some((file, file.content.as_ref().ok()?)));
        let used =
            used.map(|(file, network)| format!("pods use the network {} of {}", network.name, file.path.display()));
        let is_configured = !facts.files.is_empty();
        Ok(Network { used, problems: verdict.problems, is_configured })
    }

    /// Which network is used, for the report.
    pub fn used(&self) -> Option<&str> {
        self.used.as_deref()
    }

    /// Whether there is any configuration, usable or not.
    pub fn is_configured(&self) -> bool {
        self.is_configured
    }

    /// Why pods get no network, with the plain cause.
    pub fn errors(&self) -> impl Iterator<Item = &Finding> {
        self.problems.iter().map(|problem| &problem.finding).filter(|finding| finding.severity == Severity::Error)
    }

    /// All findings, at most as bad as `most`; `is_ready`: what CRI-O reports; `release`: its release, if it is known.
    pub fn findings(&self, is_ready: bool, release: Option<Version>, most: Severity) -> Vec<Finding> {
        let is_old = release.is_none_or(|release| release.minor < RUNS_LOOPBACK_ITSELF);
        let of = |Problem { finding, effect }: &Problem| {
            let prefix = match effect {
                Effect::Skipped => "CRI-O skips this network: ",
                Effect::NotReady | Effect::PodsFail if finding.severity != Severity::Error => "",
                Effect::NotReady | Effect::PodsFail if is_ready => "CRI-O is ready, but pods get no network: ",
                Effect::NotReady | Effect::PodsFail => "pods get no network: ",
                Effect::OldRuntimes | Effect::Other => "",
            };
            let is_note = finding.severity == Severity::Note;
            let hint = finding.hint.clone().or_else(|| (!is_note).then(|| "for details: edge-cni check".to_owned()));
            Finding {
                severity: finding.severity.min(most),
                text: format!("{prefix}{}", finding.text),
                hint,
                ..finding.clone()
            }
        };
        self.problems.iter().filter(|problem| is_old || problem.effect != Effect::OldRuntimes).map(of).collect()
    }

    /// Asks CRI-O again where it reports no network although there is one: it may not have noticed it yet.
    pub fn ask_again(&self, host: &Host, socket: &Path, mut answer: Answer) -> Result<Answer> {
        let end = Instant::now() + POLLS_WITHIN;
        while self.used.is_some() && !answer.network_ready.is_met && Instant::now() < end {
            host.check_interrupt()?;
            thread::sleep(ASK_EVERY);
            if let Ok(newer) = edge_cri::ask(socket, ANSWER_WITHIN) {
                answer = newer;
            }
        }
        Ok(answer)
    }
}
