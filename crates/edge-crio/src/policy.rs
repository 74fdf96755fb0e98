//! Validates policy.json as the containers/image of a version of CRI-O does: it accepts only the names that it knows.

use std::collections::BTreeMap;

use edge_host::{Error, Result};
use serde::Deserialize;
use serde_json::{Map, Value};

const DATA: &str = include_str!("../data/policy.toml");

/// A name, and the first minor version that accepts it.
type Names = BTreeMap<String, u32>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    requirement: Names,
    identity: Names,
    key: BTreeMap<String, Names>,
}

/// Why CRI-O refuses a policy; none if it accepts it. `minor` is the minor version, if it is known.
pub fn problem(text: &str, minor: Option<u32>) -> Result<Option<String>> {
    let table: Table = toml_edit::de::from_str(DATA)
        .map_err(|error| Error::failed(format!("cannot read the built-in data policy: {error}")))?;
    let value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => {
            return Ok(Some(format!("is not valid JSON at line {}, column {}", error.line(), error.column())));
        }
    };
    Ok(Checker { table: &table, minor }.policy(&value).err())
}

struct Checker<'t> {
    table: &'t Table,
    minor: Option<u32>,
}

type Checked = std::result::Result<(), String>;

impl Checker<'_> {
    fn policy(&self, value: &Value) -> Checked {
        let policy = object(value, "the policy")?;
        for key in policy.keys() {
            if !["default", "transports"].contains(&key.as_str()) {
                return Err(format!("contains the unknown key {key:?}"));
            }
        }
        self.requirements(policy.get("default").ok_or("has no default")?, "default")?;
        for (transport, scopes) in
            policy.get("transports").map(|all| object(all, "transports")).transpose()?.into_iter().flatten()
        {
            for (scope, requirements) in object(scopes, &format!("transports.{transport}"))? {
                self.requirements(requirements, &format!("transports.{transport}.{scope:?}"))?;
            }
        }
        Ok(())
    }

    fn requirements(&self, value: &Value, place: &str) -> Checked {
        let all = value.as_array().filter(|all| !all.is_empty());
        for one in all.ok_or_else(|| format!("has no list of requirements in {place}"))? {
            let one = object(one, place)?;
            let kind = self.kind(one, &self.table.requirement, "requirement", place)?;
            let keys = self.table.key.get(kind);
            for key in one.keys().filter(|key| *key != "type") {
                let from = keys.and_then(|keys| keys.get(key));
                self.known(from, || format!("the key {key:?} of {kind} in {place}"))?;
            }
            if let Some(identity) = one.get("signedIdentity") {
                self.kind(object(identity, place)?, &self.table.identity, "identity", place)?;
            }
        }
        Ok(())
    }

    fn kind<'v>(
        &self,
        object: &'v Map<String, Value>,
        names: &Names,
        what: &str,
        place: &str,
    ) -> std::result::Result<&'v str, String> {
        let kind = object.get("type").and_then(Value::as_str);
        let kind = kind.ok_or_else(|| format!("has no type of the {what} in {place}"))?;
        self.known(names.get(kind), || format!("the {what} {kind:?} in {place}"))?;
        Ok(kind)
    }

    fn known(&self, from: Option<&u32>, what: impl Fn() -> String) -> Checked {
        match (from, self.minor) {
            (None, _) => Err(format!("contains {}, which CRI-O does not know", what())),
            (Some(from), Some(minor)) if minor < *from => {
                Err(format!("contains {}, which CRI-O before 1.{from} does not know", what()))
            }
            (Some(_), _) => Ok(()),
        }
    }
}

fn object<'v>(value: &'v Value, what: &str) -> std::result::Result<&'v Map<String, Value>, String> {
    value.as_object().ok_or_else(|| format!("has {what}, which is not an object"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problem_depends_on_the_version() {
        let of = |text: &str, minor| problem(text, minor).unwrap();
        let anything = r#"{"default": [{"type": "insecureAcceptAnything"}]}"#;
        assert_eq!(of(anything, None), None);
        let signed = r#"{"default": [{"type": "reject"}], "transports": {"docker": {"r.example": [
            {"type": "signedBy", "keyType": "GPGKeys", "keyPaths": ["/a"], "signedIdentity": {"type": "matchExact"}}]}}}"#;
        assert_eq!(of(signed, Some(25)), None);
        assert_eq!(of(signed, None), None);
        assert_eq!(
            of(signed, Some(24)).unwrap(),
            "contains the key \"keyPaths\" of signedBy in transports.docker.\"r.example\", which CRI-O before 1.25 does not know"
        );
        let sigstore = r#"{"default": [{"type": "sigstoreSigned", "keyPath": "/a", "signedIdentity": {"type": "remapIdentity"}}]}"#;
        assert!(of(sigstore, Some(24)).unwrap().contains("the requirement \"sigstoreSigned\" in default"));
        assert_eq!(of(sigstore, Some(36)), None);
        let pki = r#"{"default": [{"type": "sigstoreSigned", "pki": {}, "signedIdentity": {"type": "matchExact"}}]}"#;
        assert!(of(pki, Some(31)).unwrap().ends_with("CRI-O before 1.32 does not know"));
        for (text, want) in [
            ("{", "is not valid JSON at line 1, column 1"),
            ("[]", "has the policy, which is not an object"),
            ("{}", "has no default"),
            (r#"{"default": []}"#, "has no list of requirements in default"),
            (r#"{"default": [{}]}"#, "has no type of the requirement in default"),
            (r#"{"default": [{"type": "reject"}], "x": 1}"#, "contains the unknown key \"x\""),
            (
                r#"{"default": [{"type": "reject", "y": 1}]}"#,
                "contains the key \"y\" of reject in default, which CRI-O does not know",
            ),
            (
                r#"{"default": [{"type": "accept"}]}"#,
                "contains the requirement \"accept\" in default, which CRI-O does not know",
            ),
        ] {
            assert_eq!(of(text, None).as_deref(), Some(want), "{text}");
        }
    }
}
