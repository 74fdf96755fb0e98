//! `read`.

use std::path::Path;

use edge_host::{Common, Error, Exit, Host, Outcome, Result};

use crate::describe::{Description, describe};
use crate::facts;

pub(crate) fn run(host: &mut Host, common: &Common, file: &Path, print: bool) -> Result<Outcome> {
    if print && common.json {
        return Err(Error::usage("cannot use --json with --print: standard output is the token"));
    }
    let input = facts::own_file(file)?;
    let now = edge_host::now();
    let all = describe(input.text()?).map_err(|why| {
        let error = Error::cannot("read", &input.name, why.text);
        why.hint.map_or_else(|| error.clone(), |hint| error.clone().hint(hint))
    })?;
    if print {
        print_secret(host, &input.name, &all)?;
    }
    for description in &all {
        if !print {
            description.report(host, &input.name, now);
        }
        for warning in description.warnings(now) {
            host.report.warning(&warning);
        }
    }
    let has_expired = all.iter().any(|description| description.has_expired(now));
    Ok(Outcome { exit: if has_expired { Exit::Differs } else { Exit::Done }, ..Outcome::default() })
}

fn print_secret(host: &mut Host, name: &str, all: &[Description]) -> Result<()> {
    let secrets: Vec<_> = all.iter().filter_map(|description| description.secret.as_ref()).collect();
    match secrets.as_slice() {
        [secret] => host.report.document(format!("{}\n", secret.expose()).as_bytes()),
        [] => Err(Error::cannot("print the token of", name, "it has none")),
        several => {
            Err(Error::cannot("print the token of", name, format!("it has {} tokens: expected one", several.len()))
                .hint("name one Secret: kubectl get secret NAME -n NAMESPACE -o json | edge-token read --print"))
        }
    }
}
