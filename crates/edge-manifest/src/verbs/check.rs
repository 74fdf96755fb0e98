//! `check`.

use std::path::Path;

use edge_host::{Error, Finding, Host, Outcome, Result};

use crate::catalog::Names;
use crate::cli::Input;
use crate::complete::require_complete;
use crate::diagnose::Diagnosis;
use crate::facts;
use edge_objects::end::End;
use edge_objects::stream::{nothing_in, parts};

pub(crate) fn run(host: &mut Host, input: &Input, names: Option<&Path>) -> Result<Outcome> {
    let is_stdin = input.file == Path::new("-");
    if is_stdin && names == Some(Path::new("-")) {
        return Err(Error::usage("cannot read standard input twice: name a file for the manifests"));
    }
    let names = match names {
        Some(path) => {
            let source = facts::names(path)?;
            let parsed = Names::parse(&source.text);
            Some(parsed.map_err(|cause| Error::cannot("use", &source.name, cause))?)
        }
        None => None,
    };
    let source = facts::manifests(&input.file)?;
    let name = &source.name;
    let mut end = End::of(name, &source.text)?;
    let mut diagnosis = Diagnosis::new(names);
    let mut findings = Vec::new();
    let (mut count, mut is_empty) = (0, true);
    for part in parts(name, &source.text)? {
        let Some(read) = part.read(name)? else {
            end.frame();
            continue;
        };
        let value = read.value();
        is_empty = is_empty && value.is_null();
        end.document(&value);
        let mut found = Vec::new();
        let known = diagnosis.candidates.len();
        for object in read.objects(name, &value)? {
            count += 1;
            require_complete(name, &object, read.line)?;
            found.extend(diagnosis.object(&object, is_stdin, name)?);
        }
        let new = &mut diagnosis.candidates[known..];
        let paths = found.iter().map(|found| found.path.as_ref()).chain(new.iter().map(|new| new.path.as_ref()));
        let lines: Vec<Option<usize>> =
            read.document.lines(paths).into_iter().map(|line| Some(line? + read.line - 1)).collect();
        let (of_found, of_new) = lines.split_at(found.len());
        new.iter_mut().zip(of_new).for_each(|(candidate, line)| candidate.line = *line);
        findings.extend(found.into_iter().zip(of_found).map(|(found, line)| {
            let finding = Finding::new(found.severity, name, found.text).on_line(*line);
            Finding { hint: found.hint, ..finding }
        }));
    }
    if is_empty {
        return Err(nothing_in(name));
    }
    end.require()?;
    if count == 0 {
        host.report.note("the input has no objects: nothing was checked");
    }
    findings.extend(diagnosis.finish(name));
    findings.sort_by_key(|finding| finding.line);
    Ok(host.report.findings(&findings))
}
