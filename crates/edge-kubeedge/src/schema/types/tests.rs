//! What a value of a type is, and what becomes of a command-line text.

use super::*;
use proptest::prelude::*;

const MODE: Ty = Ty::Int { min: 0, max: 2 };
const PORT: Ty = Ty::Int { min: 0, max: 4_294_967_295 };

fn set(ty: Ty, text: &str) -> String {
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
        (Ty::Bool, "true"),
        (Ty::Bool, "yes"),
        (Ty::Bool, "off"),
        (Ty::Bool, "yes please"),
        (Ty::Bool, "1"),
        (PORT, "10004"),
        (PORT, "-1"),
        (PORT, "abc"),
        (PORT, "4294967296"),
        (PORT, "\"10\""),
        (MODE, "3"),
        (Ty::Float, "0.8"),
        (Ty::Text, "10"),
        (Ty::Text, "yes"),
        (Ty::Text, ""),
        (Ty::Text, "\"quoted\""),
        (Ty::Text, "[::1]:10004"),
        (Ty::Text, "@x: y"),
        (Ty::Text, "a: b"),
        (Ty::Text, "[a, b]"),
        (Ty::Duration, "1m30s"),
        (Ty::Duration, "10"),
        (Ty::Timespan, "5000000000"),
        (Ty::Quantity, "100Mi"),
        (Ty::Quantity, "lots"),
        (Ty::Choice("cgroupfs|systemd"), "systemd"),
        (Ty::Choice("cgroupfs|systemd"), "Systemd"),
        (Ty::List("string"), "169.254.96.16"),
        (Ty::List("string"), "[169.254.96.16, 10]"),
        (Ty::List("string"), "1.1.1.1,2.2.2.2"),
        (Ty::List("string"), "[]"),
        (Ty::List("object"), "x"),
        (Ty::Map("bool"), "{A: yes, B: false}"),
        (Ty::Map("bool"), "{A: maybe}"),
        (Ty::Map("string"), "memory"),
        (Ty::Object, "{enable: true}"),
        (Ty::Object, "true"),
    ];
    let lines: Vec<String> = cases.iter().map(|(ty, text)| format!("{ty:?} {text}: {}", set(*ty, text))).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn what_kubeedge_accepts_is_no_fault() {
    for (ty, yaml) in [
        (Ty::Text, "10"),
        (Ty::Text, "true"),
        (Ty::Bool, "yes"),
        (PORT, "15.0"),
        (PORT, "null"),
        (Ty::Float, "1"),
        (Ty::List("string"), "[1, true]"),
        (Ty::List("string"), "null"),
        (Ty::Map("string"), "{a: 5}"),
        (Ty::Quantity, "0"),
    ] {
        let value: Value = serde_yaml::from_str(yaml).unwrap();
        assert_eq!(check_type(ty, &value), Ok(()), "{ty:?} {yaml}");
    }
}

#[test]
fn what_kubeedge_refuses_is_one() {
    for (ty, yaml, message) in [
        (Ty::Bool, "yes please", "must be true or false, not \"yes please\""),
        (Ty::Bool, "\"true\"", "must be true or false, not \"true\""),
        (MODE, "15.5", "must be a whole number from 0 to 2, not 15.5"),
        (Ty::Duration, "10", "must be a duration such as 10s or 1m30s, not 10"),
        (Ty::List("string"), "a", "must be a list, not \"a\""),
        (Ty::List("string"), "[[a]]", "must be a list, each element text, not a list"),
        (Ty::Text, "[a]", "must be text, not a list"),
        (Ty::Object, "true", "must be a section, not true"),
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
    fn no_text_makes_it_panic(text in "\\PC{0,24}") {
        for ty in [Ty::Bool, PORT, Ty::Text, Ty::Duration, Ty::Quantity, Ty::List("string"), Ty::Map("any"), Ty::Object] {
            if let Ok(value) = typed(ty, &text) {
                prop_assert!(check_type(ty, &value).is_ok(), "{ty:?} {value:?}");
            }
        }
    }
}
