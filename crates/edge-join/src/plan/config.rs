//! The edits of edgecore.yaml: the keys of a join, by the names of the version that reads them.

use edge_host::action::Bytes;
use edge_host::{Error, FileSnapshot, Inverse, Node, Plan, Result, State};
use edge_kubeedge::edit::request::{Request, RequestedValue, parse_path};
use edge_kubeedge::edit::resolve::{Rules, resolve};
use edge_kubeedge::edit::{details, inverse, not_edited};
use edge_kubeedge::runtime::V1ALPHA2;
use edge_kubeedge::schema::Table;
use edge_kubeedge::{Kind, Minor};
use edge_yaml::{Document, Edited, Path, Step, Value};

use super::{Joined, Target};

/// Other users do not need it; it has no token.
const MODE: u32 = 0o640;
/// The first version that reads its own version in the file (kubeedge v1.21 `edgecore/v1alpha2/types.go`). Without it, or
/// with another one, edgecore rewrites the file with every default.
const HAS_VERSION: Minor = Minor::new(21);

const VERSION: &str = "edgecoreVersion";
const HUB: &str = "modules.edgeHub.websocket.server";
const HTTPS: &str = "modules.edgeHub.httpServer";
const TUNNEL: &str = "modules.edgeStream.server";
const NAME: &str = "modules.edged.hostnameOverride";
const LABELS: &str = "modules.edged.nodeLabels";
const TAINTS: &str = "modules.edged.tailoredKubeletConfig.registerWithTaints";
/// Never written: the token is used once, in memory.
const TOKEN: &str = "modules.edgeHub.token";

/// The paths that the join itself decides, by the names of this version and by the usual ones.
pub(crate) fn owned(version: Minor, has_labels: bool, has_taints: bool) -> Result<Vec<Path>> {
    let mut names = vec![VERSION, HUB, HTTPS, TUNNEL, NAME, TOKEN];
    names.extend(has_labels.then_some(LABELS));
    names.extend(has_taints.then_some(TAINTS));
    let table = Table::of(Kind::EdgeCore);
    let homes = names.iter().filter_map(|name| table.home(name, version));
    names.iter().map(|name| (*name).to_owned()).chain(homes).map(|name| parse_path(&name)).collect()
}

/// What a new file begins with.
fn beginning(version: Minor) -> String {
    let api = if version < V1ALPHA2 { "v1alpha1" } else { "v1alpha2" };
    format!("apiVersion: edgecore.config.kubeedge.io/{api}\nkind: EdgeCore\n")
}

/// edgecore.yaml as edgecore will read it after the join, before anything else is done.
///
/// Errors: exit 4 where the file cannot be edited safely, where this version does not have a setting, or where a value is
/// not valid; exit 1 where it is not YAML.
pub(crate) fn after(joined: &Joined<'_>, target: &Target) -> Result<Value> {
    let name = target.path.display().to_string();
    let text = text_of(joined.release.minor, &name, &target.found)?;
    let (_, edited) = edit(joined, &name, &text)?;
    Document::parse(&edited.text)
        .map(|document| document.as_go())
        .map_err(|why| Error::cannot("read", &target.path, format!("it cannot be edited: {why}")))
}

/// Plans the edits; whether the file changes. Errors: as [`after`].
pub(super) fn plan(joined: &Joined<'_>, path: &std::path::Path, was: FileSnapshot, plan: &mut Plan) -> Result<bool> {
    let name = path.display().to_string();
    let text = text_of(joined.release.minor, &name, &was)?;
    let (document, edited) = edit(joined, &name, &text)?;
    let is_new = was.state == State::Absent;
    if edited.changes.is_empty() && !is_new {
        return Ok(false);
    }
    let inverse = if is_new { Inverse::Whole } else { inverse(&document, &edited) };
    let why =
        if is_new { "the settings of this join; everything else is the default" } else { "the settings of this join" };
    let lines = details(&edited);
    let node = Node::File { content: Bytes::Known(edited.text.into_bytes()), mode: MODE };
    plan.write(path, was, node, inverse, why).details = lines;
    Ok(true)
}

/// The file as it is, or the beginning of a new one.
fn text_of(version: Minor, name: &str, was: &FileSnapshot) -> Result<String> {
    match &was.state {
        State::Absent => Ok(beginning(version)),
        State::File { .. } => String::from_utf8(was.bytes.clone())
            .map_err(|_| Error::refused(format!("cannot edit {name}: it is not UTF-8 text"))),
        other => Err(Error::refused(format!("cannot edit {name}: it is {}, not a file", other.describe()))),
    }
}

/// The file before and after.
fn edit<'t>(joined: &Joined<'_>, name: &str, text: &'t str) -> Result<(Document<'t>, Edited)> {
    let cannot = |error: &edge_yaml::Error| {
        not_edited(error).with_action("edit", name).hint("fix the file, or move it away and run this again")
    };
    let document = Document::parse(text).map_err(|error| cannot(&error))?;
    let rules = Rules { kind: Kind::EdgeCore, version: Some(joined.release.minor), force: false };
    let requests = requests(joined)?;
    let edits = resolve(document.value(), rules, &requests).map_err(|error| {
        Error::refused(format!("{}: {error}", "cannot join with these settings"))
            .hint(format!("print them for this version, such as with --kubeedge-version {}", joined.release.minor))
    })?;
    let edited = document.apply(&edits).map_err(|error| cannot(&error))?;
    Ok((document, edited))
}

/// The settings, in the order in which they are written into a new file.
fn requests(joined: &Joined<'_>) -> Result<Vec<Request>> {
    let version = joined.release.minor;
    // A key that the table does not have for this version is refused by its own name.
    let home = |path: &str| Table::of(Kind::EdgeCore).home(path, version).unwrap_or_else(|| path.to_owned());
    let mut all = Vec::new();
    if version >= HAS_VERSION {
        all.push(Request::set(VERSION, joined.release.tag())?);
    }
    for (path, value) in
        [(HUB, joined.hub.to_owned()), (HTTPS, format!("https://{}", joined.https)), (TUNNEL, joined.tunnel.to_owned())]
    {
        all.push(Request::set(&home(path), value)?);
    }
    if let Some(name) = joined.node_name {
        all.push(Request::set(&home(NAME), name)?);
    }
    for (key, value) in joined.labels {
        all.push(Request::Set {
            path: below(&home(LABELS), key)?,
            value: RequestedValue::Value(Value::from(value.as_str())),
        });
    }
    if !joined.taints.is_empty() {
        let taints = joined.taints.iter().map(|taint| {
            let fields = [("key", &taint.key), ("value", &taint.value), ("effect", &taint.effect)];
            let fields = fields.into_iter().filter(|(_, value)| !value.is_empty());
            Value::Mapping(fields.map(|(name, value)| (Value::from(name), Value::from(value.as_str()))).collect())
        });
        all.push(Request::Set { path: parse_path(&home(TAINTS))?, value: RequestedValue::Value(taints.collect()) });
    }
    all.extend(joined.settings.iter().cloned());
    Ok(all)
}

/// The path of a key of the user's own, which may have dots.
fn below(path: &str, key: &str) -> Result<Path> {
    let mut steps = parse_path(path)?.steps().to_vec();
    steps.push(Step::Key(key.to_owned()));
    Path::new(steps).ok_or_else(|| Error::failed(format!("cannot set {path}: its path is empty")))
}
