//! `xtask bench`: a utility and a reference side by side, interleaved, as ratios of medians.

mod case;
mod cases;
mod certgen;
mod check;
mod cni;
mod crio;
mod firewall;
mod join;
mod links;
mod manifest;
mod measure;
mod pkg;
mod reset;
mod reset_firewall;
mod scripts;
mod token;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use edgeutils_tests::pages;
use nix::unistd::geteuid;

use self::case::{Case, Limit, Selection};
use self::firewall::Host;
pub(crate) use self::measure::cpu_of_children;
use self::measure::{Measure, Program, peak_memory};
use crate::dist::{self, Target, Toolchain};
use crate::failure::hinted;
use crate::machine::Missing;
use crate::sh::Sh;
use crate::workspace::{Workspace, read, write};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Exit 1 if a figure misses its limit
    #[arg(long)]
    strict: bool,
    /// How often each program of a pair runs [default: by case]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    runs: Option<u16>,
    /// Only the cases with one of these in their name
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// Write the table to docs/performance.md; as root, as all cases are needed
    #[arg(long, conflicts_with_all = ["only", "runs"])]
    save: bool,
}

/// Peak memory varies little: a few runs are enough.
const MEMORY_RUNS: u16 = 5;

/// The page with the figures, and the words after the fence of their block.
const PAGE: &str = "docs/performance.md";
const FIGURES: &str = "text figures";

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    let missing = Missing::for_suites(&["bench"]);
    if let Some(line) = missing.lines().first() {
        let what = format!("cannot compare: not installed: {}", missing.packages.join(", "));
        return Err(hinted(what, line));
    }
    if args.save && !geteuid().is_root() {
        return Err(hinted(
            format!("cannot save all figures in {PAGE}: not running as root"),
            "sudo cargo xtask bench --save",
        ));
    }
    let toolchain = Toolchain::choose(Some(Target::native()))?;
    let head = head(workspace, &toolchain)?;
    print!("{head}");
    let scratch = workspace.scratch("bench")?;
    let bin = scratch.join("bin");
    dist::compile(workspace, &toolchain, &bin)?;

    let mut rows = vec![["case", "edgeutils", "reference", "ratio", "limit", ""].map(str::to_owned)];
    let mut missed = false;
    let selection = Selection(&args.only);
    let mut all = cases::all(&selection, &bin, &scratch)?;
    if selection.may_include("edge-node.sh") {
        all.extend(scripts::cases(workspace, &bin, &scratch)?);
    }
    let mut hosts = Vec::new();
    let mut add = |(cases, made): (Vec<Case>, Vec<Host>)| {
        all.extend(cases);
        hosts.extend(made);
    };
    if !geteuid().is_root() {
        eprintln!("edge-redirect and edge-reset are not measured: not running as root");
    } else {
        if selection.may_include("edge-redirect") {
            add(firewall::cases(&bin, &scratch)?);
        }
        if selection.may_include("edge-check") {
            add(check::cases(&bin)?);
        }
        if selection.may_include("edge-reset") {
            add(links::cases(&bin)?);
            add(reset_firewall::cases(&bin, &scratch)?);
            add(reset::cases(&bin, &scratch)?);
        }
    }
    for case in all.into_iter().filter(|case| selection.includes(case)) {
        let (row, is_ok) = measured(&case, args.runs)?;
        eprintln!("{}", row.join("  "));
        missed |= !is_ok;
        rows.push(row);
    }
    certgen::clean()?;
    let table = table(&rows);
    print!("{table}");
    if args.save {
        let page = workspace.root.join(PAGE);
        let text = String::from_utf8(read(&page)?)?;
        write(&page, with_figures(&text, &format!("{head}{table}"))?)?;
    }
    Ok(ExitCode::from(u8::from(args.strict && missed)))
}

/// What was measured, when, and on which machine.
fn head(workspace: &Workspace, toolchain: &Toolchain) -> Result<String> {
    let version = workspace.version_line("edgeutils", &toolchain.target().to_string());
    let date = Sh::new("date -u +%F").capture()?;
    let processors = String::from_utf8_lossy(&read(Path::new("/proc/cpuinfo"))?).into_owned();
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let count = std::thread::available_parallelism()?;
    let (date, model, with) = (date.trim(), model.unwrap_or("unknown processor"), toolchain.described());
    Ok(format!("{version}, built with {with}\n{date}, {count} processors: {model}\n\n"))
}

