//! PyYAML reads from an edited stream what it read before, and what was added.

use std::process::{Command, Stdio};

use super::shapes::{ALL, filter, list};

/// Reads {"before": text, "after": text} lines, and says what differs; an expression about edge nodes is removed first.
const JUDGE: &str = "
import sys, json, yaml
EDGE = {'key': 'node-role.kubernetes.io/edge', 'operator': 'DoesNotExist'}
count = 0
def strip(value):
    global count
    if isinstance(value, list):
        count += value.count(EDGE)
        value = [strip(item) for item in value if item != EDGE]
    elif isinstance(value, dict):
        value = {key: strip(item) for key, item in value.items()}
    else:
        return value
    if isinstance(value, list):
        return [item for item in value if item not in ([], {})]
    return {key: item for key, item in value.items() if item not in ([], {})}
for line in sys.stdin:
    case = json.loads(line)
    before, after = (list(yaml.safe_load_all(case[key])) for key in ('before', 'after'))
    count = 0
    assert strip(before) == strip(after), case['after']
    print(count)
";

#[test]
fn py_yaml_agrees() {
    let has_module = Command::new("python3").args(["-c", "import yaml"]).stderr(Stdio::null()).status();
    if !has_module.is_ok_and(|status| status.success()) {
        return edgeutils_tests::skip("py_yaml_agrees", "python3-yaml is not installed");
    }
    let mut cases = String::new();
    let mut expected = String::new();
    for shape in ALL {
        for text in [shape.to_owned(), list(shape, false), list(shape, true), shape.replace('\n', "\r\n")] {
            let after = filter(&text, "keep-off-edge --kind Deployment").expect(0).stdout;
            cases.push_str(&format!("{}\n", serde_json::json!({"before": text, "after": after})));
            // Once before for each that has it, and twice over both streams for each that was added.
            let count = text.matches("DoesNotExist").count() + after.matches("DoesNotExist").count();
            expected.push_str(&format!("{count}\n"));
        }
    }
    let mut child =
        Command::new("python3").args(["-c", JUDGE]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let feed = std::thread::spawn(move || std::io::Write::write_all(&mut stdin, cases.as_bytes()));
    let output = child.wait_with_output().unwrap();
    feed.join().unwrap().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}
