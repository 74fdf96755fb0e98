//! Cutting a stream and a List.

use super::*;

fn titles(text: &str) -> Result<Vec<String>> {
    let mut titles = Vec::new();
    for part in parts("input", text)? {
        let Some(read) = part.read("input")? else { continue };
        let value = read.value();
        titles.extend(
            read.objects("input", &value)?.iter().map(|object| format!("{} {:?}", object.title(), object.base.len())),
        );
    }
    Ok(titles)
}

#[test]
fn objects_are_found_in_documents_and_lists() {
    let object = "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: a, namespace: n}\n";
    assert_eq!(
        titles(&format!("# c\n---\n{object}---\n---\n{object}")).unwrap(),
        ["DaemonSet n/a 0", "DaemonSet n/a 0"]
    );
    let list = format!("apiVersion: v1\nkind: List\nitems:\n- {}", object.trim_end().replace('\n', "\n  "));
    assert_eq!(titles(&list).unwrap(), ["DaemonSet n/a 2"]);
    let typed =
        "{\"kind\": \"DaemonSetList\", \"apiVersion\": \"apps/v1\", \"items\": [{\"metadata\": {\"name\": \"b\"}}]}";
    assert_eq!(titles(typed).unwrap(), ["DaemonSet b 2"]);
    assert!(titles("apiVersion: v1\nkind: List\nitems: []\n").unwrap().is_empty());
}

#[test]
fn objects_are_required() {
    for text in
        ["a: 1\n", "- a\n", "text\n", "kind: Pod\n", "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [1]}"]
    {
        let error = titles(text).unwrap_err();
        assert!(
            error.message().contains("line 1: it is not a Kubernetes object") && error.exit() == Exit::Failed,
            "{error}"
        );
    }
    let error = titles("<!DOCTYPE html>\n<html></html>\n").unwrap_err();
    assert_eq!(error.message(), "cannot use input: it is HTML or XML, not a manifest");
}

#[test]
fn items_of_a_large_list_are_read_one_by_one() {
    let filler = "x".repeat(40_000);
    let yaml = |eol: &str, indent: &str| {
        let item = format!(
            "{indent}- apiVersion: v1\n{indent}  data:\n{indent}    a: |\n{indent}      - {filler}\n{indent}  kind: ConfigMap\n{indent}  metadata:\n{indent}    name: m\n"
        );
        format!("apiVersion: v1\nitems:\n{}kind: List\nmetadata:\n  resourceVersion: \"\"\n", item.repeat(40))
            .replace('\n', eol)
    };
    let object = format!(
        "{{\"apiVersion\": \"v1\", \"data\": {{\"a\": \"[{{\\\"]{filler}\"}}, \"kind\": \"ConfigMap\", \"metadata\": {{\"name\": \"m\"}}}}"
    );
    let json = |kind: &str| {
        let items = vec![object.clone(); 40].join(",\n        ");
        format!(
            "{{\n    \"apiVersion\": \"v1\",\n    \"items\": [\n        {items}\n    ],\n    \"kind\": \"{kind}\"\n}}\n"
        )
    };
    for text in [yaml("\n", ""), yaml("\r\n", "  "), json("List"), json("ConfigMapList")] {
        assert!(text.len() > MAX_BYTES);
        let parts = parts("input", &text).unwrap();
        assert_eq!(parts.iter().map(|part| part.slice.text).collect::<String>(), text);
        assert_eq!(titles(&text).unwrap().len(), 40);
        let line =
            text[..text.rfind("- apiVersion").or(text.rfind("{\"apiVersion")).unwrap()].matches('\n').count() + 1;
        assert_eq!(parts[parts.len() - 2].slice.line, line);
    }
    let cut = json("List");
    assert!(titles(&cut[..cut.len() - 30_000]).is_err());
}
