//! Decides which entries are added to the kubeconfig of a user. Pure.

use std::path::PathBuf;

use edge_host::{Error, FileSnapshot, Inverse, Node, Plan, Result, State};
use edge_pki::cert::Certificate;
use edge_pki::sign::Signed;
use edge_pki::{subject, times};
use edge_yaml::{Edit, Mapping, Value};
use serde_json::{Value as Json, json};

use crate::kubeconfig::editor::{EDITOR, checksum, current, path};
use crate::kubeconfig::{Access, Kubeconfig, client_certificate};

const MODE: u32 = 0o600;

/// What the kubeconfig of a user gets.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The access.
    pub access: Access,
    /// The name of its context.
    pub context: String,
    /// The kubeconfig that it comes from, in messages.
    pub from: String,
    /// The user's kubeconfig.
    pub path: PathBuf,
    /// The same, in messages.
    pub shown: String,
    /// Numeric user and group.
    pub owner: (u32, u32),
    /// The current time, in seconds since 1970.
    pub now: i64,
}

/// What is changed in a kubeconfig.
#[derive(Debug, Default)]
struct Merge {
    edits: Vec<Edit>,
    details: Vec<String>,
    added: Vec<Json>,
    renewed: Option<String>,
    parts: Vec<String>,
}

impl Wanted {
    /// Gives the cluster, the user and the context this name.
    pub fn rename(&mut self, name: &str) {
        for each in [&mut self.access.cluster_name, &mut self.access.user_name, &mut self.context] {
            name.clone_into(each);
        }
        if let Value::Mapping(context) = &mut self.access.context {
            context.insert(Value::from("cluster"), Value::from(name));
            context.insert(Value::from("user"), Value::from(name));
        }
    }

    /// Refuses credentials that are of no use. Errors: exit 1.
    pub fn check(&self) -> Result<()> {
        let cannot = |why: String| Error::cannot("copy", &self.from, why);
        if self.access.server().is_empty() {
            return Err(cannot(format!("its cluster {} has no server", self.access.cluster_name)));
        }
        match self.access.client_certificate() {
            Some(Err(why)) => Err(cannot(format!("its client certificate: {why}"))),
            Some(Ok(certificate)) if self.now > certificate.not_after => {
                let end = times::date(certificate.not_after);
                Err(cannot(format!("its client certificate expired on {end}"))
                    .hint("renew it: kubeadm certs renew admin.conf"))
            }
            _ => Ok(()),
        }
    }
}

/// The plan. Errors: exit 1 if the user's file is not a kubeconfig, 4 if it has another entry of one of the names.
pub fn plan(wanted: &Wanted, found: FileSnapshot) -> Result<Plan> {
    let cannot = |why: String| Error::cannot("edit", &wanted.shown, why);
    let text = std::str::from_utf8(&found.bytes).map_err(|_| cannot("it is not UTF-8 text".to_owned()))?;
    let config = Kubeconfig::parse(text).map_err(cannot)?;
    let mut plan = Plan::new();
    let mut merge = merge(wanted, &config, &mut plan)?;
    let edited = config.document.apply(&merge.edits).map_err(|cause| cannot(cause.to_string()))?;
    if let State::File { mode, uid, gid, .. } = found.state {
        if mode != MODE {
            merge.details.push(format!("mode {mode:04o} -> {MODE:04o}"));
        }
        if (uid, gid) != wanted.owner {
            merge.details.push(format!("owner {uid}:{gid} -> {}:{}", wanted.owner.0, wanted.owner.1));
        }
    }
    if merge.details.is_empty() {
        return Ok(plan);
    }
    let inverse = if merge.edits.is_empty() {
        Inverse::Whole
    } else {
        let sets_current = merge.parts.iter().any(|part| part == CURRENT);
        let before = (sets_current && config.has("current-context")).then_some("");
        let data = json!({"added": merge.added, "renewed": merge.renewed,
                          "current": sets_current.then_some(&wanted.context), "current_before": before});
        Inverse::Edit { kind: EDITOR.to_owned(), data, parts: merge.parts }
    };
    let why = if merge.renewed.is_some() { "renewed credentials" } else { "access to the cluster" };
    let node = Node::OfUser { content: edited.text.into_bytes(), owner: wanted.owner };
    plan.write(&wanted.path, found, node, inverse, why).details = merge.details;
    Ok(plan)
}

const CURRENT: &str = "current-context";