/// The page with these figures in place of the earlier ones.
fn with_figures(page: &str, figures: &str) -> Result<String> {
    let parts = pages::read(page).parts;
    let block = parts.iter().find(|part| part.kind == pages::Kind::Block(FIGURES.to_owned()));
    let range = block.with_context(|| format!("{PAGE} has no block `{FIGURES}`"))?.range.clone();
    let (before, after) = (page.get(..range.start).unwrap_or_default(), page.get(range.end..).unwrap_or_default());
    Ok(format!("{before}{figures}{after}"))
}

/// A line of the table: case, both figures, their ratio, the limit and a status word.
type Row = [String; 6];

/// The line of a case, and whether it is within its limit.
fn measured(case: &Case, runs: Option<u16>) -> Result<(Row, bool)> {
    let runs = runs.unwrap_or(case.runs);
    let (mut edgeutils, mut reference) = (Vec::new(), Vec::new());
    // One run of each first, so that both find their files in memory.
    sample(&case.edgeutils, case.measure)?;
    sample(&case.reference, case.measure)?;
    let runs = match case.measure {
        Measure::Memory => runs.min(MEMORY_RUNS),
        _ => runs,
    };
    for _ in 0..runs {
        edgeutils.push(sample(&case.edgeutils, case.measure)?);
        reference.push(sample(&case.reference, case.measure)?);
    }
    let (edgeutils, reference) = (median(edgeutils), median(reference));
    let ratio = edgeutils / reference.max(f64::MIN_POSITIVE);
    let shown = |value: f64| match case.measure {
        Measure::Memory => format!("{:.2} MiB", value / 1024.0),
        Measure::Size => format!("{:.2} MiB", value / 1_048_576.0),
        Measure::Wall | Measure::Cpu => format!("{:.2} ms", value * 1000.0),
    };
    let (limit, is_ok) = match case.limit {
        Limit::Times(limit) => (format!("≤ {limit} ×"), ratio <= limit),
        Limit::TimesAnd(limit, millis) => {
            (format!("≤ {limit} × + {millis} ms"), edgeutils <= limit * reference + millis / 1000.0)
        }
        Limit::Faster(limit) => (format!("≥ {limit} × faster"), ratio * limit <= 1.0),
        Limit::Millis(limit) => (format!("≤ {limit} ms"), edgeutils <= limit / 1000.0),
        Limit::MiB(limit) => (format!("≤ {limit} MiB"), edgeutils <= limit * 1024.0),
    };
    let ratio = match case.limit {
        Limit::Faster(_) => format!("{:.1} × faster", 1.0 / ratio.max(f64::MIN_POSITIVE)),
        Limit::Times(_) | Limit::TimesAnd(..) | Limit::Millis(_) | Limit::MiB(_) => format!("{ratio:.2} ×"),
    };
    let (name, reference) =
        (format!("{}: {}", case.name, case.measure), format!("{} {}", case.reference.name(), shown(reference)));
    Ok(([name, shown(edgeutils), reference, ratio, limit, if is_ok { "ok" } else { "MISSED" }.to_owned()], is_ok))
}

fn sample(program: &Program, measure: Measure) -> Result<f64> {
    match measure {
        Measure::Memory => peak_memory(program),
        Measure::Size => program.size(),
        Measure::Wall => Ok(program.time()?.wall),
        Measure::Cpu => Ok(program.time()?.cpu),
    }
}

/// The middle value; of an even number, the mean of the two.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle), values.len() % 2) {
        (None, _) => f64::NAN,
        (Some(upper), 1) => *upper,
        (Some(upper), _) => {
            let lower = values.get(middle.wrapping_sub(1)).unwrap_or(upper);
            f64::midpoint(*lower, *upper)
        }
    }
}

fn table(rows: &[Row]) -> String {
    let mut widths = [0; 6];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut table = String::new();
    for row in rows {
        let padded = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        table.push_str(padded.collect::<Vec<_>>().join("  ").trim_end());
        table.push('\n');
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_is_the_middle() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(vec![4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        assert!(median(Vec::new()).is_nan());
    }

    #[test]
    fn figures_of_the_page_are_replaced() {
        let page = "# Performance\n\n```text figures\nold\n```\n\nMore.\n";
        assert_eq!(with_figures(page, "new\n").unwrap(), page.replace("old", "new"));
        with_figures("# Performance\n", "new\n").unwrap_err();
    }

    #[test]
    fn missed_limit_is_reported() {
        let nothing = Program::nothing();
        let is_ok = |limit| {
            let case = Case::new("true and true", (&nothing, &nothing), Measure::Wall, limit, 3);
            measured(&case, None).unwrap().1
        };
        assert!(is_ok(Limit::Times(1000.0)) && !is_ok(Limit::Faster(1000.0)));
    }
}
