//! The backends of a host: their programs, and the rules in each of them.

use edge_host::{Cmd, Error, Exit, Result, Root, SEARCH_PATH};

use crate::backend::{Backend, Choice, Family, choose};
use crate::earlier::add_earlier;
use crate::limit::Limit;
use crate::owned::Owned;
use crate::owner::{Name, Owner};
use crate::read::{Read, Seen, read_one};
use crate::save::Save;
use crate::scope::Scope;

/// Messages of iptables-nft on a kernel without nf_tables, which therefore has no rules in it.
const NO_BACKEND: [&str; 2] = ["Protocol not supported", "generation id: Invalid argument"];
/// Chains that the kubelet makes only to mark the backend that it uses.
const KUBELET_MARKS: [&str; 2] = ["KUBE-IPTABLES-HINT", "KUBE-KUBELET-CANARY"];

pub(crate) fn has_no_backend(error: &Error) -> bool {
    error.output().is_some_and(|output| NO_BACKEND.iter().any(|message| output.stderr.contains(message)))
}

/// The rules of a host in a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firewall {
    /// One for each backend and family with programs on this host.
    pub seen: Vec<Seen>,
    /// Backends that could not be read: a kernel may lack one of them.
    pub unusable: Vec<(Backend, Family, Error)>,
    default: Option<Backend>,
}

/// [`Seen`] with its rules: parsed once, as a large host has megabytes of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View<'f> {
    /// The backend and family.
    pub seen: &'f Seen,
    /// The rules.
    pub save: Save<'f>,
}

impl Firewall {
    /// Everything that was read, parsed.
    pub fn views(&self) -> Result<Vec<View<'_>>> {
        self.seen.iter().map(|seen| Ok(View { seen, save: seen.parse()? })).collect()
    }

    /// Rules that were read elsewhere, and the backend that plain `iptables` uses there.
    pub fn of(seen: Vec<Seen>, default: Option<Backend>) -> Firewall {
        Firewall { seen, unusable: Vec::new(), default }
    }

    /// Reads the rules of these families in both backends.
    ///
    /// Of nf_tables only the chains of `scope` are read, and of x_tables nothing without a table in the kernel.
    ///
    /// Errors: exit 1 if a family cannot be read at all: no program, not root.
    pub fn read(root: &Root, families: &[Family], scope: &Scope) -> Result<Firewall> {
        let mut firewall = Firewall::of(Vec::new(), default_backend(root, scope.limit)?);
        firewall.read_others(root, families, scope)?;
        for &family in families {
            if !firewall.seen.iter().any(|seen| seen.family == family) {
                return Err(firewall.none(family));
            }
        }
        Ok(firewall)
    }

    /// Reads the rules of all families that this host has programs for, of none if it has none; and the chains of nft
    /// that come before those of iptables.
    ///
    /// Errors: exit 1 if there are programs and none of them can read.
    pub fn read_any(root: &Root, scope: &Scope) -> Result<Firewall> {
        let mut firewall = Firewall::of(Vec::new(), default_backend(root, scope.limit)?);
        firewall.read_others(root, &Family::ALL, scope)?;
        add_earlier(&mut firewall.seen, scope.limit);
        scope.limit.check()?;
        match firewall.unusable.first() {
            Some((_, _, error)) if firewall.seen.is_empty() => Err(error.clone()),
            _ => Ok(firewall),
        }
    }

    /// Reads more families, if this host has programs for them.
    pub fn read_others(&mut self, root: &Root, families: &[Family], scope: &Scope) -> Result<()> {
        for &family in families {
            for backend in Backend::ALL {
                scope.limit.check()?;
                let Some(stem) = stem(backend, family, self.default) else { continue };
                match read_one(root, backend, family, &stem, scope)? {
                    Read::Rules(seen) => self.seen.push(seen),
                    // The backend that the host uses is never assumed to be empty.
                    Read::Failed(error) if self.default == Some(backend) => return Err(error),
                    Read::Failed(error) => self.unusable.push((backend, family, error)),
                }
            }
            self.read_users(family, scope)?;
        }
        Ok(())
    }

    /// Reads more of nf_tables if only that tells which backend the host uses, see [`choose`].
    fn read_users(&mut self, family: Family, scope: &Scope) -> Result<()> {
        let Some(legacy) = self.get(Backend::Legacy, family) else { return Ok(()) };
        // Most often the declarations tell, so that a large table is not parsed once more.
        if legacy.declares(&scope.table, &scope.owner) {
            return Ok(());
        }
        let legacy = legacy.parse()?;
        let has_own = |save: &Save<'_>| !Owned::of(save.table(&scope.table), &scope.owner).same(&Owned::default());
        let is_open = !has_own(&legacy) && (legacy.is_populated() || self.default == Some(Backend::Legacy));
        let nft = self.seen.iter_mut().find(|seen| seen.backend == Backend::Nft && seen.family == family);
        let Some(nft) = nft.filter(|nft| is_open && nft.unreadable.is_none()) else { return Ok(()) };
        if has_own(&nft.parse()?) { Ok(()) } else { nft.add_users(scope, &KUBELET_MARKS) }
    }

    /// Errors: exit 4 if a chain of the scope that has no rules is not one that iptables can add to, as native nft rules
    /// have another chain with its name.
    pub fn can_add(&self, scope: &Scope) -> Result<()> {
        for seen in self.seen.iter().filter(|seen| seen.backend == Backend::Nft && seen.unreadable.is_none()) {
            let save = seen.parse()?;
            let has_rules = |chain: &&String| {
                save.table(&scope.table).is_some_and(|table| table.rules().any(|rule| rule.chain == **chain))
            };
            let empty: Vec<String> = scope.chains.iter().filter(|chain| !has_rules(chain)).cloned().collect();
            seen.reader(scope).check(&empty)?;
        }
        Ok(())
    }

    /// Why rules of a backend that the kernel has cannot be read.
    pub fn unreadable(&self) -> impl Iterator<Item = &Error> {
        let failed = self.unusable.iter().map(|(_, _, error)| error).filter(|error| !has_no_backend(error));
        self.seen.iter().filter_map(|seen| seen.unreadable.as_ref()).chain(failed)
    }

    /// Why rules of a family in a backend that the kernel has cannot be read.
    pub fn unusable_of(&self, family: Family) -> Option<&Error> {
        let mut failed = self.unusable.iter().filter(|(_, of, error)| *of == family && !has_no_backend(error));
        failed.next().map(|(_, _, error)| error)
    }

    /// Errors: exit 4 if a table in the scope cannot be read.
    pub fn readable(&self) -> Result<()> {
        self.seen.iter().find_map(|seen| seen.unreadable.clone()).map_or(Ok(()), Err)
    }

    /// Errors: also exit 4 if a backend that the kernel has cannot be read, as it may contain rules.
    pub fn all_readable(&self) -> Result<()> {
        self.readable()?;
        match self.unusable.iter().find(|(_, _, error)| !has_no_backend(error)) {
            Some((backend, family, error)) => {
                let object = format!("the {family} rules of backend {backend}");
                Err(Error::cannot("read", object, error.message()).with_exit(Exit::Refused))
            }
            None => Ok(()),
        }
    }

    /// Notes about rules that iptables does not show.
    pub fn notes(&self) -> impl Iterator<Item = &str> {
        self.seen.iter().flat_map(|seen| &seen.notes).map(String::as_str)
    }

    /// Why a family cannot be used.
    fn none(&self, family: Family) -> Error {
        let failed = self.unusable.iter().find(|(_, other, _)| *other == family);
        failed.map_or_else(
            || {
                let program = family.program();
                Error::failed(format!("cannot find the program {program}-save in {SEARCH_PATH}"))
                    .hint("install iptables: apt-get install iptables")
            },
            |(_, _, error)| error.clone(),
        )
    }

    /// The rules of one backend and family.
    pub fn get(&self, backend: Backend, family: Family) -> Option<&Seen> {
        self.seen.iter().find(|seen| seen.backend == backend && seen.family == family)
    }

    /// The backend for an owner's rules of a family, see [`choose`].
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

    /// The backend that the user named, if this host has it.
    pub fn named(&self, backend: Backend, family: Family) -> Result<Backend> {
        if self.get(backend, family).is_some() {
            return Ok(backend);
        }
        let failed = self.unusable.iter().find(|(b, f, _)| (*b, *f) == (backend, family));
        Err(failed.map_or_else(
            || {
                let program = family.program();
                Error::failed(format!("cannot use --backend {backend}: {program}-{backend}-save is not installed"))
                    .hint("omit --backend to use the backend of this host")
            },
            |(_, _, error)| error.clone(),
        ))
    }
}

