//! What a host has: the programs of each backend, and what each of them has saved.

use edge_host::{Cmd, Error, Result, Root, SEARCH_PATH};

use crate::backend::{Backend, Choice, Family, choose};
use crate::owned::Owned;
use crate::owner::{Name, Owner};
use crate::read::{Blank, Read, Seen, legacy_tables, read_one};
use crate::save::Save;
use crate::scope::Scope;

/// What iptables-nft says where the kernel is without nf_tables, and so without rules in it.
const NO_ENGINE: [&str; 2] = ["Protocol not supported", "generation id: Invalid argument"];
/// Chains that the kubelet makes for nothing but to mark the backend that it uses.
const KUBELET_MARKS: [&str; 2] = ["KUBE-IPTABLES-HINT", "KUBE-KUBELET-CANARY"];

fn has_no_engine(error: &Error) -> bool {
    error.output().is_some_and(|output| NO_ENGINE.iter().any(|said| output.stderr.contains(said)))
}

/// The rules of a host, as far as they were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firewall {
    /// One for each backend and family that has programs here.
    pub seen: Vec<Seen>,
    /// What could not be read, with the backend: a kernel may be without one of them.
    pub unusable: Vec<(Backend, Family, Error)>,
    default: Option<Backend>,
}

/// [`Seen`] with its rules: read once, as a large host prints megabytes of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View<'f> {
    /// Whose they are.
    pub seen: &'f Seen,
    /// The rules.
    pub save: Save<'f>,
}