fn merge(wanted: &Wanted, config: &Kubeconfig<'_>, plan: &mut Plan) -> Result<Merge> {
    let Wanted { access, context, .. } = wanted;
    let mut merge = Merge::default();
    let set_if_missing = |key: &str, value: &str| {
        let path = edge_yaml::Path::new(vec![edge_yaml::Step::Key(key.to_owned())]).filter(|_| !config.has(key));
        path.map(|path| Edit::Set { path, value: Value::from(value) })
    };
    merge.edits.extend(set_if_missing("apiVersion", "v1"));
    match config.entry("clusters", &access.cluster_name) {
        None => merge.add(config, ("clusters", "cluster"), &access.cluster_name, &access.cluster, access.server()),
        Some((_, there)) if is_same_cluster(there, access) => {}
        Some((_, there)) => {
            let server = there.get("server").and_then(Value::as_str).unwrap_or_default();
            let why = if server == access.server() { "another CA".to_owned() } else { format!("the server {server}") };
            return Err(clash(wanted, "cluster", &access.cluster_name, &why));
        }
    }
    match config.entry("contexts", context) {
        None => {
            let shown = format!("{} at {}", access.user_name, access.cluster_name);
            merge.add(config, ("contexts", "context"), context, &access.context, &shown);
        }
        Some((_, there)) if ["cluster", "user"].iter().all(|key| there.get(key) == access.context.get(key)) => {}
        Some(_) => return Err(clash(wanted, "context", context, "another cluster or user")),
    }
    match config.current() {
        None => {
            merge.edits.extend(current().map(|path| Edit::Set { path, value: Value::from(context.as_str()) }));
            merge.details.push(format!("{CURRENT}: {context}"));
            merge.parts.push(CURRENT.to_owned());
        }
        Some(other) if other != context => plan.note(format!(
            "the current context of {} is still {other}; to use the new one: kubectl --context {}",
            wanted.shown,
            edge_host::quoted(context)
        )),
        Some(_) => {}
    }
    merge.edits.extend(set_if_missing("kind", "Config"));
    match config.entry("users", &access.user_name) {
        None => merge.add(config, ("users", "user"), &access.user_name, &access.user, &credentials(access)),
        Some((_, there)) if checksum(there) == checksum(&access.user) => {}
        Some((index, there)) => match renewal(there, access, wanted.now) {
            Renewal::Why(why) => {
                let path = path("users", index, &["user"]);
                merge.edits.extend(path.map(|path| Edit::Set { path, value: access.user.clone() }));
                merge.details.push(format!("users: renew {}: {why}; {}", access.user_name, credentials(access)));
                merge.parts.push(format!("users[{}]", access.user_name));
                merge.renewed = Some(access.user_name.clone());
            }
            Renewal::IsNewer => plan.note(format!(
                "the credentials of {} in {} are newer than those in {}",
                access.user_name, wanted.shown, wanted.from
            )),
            Renewal::Other => return Err(clash(wanted, "user", &access.user_name, "other credentials")),
        },
    }
    // Without an entry only a part of a kubeconfig is missing, which kubectl does not need.
    if merge.details.is_empty() {
        merge.edits.clear();
    }
    Ok(merge)
}

impl Merge {
    fn add(&mut self, config: &Kubeconfig<'_>, (list, key): (&str, &str), name: &str, value: &Value, shown: &str) {
        let entry = Mapping::from_iter([(Value::from(key), value.clone()), (Value::from("name"), Value::from(name))]);
        let path = path(list, config.len(list), &[]);
        self.edits.extend(path.map(|path| Edit::Set { path, value: Value::Mapping(entry) }));
        self.details.push(format!("{list}: add {name} ({shown})"));
        self.added.push(json!({"list": list, "name": name, "sha256": checksum(value)}));
        self.parts.push(format!("{list}[{name}]"));
    }
}

fn clash(wanted: &Wanted, kind: &str, name: &str, with: &str) -> Error {
    let hint = format!(
        "choose another name: --name NAME; or remove the {kind} there: kubectl config --kubeconfig {} unset {kind}s.{}",
        edge_host::quoted(&wanted.shown),
        edge_host::quoted(name)
    );
    Error::refused(format!("cannot add the {kind} {name} to {}: it has one of that name with {with}", wanted.shown))
        .hint(hint)
}

fn is_same_cluster(there: &Value, access: &Access) -> bool {
    let other = Access { cluster: there.clone(), ..access.clone() };
    let of = |access: &Access| access.authorities().into_iter().map(|ca| ca.der).collect::<Vec<_>>();
    other.server() == access.server() && of(&other) == of(access)
}

enum Renewal {
    /// The same user, whose credentials are older.
    Why(String),
    /// The same user, whose credentials expire later.
    IsNewer,
    /// Another user, or it is not known.
    Other,
}

/// Whether credentials are older ones of the same user: a client certificate for the same subject, by the same CA.
fn renewal(there: &Value, access: &Access, now: i64) -> Renewal {
    let (Some(Ok(old)), Some(Ok(new))) = (client_certificate(there), access.client_certificate()) else {
        return Renewal::Other;
    };
    let is_of_cluster =
        |certificate: &Certificate| access.authorities().iter().any(|ca| certificate.signed_by(ca) == Signed::Yes);
    if !subject::same(&old.subject, &new.subject) || !is_of_cluster(&old) {
        return Renewal::Other;
    }
    if old.not_after >= new.not_after && now <= old.not_after {
        return Renewal::IsNewer;
    }
    let end = times::date(old.not_after);
    Renewal::Why(if now > old.not_after { format!("expired on {end}") } else { format!("expires on {end}") })
}

/// Credentials without secrets: `O=kubeadm:cluster-admins, CN=kubernetes-admin, expires on 2027-11-28`.
fn credentials(access: &Access) -> String {
    match access.client_certificate() {
        Some(Ok(certificate)) => {
            format!("{}, expires on {}", subject::shown(&certificate.subject), times::date(certificate.not_after))
        }
        _ if access.token().is_some() => "a token".to_owned(),
        _ => "without a client certificate".to_owned(),
    }
}