/// The prefix of the names of a backend's programs: `iptables-nft`, or plain `iptables` on hosts with one backend.
pub(crate) fn stem(backend: Backend, family: Family, default: Option<Backend>) -> Option<String> {
    let program = family.program();
    let named = format!("{program}-{backend}");
    if is_installed(&named, backend) {
        return Some(named);
    }
    (default == Some(backend) && is_installed(program, backend)).then(|| program.to_owned())
}

/// Chains of nf_tables are read with the program without a suffix.
fn is_installed(stem: &str, backend: Backend) -> bool {
    let ends: &[&str] = if backend == Backend::Nft { &["", "-save", "-restore"] } else { &["-save", "-restore"] };
    ends.iter().all(|end| which::which_in(format!("{stem}{end}"), Some(SEARCH_PATH), "/").is_ok())
}

/// The backend that plain `iptables` uses: by the target of its links, as with Debian's alternatives, or by its version.
pub(crate) fn default_backend(root: &Root, limit: Limit) -> Result<Option<Backend>> {
    let Ok(program) = which::which_in(Family::V4.program(), Some(SEARCH_PATH), "/") else { return Ok(None) };
    let file = root.canonical(&program)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if let Some(backend) = Backend::ALL.into_iter().find(|backend| name.contains(&backend.to_string())) {
        return Ok(Some(backend));
    }
    let version = limit.on(Cmd::find(Family::V4.program())?.arg("-V")).run()?.stdout;
    // Versions before 1.8 have only the legacy backend and do not name it.
    Ok(Some(if version.contains("nf_tables") { Backend::Nft } else { Backend::Legacy }))
}
