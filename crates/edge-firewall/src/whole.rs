//! Reads whole tables, for those who have rules anywhere in them.

use std::panic::resume_unwind;
use std::thread;

use edge_host::{Error, Result, Root};

use crate::backend::{Backend, Family};
use crate::host::{Firewall, default_backend, stem};
use crate::limit::Limit;
use crate::read::{Seen, legacy_tables, needs_root, read_all};

impl Firewall {
    /// Reads all tables of both backends and families, as far as this host has programs for them and the kernel has
    /// tables. What cannot be read is in `unusable`.
    ///
    /// Tables of nf_tables with native rules are missing, or shown incompletely: see [`crate::Save::hidden`].
    ///
    /// Errors: exit 1 if only root may read them.
    pub fn read_whole(root: &Root) -> Result<Firewall> {
        let default = default_backend(root, Limit::default())?;
        let mut firewall = Firewall::of(Vec::new(), default);
        let mut jobs = Vec::new();
        for family in Family::ALL {
            for backend in Backend::ALL {
                match stem(backend, family, default) {
                    Some(stem) => jobs.push((backend, family, stem)),
                    None => {
                        firewall.unusable.extend(missing(root, backend, family)?.map(|error| (backend, family, error)))
                    }
                }
            }
        }
        // Each is a program that takes long if there are many rules.
        let done: Vec<_> = thread::scope(|scope| {
            let start = |(backend, family, stem): &(Backend, Family, String)| {
                let (backend, family, stem) = (*backend, *family, stem.clone());
                scope.spawn(move || read(root, backend, family, &stem))
            };
            let threads: Vec<_> = jobs.iter().map(start).collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
        });
        for ((backend, family, _), seen) in jobs.into_iter().zip(done) {
            match seen {
                Ok(seen) => firewall.seen.push(seen),
                Err(error) => match needs_root(&error, family) {
                    Some(error) => return Err(error),
                    None => firewall.unusable.push((backend, family, error)),
                },
            }
        }
        Ok(firewall)
    }
}

impl Seen {
    /// Reads all tables of this backend and family again.
    pub fn whole_again(&self, root: &Root) -> Result<Seen> {
        let stem = self.restore.strip_suffix("-restore").unwrap_or(&self.restore);
        read(root, self.backend, self.family, stem)
    }

    /// The same without its text, to run its program.
    #[must_use]
    pub fn without_text(&self) -> Seen {
        Seen {
            backend: self.backend,
            family: self.family,
            restore: self.restore.clone(),
            text: String::new(),
            notes: Vec::new(),
            earlier: Vec::new(),
            unreadable: None,
        }
    }
}

/// x_tables that has tables, perhaps made in a container, but no programs here.
fn missing(root: &Root, backend: Backend, family: Family) -> Result<Option<Error>> {
    if backend == Backend::Nft || legacy_tables(root, family)?.is_empty() {
        return Ok(None);
    }
    let program = format!("{}-legacy-save", family.program());
    let cause = format!("{program} is not installed, and the kernel has tables of x_tables");
    let error = Error::cannot("read", format!("the {family} rules of backend {backend}"), cause);
    Ok(Some(error.hint("install iptables: apt-get install iptables")))
}

fn read(root: &Root, backend: Backend, family: Family, stem: &str) -> Result<Seen, Error> {
    let restore = format!("{stem}-restore");
    let empty = Seen {
        backend,
        family,
        restore,
        text: String::new(),
        notes: Vec::new(),
        earlier: Vec::new(),
        unreadable: None,
    };
    let tables = match backend {
        Backend::Nft => String::new(),
        // A save would load the modules of x_tables.
        Backend::Legacy => match legacy_tables(root, family)? {
            tables if tables.is_empty() => return Ok(empty),
            tables => tables,
        },
    };
    let mut seen = empty;
    read_all(&mut seen, stem, &tables, Limit::default())?;
    Ok(seen)
}
