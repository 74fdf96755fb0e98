//! Variables that keadm leaves in systemd's own environment, which every unit inherits.

use std::time::Duration;

use edge_host::action::{Run, UndoOrder};
use edge_host::{Cmd, Pattern, Result};
use serde::Deserialize;

use crate::context::Context;
use crate::item::Item;
use crate::ownership::Row;
use crate::phase::Phase;

const SYSTEMCTL: &str = "systemctl";
const WITHIN: Duration = Duration::from_secs(60);
const NAME: &str = "environment of systemd";

/// An `[[environment]]` of the data.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    names: Vec<Pattern>,
}

/// Variables as systemd prints them, `NAME=VALUE`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Variables(Vec<String>);

impl Variables {
    /// Those of the output of `systemctl show-environment` with one of these names.
    fn of(shown: &str, names: &[Pattern]) -> Variables {
        let is_ours = |line: &&str| {
            let name = line.split_once('=').map(|(name, _)| name);
            name.is_some_and(|name| names.iter().any(|pattern| pattern.matches(name)))
        };
        Variables(shown.lines().filter(is_ours).map(str::to_owned).collect())
    }

    fn names(&self) -> Vec<&str> {
        self.0.iter().filter_map(|line| line.split('=').next()).collect()
    }

    /// Removes them; an undo sets them again.
    pub(super) fn unset(&self) -> Run {
        let argv = |verb: &str, words: &[&str]| -> Vec<String> {
            [SYSTEMCTL, verb].iter().chain(words).map(|&word| word.to_owned()).collect()
        };
        let values: Vec<&str> = self.0.iter().map(String::as_str).collect();
        Run::new(argv("unset-environment", &self.names()), WITHIN)
            .undone_by(UndoOrder::Reverse, argv("set-environment", &values))
    }
}

pub(super) fn check(context: &Context) -> Result<()> {
    context.ownership.rows::<Named>("environment").map(drop)
}

/// What is set, on a host that systemd runs.
pub(super) fn read(is_live: bool, context: &Context) -> Result<Option<(Item, Variables)>> {
    let rows: Vec<Row<Named>> = context.ownership.rows("environment")?;
    let Some(row) = rows.first().filter(|_| is_live) else { return Ok(None) };
    let names: Vec<Pattern> = rows.iter().flat_map(|row| row.own.names.clone()).collect();
    let shown = Cmd::find(SYSTEMCTL)?.arg("show-environment").run()?.stdout;
    let variables = Variables::of(&shown, &names);
    if variables.0.is_empty() {
        return Ok(None);
    }
    let identity = variables.0.join("\n");
    let item = Item::new(Phase::Units, "environment", NAME, &[identity.as_bytes()]);
    let item = Item { proofs: vec![variables.names().join(", ")], ..item };
    Ok(Some((context.decide(item, &row.entry), variables)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_unset_by_name_and_set_again_by_value() {
        let shown = "LANG=C\nDEPLOY_MQTT_CONTAINER_IMAGE=eclipse-mosquitto:1.6.15\nCHECK_EDGECORE_ENVIRONMENT=true\n\
                     MY_CHECK_EDGECORE_ENVIRONMENT=1\n";
        let names = ["DEPLOY_MQTT_CONTAINER*", "CHECK_EDGECORE_ENVIRONMENT"].map(|name| name.parse().unwrap());
        let run = Variables::of(shown, &names).unset();
        assert_eq!(
            run.argv,
            ["systemctl", "unset-environment", "DEPLOY_MQTT_CONTAINER_IMAGE", "CHECK_EDGECORE_ENVIRONMENT"]
        );
        assert_eq!(
            run.inverse.unwrap()[1..],
            [
                "set-environment",
                "DEPLOY_MQTT_CONTAINER_IMAGE=eclipse-mosquitto:1.6.15",
                "CHECK_EDGECORE_ENVIRONMENT=true"
            ]
        );
    }
}
