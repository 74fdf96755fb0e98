//! Whether a stream and its objects are complete. YAML does not show it: most cuts between two lines leave a valid document.

use edge_host::{Error, Result};
use edge_yaml::Value;

use crate::facts::CHECK_PRODUCER;
use crate::object::{Object, at};
use crate::pod::{Pod, is_workload, list, text};

/// The end of a stream: whether it may be one at which something is missing.
#[derive(Debug)]
pub(crate) struct End<'n> {
    name: &'n str,
    /// The number of the last line with content, if that has a key or a dash and nothing after it.
    open: Option<usize>,
    /// Whether the last value of the last document is empty.
    is_null: bool,
}

impl<'n> End<'n> {
    /// That of a text. Errors: exit 1 for one that ends in the middle of a line.
    pub(crate) fn of(name: &'n str, text: &str) -> Result<End<'n>> {
        let lines = text
            .lines()
            .zip(1..)
            .map(|(line, number)| (line.split_once(" #").map_or(line, |(before, _)| before).trim(), number));
        let last = lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#')).last();
        let open = last.filter(|(line, _)| line.ends_with(':') || *line == "-" || line.ends_with(" -"));
        let open = open.map(|(_, number)| number);
        if let Some(number) = open.filter(|number| *number == text.lines().count() && !text.ends_with('\n')) {
            return Err(
                Error::cannot("use", name, format!("it ends in the middle of line {number}")).hint(CHECK_PRODUCER)
            );
        }
        Ok(End { name, open, is_null: false })
    }

    /// Another document of the stream.
    pub(crate) fn document(&mut self, value: &Value) {
        if !value.is_null() {
            self.is_null = last_of(value).is_null();
        }
    }

    /// Text that is not a document of its own.
    pub(crate) fn frame(&mut self) {
        self.is_null = false;
    }

    /// Errors: exit 1 if the stream ends with a key or a dash whose value is missing.
    pub(crate) fn require(&self) -> Result<()> {
        let Some(line) = self.open.filter(|_| self.is_null) else { return Ok(()) };
        let cause = format!("it ends with line {line}, which has no value");
        Err(Error::cannot("use", self.name, cause)
            .hint("check that the input is complete; write null there if the value is empty on purpose"))
    }
}

/// The last value in a value.
fn last_of(value: &Value) -> &Value {
    let mut value = value;
    loop {
        let last = match value {
            Value::Mapping(entries) => entries.iter().last().map(|(_, value)| value),
            Value::Sequence(items) => items.last(),
            _ => None,
        };
        let Some(last) = last else { return value };
        value = last;
    }
}

/// An object without a name, and a workload without its containers or their volumes, are what is left of a manifest that was
/// cut off; the API server accepts none of them. Errors: exit 1.
pub(crate) fn require_complete(name: &str, object: &Object<'_>, line: usize) -> Result<()> {
    let incomplete = |cause: String| {
        Err(Error::cannot("use", name, format!("line {line}: {cause}")).hint("check that the input is complete"))
    };
    if object.name.is_empty() && object.text(&["metadata", "generateName"]).is_none_or(str::is_empty) {
        return incomplete(format!("{} has no metadata.name", object.kind));
    }
    let Some(pod) = Pod::of(object) else {
        if is_workload(object) {
            return incomplete(format!("{} has no containers in spec.template.spec", object.title()));
        }
        return Ok(());
    };
    match missing_volume(object, pod) {
        Some(volume) => incomplete(format!(
            "{}: a container mounts the volume {volume}, which the pod does not have",
            object.title()
        )),
        None => Ok(()),
    }
}

/// A volume that a container mounts and its pod does not have.
fn missing_volume<'v>(object: &Object<'v>, pod: Pod<'v>) -> Option<&'v str> {
    let volumes = list(pod.spec(), &["volumes"]).iter().filter_map(|volume| text(volume, "name"));
    let claims = object.get(&["spec", "volumeClaimTemplates"]).and_then(Value::as_sequence).into_iter().flatten();
    let claims = claims.filter_map(|claim| at(claim, &["metadata", "name"])?.as_str());
    let known: std::collections::HashSet<&str> = volumes.chain(claims).collect();
    let containers = list(pod.spec(), &["initContainers"]).iter().chain(pod.containers());
    let mut mounts = containers.flat_map(|container| list(container, &["volumeMounts"]));
    mounts.find_map(|mount| text(mount, "name").filter(|volume| !known.contains(volume)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_off_input_is_refused() {
        for text in ["a: 1\nmetadata:", "a:\n  - b:", "a:\n  -", "a:\n- - -"] {
            let error = End::of("input", text).unwrap_err();
            assert!(error.message().contains("it ends in the middle of line"), "{error}");
        }
        for text in ["a: 1", "a:\n", "a: b # c:", "# c:", "{\"a\": 1}"] {
            assert!(End::of("input", text).is_ok(), "{text}");
        }
    }
}
