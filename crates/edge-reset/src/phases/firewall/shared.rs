//! The chains of a table that programs share, as the networks of pods set them up.

use edge_firewall::{Rule, Table};

use super::data::{self, Data};
use super::pods::Pods;

/// The chain of the plugin firewall, which has a jump to the administrator's chain.
const FORWARD: &str = "CNI-FORWARD";
/// The chain of the plugin portmap for what has its mark.
const MASQUERADE: &str = "CNI-HOSTPORT-MASQ";

/// The entries of the data, with the administrator's chains and the marks that the networks of pods name.
pub(super) fn shared(table: &Table<'_>, data: &Data, pods: &Pods<'_>) -> Vec<data::Rule<edge_firewall::Shared>> {
    let mut all = data.shared.clone();
    for entry in &mut all {
        let own = &mut entry.own;
        if own.chains.iter().any(|chain| chain == FORWARD) {
            own.chains.extend(pods.admin_chains().filter(|chain| is_of_plugin(table, chain, data)).map(str::to_owned));
        }
        if own.chains.iter().any(|chain| chain == MASQUERADE) {
            let rule = |bit: u32| format!("-m mark --mark {0:#x}/{0:#x} -j MASQUERADE", 1_u32 << bit);
            own.rules.extend(pods.mark_bits().map(|bit| (MASQUERADE.to_owned(), rule(bit))));
        }
    }
    all
}

/// Whether only the plugin uses a chain: the name may be that of a chain that others had before, such as `DOCKER-USER`.
fn is_of_plugin(table: &Table<'_>, chain: &str, data: &Data) -> bool {
    let leads_to = |rule: &&Rule<'_>| rule.text.contains(chain) && rule.target().is_some_and(|target| target == chain);
    data.chains.get(chain).is_none()
        && table.chain(chain).is_some_and(edge_firewall::Chain::is_made)
        && table.rules().filter(leads_to).all(|rule| rule.chain == FORWARD)
}