impl Firewall {
    /// All that was read, taken apart.
    pub fn views(&self) -> Result<Vec<View<'_>>> {
        self.seen.iter().map(|seen| Ok(View { seen, save: seen.parse()? })).collect()
    }

    /// What was read elsewhere, and the backend that plain `iptables` stands for there.
    pub fn of(seen: Vec<Seen>, default: Option<Backend>) -> Firewall {
        Firewall { seen, unusable: Vec::new(), default }
    }

    /// Reads the rules of these families, of both backends.
    ///
    /// Runs one iptables-save for each family and backend, none for a backend in which the kernel
    /// has no table. Where that cannot show the table of `scope`, its chains are read one by one.
    /// Errors: exit 1 where a family cannot be read at all: no program, not root.
    pub fn read(root: &Root, families: &[Family], scope: &Scope) -> Result<Firewall> {
        let mut firewall = Firewall::of(Vec::new(), default_backend(root)?);
        firewall.read_others(root, families, scope)?;
        for &family in families {
            if !firewall.seen.iter().any(|seen| seen.family == family) {
                return Err(firewall.none(family));
            }
        }
        Ok(firewall)
    }

    /// The same of all families that this host has programs for; nothing is seen where it has none.
    ///
    /// Errors: exit 1 where there are programs and none of them can read.
    pub fn read_any(root: &Root, scope: &Scope) -> Result<Firewall> {
        let mut firewall = Firewall::of(Vec::new(), default_backend(root)?);
        firewall.read_others(root, &Family::ALL, scope)?;
        match firewall.unusable.first() {
            Some((_, _, error)) if firewall.seen.is_empty() => Err(error.clone()),
            _ => Ok(firewall),
        }
    }

    /// Reads other families too, as far as this host has programs for them.
    pub fn read_others(&mut self, root: &Root, families: &[Family], scope: &Scope) -> Result<()> {
        for &family in families {
            for backend in Backend::ALL {
                let Some(stem) = stem(backend, family, self.default) else { continue };
                let is_only = self.default == Some(backend) && legacy_tables(root, family)?.is_empty();
                let blank = if is_only { Blank::Odd } else { Blank::Usual };
                match read_one(root, backend, family, &stem, scope, blank)? {
                    Read::Rules(seen) => self.seen.push(seen),
                    // What the host itself uses is never taken for empty.
                    Read::Failed(error) if self.default == Some(backend) => return Err(error),
                    Read::Failed(error) => self.unusable.push((backend, family, error)),
                }
            }
        }
        Ok(())
    }

    /// Fails where a table that was asked for cannot be read: exit 4.
    pub fn readable(&self) -> Result<()> {
        self.seen.iter().find_map(|seen| seen.unreadable.clone()).map_or(Ok(()), Err)
    }

    /// The same, and where an engine that the kernel has cannot be read at all: it may hold rules.
    pub fn all_readable(&self) -> Result<()> {
        self.readable()?;
        match self.unusable.iter().find(|(_, _, error)| !has_no_engine(error)) {
            Some((backend, family, error)) => Err(Error::refused(format!(
                "cannot tell what rules the backend {backend} has for {family}: {}",
                error.message()
            ))),
            None => Ok(()),
        }
    }

    /// What is not shown of what was read, for people.
    pub fn notes(&self) -> impl Iterator<Item = &str> {
        self.seen.iter().flat_map(|seen| &seen.notes).map(String::as_str)
    }

    /// Why a family cannot be used at all.
    fn none(&self, family: Family) -> Error {
        let failed = self.unusable.iter().find(|(_, other, _)| *other == family);
        failed.map_or_else(
            || {
                let program = family.program();
                Error::failed(format!("cannot find the program {program}-save in {SEARCH_PATH}"))
                    .hint("install iptables (Debian, Ubuntu: apt-get install iptables) and run again")
            },
            |(_, _, error)| error.clone(),
        )
    }

    /// What one backend has for one family.
    pub fn get(&self, backend: Backend, family: Family) -> Option<&Seen> {
        self.seen.iter().find(|seen| seen.backend == backend && seen.family == family)
    }

    /// The backend that an owner's rules of a family belong in, see [`choose`].
    pub fn choose(&self, views: &[View<'_>], family: Family, table: &str, owner: &Owner) -> Result<Backend> {
        let marks = KUBELET_MARKS.map(|mark| Name::Exactly(mark.to_owned())).to_vec();
        let kubelet = Owner { chains: marks, ..Owner::default() };
        let mut choices = Vec::new();
        for View { seen, save } in views.iter().filter(|view| view.seen.family == family) {
            choices.push(Choice {
                backend: seen.backend,
                has_own: !Owned::of(save.table(table), owner).same(&Owned::default()),
                is_populated: save.is_populated(),
                has_kubelet: save.tables.iter().flat_map(|table| table.chains()).any(|c| kubelet.owns_chain(c.name)),
            });
        }
        choose(&choices, self.default).ok_or_else(|| self.none(family))
    }

    /// The backend that the user named, if it can be used here.
    pub fn named(&self, backend: Backend, family: Family) -> Result<Backend> {
        if self.get(backend, family).is_some() {
            return Ok(backend);
        }
        let failed = self.unusable.iter().find(|(b, f, _)| (*b, *f) == (backend, family));
        Err(failed.map_or_else(
            || {
                let program = family.program();
                Error::failed(format!("cannot use --backend {backend}: {program}-{backend}-save is not on this host"))
                    .hint("without --backend, the one that the host uses is found")
            },
            |(_, _, error)| error.clone(),
        ))
    }
}

/// What the names of a backend's programs begin with: `iptables-nft`, or plain `iptables` on hosts
/// that have only one backend and do not say which.
fn stem(backend: Backend, family: Family, default: Option<Backend>) -> Option<String> {
    let program = family.program();
    let named = format!("{program}-{backend}");
    if is_there(&named) {
        return Some(named);
    }
    (default == Some(backend) && is_there(program)).then(|| program.to_owned())
}

fn is_there(stem: &str) -> bool {
    ["save", "restore"].iter().all(|verb| which::which_in(format!("{stem}-{verb}"), Some(SEARCH_PATH), "/").is_ok())
}

/// The backend that plain `iptables` stands for: told by the file that its links lead to, as
/// Debian's alternatives do, else by what it says of itself.
fn default_backend(root: &Root) -> Result<Option<Backend>> {
    let Ok(program) = which::which_in(Family::V4.program(), Some(SEARCH_PATH), "/") else { return Ok(None) };
    let file = root.canonical(&program)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if let Some(backend) = Backend::ALL.into_iter().find(|backend| name.contains(&backend.to_string())) {
        return Ok(Some(backend));
    }
    let said = Cmd::find(Family::V4.program())?.arg("-V").run()?.stdout;
    // Versions before 1.8 know one backend and do not name it.
    Ok(Some(if said.contains("nf_tables") { Backend::Nft } else { Backend::Legacy }))
}
