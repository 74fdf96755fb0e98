//! Errors as users and callers see them.

use std::io;

use nix::errno::Errno;

use super::*;
use crate::cmd::Cmd;

fn of<T, E: Into<Box<dyn StdError + Send + Sync>>>(result: Result<T, E>) -> String {
    result.on("use", "x").err().map(|error| error.to_string()).unwrap()
}

#[test]
fn error_keeps_the_errno() {
    let error = std::fs::read("/nonexistent/a").on("read", "/nonexistent/a").unwrap_err();
    assert_eq!(error.to_string(), "cannot read /nonexistent/a: No such file or directory (os error 2)");
    assert_eq!((error.verb(), error.object()), ("read", "/nonexistent/a"));
    assert_eq!((error.io_kind(), error.errno()), (Some(io::ErrorKind::NotFound), Some(Errno::ENOENT)));
    assert!(std::error::Error::source(&error).is_some() && error.exit() == Exit::Failed);

    let full: Result<(), Errno> = Err(Errno::ENOSPC);
    let error = full.on("write", "/a").unwrap_err();
    assert_eq!(error.to_string(), "cannot write /a: No space left on device (os error 28)");
    assert_eq!(error.hint_text(), Some("free some space on that file system and run again"));
    assert_eq!(Error::io("write", "/a", &io::Error::from(Errno::ENOSPC)), error);
}

#[test]
fn error_of_a_deeper_layer_keeps_its_exit_code_hint_and_source() {
    let deeper: Result<()> = Err(Error::io("read", "/a", &Errno::EROFS.into()).with_exit(Exit::Refused).hint("do it"));
    let error = deeper.on("install from", "/b").unwrap_err();
    assert_eq!(error.to_string(), "cannot install from /b: cannot read /a: Read-only file system (os error 30)");
    assert_eq!((error.exit(), error.hint_text(), error.errno()), (Exit::Refused, Some("do it"), Some(Errno::EROFS)));
    let other = Error::io("read", "/a", &Errno::EIO.into()).with_action("install from", "/b");
    assert_eq!(other.to_string(), "cannot install from /b: Input/output error (os error 5)");
}

#[test]
fn error_of_a_program_keeps_its_output() {
    let script = "echo out; echo why >&2; exit 7";
    let error = Cmd::find("sh").unwrap().args(["-c", script]).run().unwrap_err();
    assert_eq!(error.program(), Some("sh"));
    let output = error.output().unwrap();
    assert_eq!((output.status.code(), output.stdout.as_str(), output.stderr.as_str()), (Some(7), "out\n", "why\n"));
    assert_eq!(error.cause(), "exit status: 7: why");
    assert_eq!(error.message(), format!("cannot run sh -c {script}: exit status: 7: why"));
}

#[test]
fn error_does_not_contain_the_text_of_a_parser() {
    assert_eq!(of("a".parse::<u16>()), "cannot use x: it is not a whole number");
    assert_eq!(of("".parse::<u16>()), "cannot use x: it is empty, expected a whole number");
    assert_eq!(of("70000".parse::<u16>()), "cannot use x: the number is out of range");
    assert_eq!(of("a".parse::<std::net::IpAddr>()), "cannot use x: it is not a valid IP address");
    assert_eq!(of(String::from_utf8(vec![0xff])), "cannot use x: it is not UTF-8 text");
    let json = |text: &str| of(serde_json::from_str::<serde_json::Value>(text));
    assert_eq!(json(""), "cannot use x: it is not complete JSON: it ends in line 1");
    assert_eq!(json("{\n x"), "cannot use x: it is not valid JSON: line 2, column 2");
    let port = "70000".parse::<u16>().expected("a port from 1 to 65535").on("use", "70000");
    assert_eq!(port.unwrap_err().to_string(), "cannot use 70000: expected a port from 1 to 65535");
    assert_eq!(of::<(), _>(Err("it is odd")), "cannot use x: it is odd");
}

#[test]
fn error_is_one_line_without_passwords() {
    let error = Error::cannot("read", "/a\nb", "https://u:p@h/ printed\x1b no\n").hint("look\nthere");
    assert_eq!(error.to_string(), "cannot read /a\\nb: https://u:***@h/ printed\\u{1b} no");
    assert_eq!(error.hint_text(), Some("look\\nthere"));
    assert_eq!(Error::cannot("mount", "", "no").to_string(), "cannot mount: no");
    let refused = Error::cannot("use", "/a", "others can write to it").with_exit(Exit::Refused);
    assert_eq!((refused.exit(), refused.cause()), (Exit::Refused, "others can write to it"));
}
