//! Checks values against types, and converts text from the command line.

use super::*;
use proptest::prelude::*;

const MODE: KeyType = KeyType::Int { min: 0, max: 2 };
const PORT: KeyType = KeyType::Int { min: 0, max: 4_294_967_295 };

fn set(ty: KeyType, text: &str) -> String {
    match typed(ty, text) {
        Ok(value) => format!("{value:?}"),
        Err(error) => match error.right_form() {
            Some(form) => format!("{error}; {form}"),
            None => error.to_string(),
        },
    }
}

#[test]
fn command_line_values_are_typed_by_the_table() {
    let cases = [
        (KeyType::Bool, "true"),
        (KeyType::Bool, "yes"),
        (KeyType::Bool, "off"),
        (KeyType::Bool, "yes please"),
        (KeyType::Bool, "1"),
        (PORT, "10004"),
        (PORT, "-1"),
        (PORT, "abc"),
        (PORT, "4294967296"),
        (PORT, "\"10\""),
        (MODE, "3"),
        (KeyType::Float, "0.8"),
        (KeyType::Text, "10"),
        (KeyType::Text, "yes"),
        (KeyType::Text, ""),
        (KeyType::Text, "\"quoted\""),
        (KeyType::Text, "[::1]:10004"),
        (KeyType::Text, "@x: y"),
        (KeyType::Text, "a: b"),
        (KeyType::Text, "[a, b]"),
        (KeyType::Duration, "1m30s"),
        (KeyType::Duration, "10"),
        (KeyType::Timespan, "5000000000"),
        (KeyType::Quantity, "100Mi"),
        (KeyType::Quantity, "lots"),
        (KeyType::Choice("cgroupfs|systemd"), "systemd"),
        (KeyType::Choice("cgroupfs|systemd"), "Systemd"),
        (KeyType::List("string"), "169.254.96.16"),
        (KeyType::List("string"), "[169.254.96.16, 10]"),
        (KeyType::List("string"), "1.1.1.1,2.2.2.2"),
        (KeyType::List("string"), "[]"),
        (KeyType::List("object"), "x"),
        (KeyType::Map("bool"), "{A: yes, B: false}"),
        (KeyType::Map("bool"), "{A: maybe}"),
        (KeyType::Map("string"), "memory"),
        (KeyType::Object, "{enable: true}"),
        (KeyType::Object, "true"),
    ];
    let lines: Vec<String> = cases.iter().map(|(ty, text)| format!("{ty:?} {text}: {}", set(*ty, text))).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn check_type_accepts_what_kubeedge_accepts() {
    for (ty, yaml) in [
        (KeyType::Text, "10"),
        (KeyType::Text, "true"),
        (KeyType::Bool, "yes"),
        (PORT, "15.0"),
        (PORT, "null"),
        (KeyType::Float, "1"),
        (KeyType::List("string"), "[1, true]"),
        (KeyType::List("string"), "null"),
        (KeyType::Map("string"), "{a: 5}"),
        (KeyType::Quantity, "0"),
    ] {
        let value: Value = serde_yaml::from_str(yaml).unwrap();
        assert_eq!(check_type(ty, &value), Ok(()), "{ty:?} {yaml}");
    }
}

#[test]
fn check_type_refuses_what_kubeedge_refuses() {
    for (ty, yaml, message) in [
        (KeyType::Bool, "yes please", "must be true or false, not \"yes please\""),
        (KeyType::Bool, "\"true\"", "must be true or false, not \"true\""),
        (MODE, "15.5", "must be a whole number from 0 to 2, not 15.5"),
        (KeyType::Duration, "10", "must be a duration such as 10s or 1m30s, not 10"),
        (KeyType::List("string"), "a", "must be a list, not \"a\""),
        (KeyType::List("string"), "[[a]]", "must be a list in which each element is text, not a list"),
        (KeyType::Text, "[a]", "must be text, not a list"),
        (KeyType::Object, "true", "must be a section, not true"),
    ] {
        let value: Value = serde_yaml::from_str(yaml).unwrap();
        let error = check_type(ty, &value).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn durations_are_those_of_go() {
    for text in ["0", "10s", "1m0s", "1h2m3.5s", "-1.5h", "100ms", "5µs", ".5s"] {
        assert!(is_duration(text), "{text}");
    }
    for text in ["", "10", "s", "1d", "1..5s", "10 s", "-", "."] {
        assert!(!is_duration(text), "{text}");
    }
}

proptest! {
    #[test]
    fn typed_never_panics_and_returns_the_type(text in "\\PC{0,24}") {
        for ty in [KeyType::Bool, PORT, KeyType::Text, KeyType::Duration, KeyType::Quantity, KeyType::List("string"), KeyType::Map("any"), KeyType::Object] {
            if let Ok(value) = typed(ty, &text) {
                prop_assert!(check_type(ty, &value).is_ok(), "{ty:?} {value:?}");
            }
        }
    }
}
