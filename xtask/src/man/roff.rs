//! One man page a utility: the program, then a section for each verb.

use anyhow::{Context, Result};
use clap::{Arg, Command};
use clap_mangen::Man;

use super::verbs;

/// What the library puts before each section; one for the page is enough.
const PREAMBLE: &str = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";

/// The page as roff.
pub(crate) fn page(command: &Command) -> Result<String> {
    let man = Man::new(command.clone());
    let mut out = Vec::new();
    man.render_title(&mut out)?;
    man.render_name_section(&mut out)?;
    man.render_synopsis_section(&mut out)?;
    man.render_description_section(&mut out)?;
    if command.get_arguments().any(|arg| !arg.is_hide_set()) {
        man.render_options_section(&mut out)?;
    }
    let mut page = format!("{PREAMBLE}{}", text(out)?);
    page.push_str(&extra(command, &man)?);
    for verb in verbs(command) {
        page.push_str(&verb_sections(verb)?);
    }
    Ok(page)
}

/// `.SH EDGE-X GO`, and under it what its own page would say as subsections.
fn verb_sections(verb: &Command) -> Result<String> {
    let path = verb.get_bin_name().unwrap_or(verb.get_name());
    let man = Man::new(verb.clone().mut_args(|arg| if is_own(&arg) { arg } else { arg.hide(true) }));
    let mut out = Vec::new();
    man.render_synopsis_section(&mut out)?;
    man.render_description_section(&mut out)?;
    if verb.get_arguments().any(is_own) {
        man.render_options_section(&mut out)?;
    }
    let body = text(out)? + &extra(verb, &man)?;
    let mut sections = format!(".SH \"{}\"\n", path.to_uppercase());
    for line in body.lines() {
        sections.push_str(&line.replacen(".SH ", ".SS ", 1));
        sections.push('\n');
    }
    for inner in verbs(verb) {
        sections.push_str(&verb_sections(inner)?);
    }
    Ok(sections)
}

/// True for an argument of this verb alone.
fn is_own(arg: &Arg) -> bool {
    !arg.is_global_set() && !arg.is_hide_set() && arg.get_id() != "help"
}

/// What clap shows after the options: the examples.
fn extra(command: &Command, man: &Man) -> Result<String> {
    if command.get_after_long_help().is_none() && command.get_after_help().is_none() {
        return Ok(String::new());
    }
    let mut out = Vec::new();
    man.render_extra_section(&mut out)?;
    // Lines to copy: keep them as they are laid out.
    let body = text(out)?.replacen(".SH EXTRA\n", ".SH NOTES\n.nf\n", 1);
    let body = ["Example:\n", "Examples:\n"]
        .iter()
        .fold(body, |body, title| body.replacen(&format!(".SH NOTES\n.nf\n{title}"), ".SH EXAMPLES\n.nf\n", 1));
    let body = if body.contains(".SH NOTES") {
        body.replacen("\n.nf\n", "\n", 1)
    } else {
        format!("{}\n.fi", body.trim_end())
    };
    Ok(format!("{}\n", body.trim_end()))
}

/// A section without the preamble.
fn text(out: Vec<u8>) -> Result<String> {
    let section = String::from_utf8(out).context("a man page that is no UTF-8")?;
    Ok(section.replace(PREAMBLE, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn note_is_what_is_not_an_example() {
        let mut command = Command::new("edge-x").about("Do x").after_help("Exit codes: 0 done.");
        command.build();
        let page = page(&command).unwrap();
        assert!(page.contains(".SH NOTES\nExit codes: 0 done."), "{page}");
    }

    #[test]
    fn verb_is_a_section_with_its_examples() {
        let mut command = Command::new("edge-x").about("Do x").subcommand(
            Command::new("go")
                .about("Go there")
                .arg(Arg::new("fast").long("fast").help("Hurry"))
                .after_help("Example:\n  edge-x go --fast"),
        );
        command.build();
        let page = page(&command).unwrap();
        for wanted in [
            ".SH NAME\n",
            ".SH \"EDGE-X GO\"\n.SS SYNOPSIS\n",
            "\\-\\-fast",
            ".SS EXAMPLES\n.nf\n",
            "edge\\-x go \\-\\-fast\n.fi\n",
        ] {
            assert!(page.contains(wanted), "no {wanted:?} in:\n{page}");
        }
        assert!(!page.contains("HELP"), "{page}");
        assert_eq!(page.matches(PREAMBLE).count(), 1, "{page}");
        assert_eq!(page.matches("Print help").count(), 1, "{page}");
    }
}
