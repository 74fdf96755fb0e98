//! Reads containerd's configuration: which settings of the CRI it has, and where they are set.
//!
//! Its tables moved in containerd 2.0, whose files have version 3; it still reads version 2, and so both forms are edited
//! where they are (containerd v2.1 docs/cri/config.md). A file without a version is of version 1, in which plugins have
//! short names; one that only disables plugins, as that of Docker's packages, gets a version.

use std::path::{Path, PathBuf};

use edge_host::{Error, Exit, Result};
use toml_edit::{Document, Item, TableLike};

/// The names of the CRI's plugins in `disabled_plugins`, in every version.
pub const CRI_PLUGINS: [&str; 4] =
    ["cri", "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime"];
const FULL_NAME: &str = "io.containerd.";
/// The runtime that is used if none is named.
const RUNC: &str = "runc";
/// Where containerd looks for hosts.toml, by its documentation.
pub const CERTS_D: &str = "/etc/containerd/certs.d";
const SOCKET: &str = "/run/containerd/containerd.sock";

/// The form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Version 2, of containerd 1.x.
    V2,
    /// Version 3, of containerd 2.x.
    V3,
}

/// A key path.
pub type Keys = Vec<String>;

fn keys(names: &[&str]) -> Keys {
    names.iter().map(|name| (*name).to_owned()).collect()
}

impl Form {
    /// Its version.
    pub fn version(self) -> i64 {
        match self {
            Form::V2 => 2,
            Form::V3 => 3,
        }
    }

    /// The form of new files of a major version of containerd.
    pub fn of_major(major: u32) -> Form {
        if major < 2 { Form::V2 } else { Form::V3 }
    }

    fn runtime_plugin(self) -> &'static str {
        match self {
            Form::V2 => "io.containerd.grpc.v1.cri",
            Form::V3 => "io.containerd.cri.v1.runtime",
        }
    }

    fn image_plugin(self) -> &'static str {
        match self {
            Form::V2 => "io.containerd.grpc.v1.cri",
            Form::V3 => "io.containerd.cri.v1.images",
        }
    }

    /// The image of the pause container.
    pub fn sandbox(self) -> Keys {
        match self {
            Form::V2 => keys(&["plugins", self.image_plugin(), "sandbox_image"]),
            Form::V3 => keys(&["plugins", self.image_plugin(), "pinned_images", "sandbox"]),
        }
    }

    /// A setting of the registries.
    pub fn registry(self, key: &str) -> Keys {
        keys(&["plugins", self.image_plugin(), "registry", key])
    }

    /// A setting of a runtime.
    pub fn runtime(self, name: &str, key: &[&str]) -> Keys {
        let table = ["plugins", self.runtime_plugin(), "containerd", "runtimes", name];
        keys(&[table.as_slice(), key].concat())
    }

    /// Where the default runtime is named.
    fn default_runtime(self) -> Keys {
        keys(&["plugins", self.runtime_plugin(), "containerd", "default_runtime_name"])
    }

    /// The directory of the CNI plugins.
    fn bin_dir(self) -> Keys {
        keys(&["plugins", self.runtime_plugin(), "cni", "bin_dir"])
    }
}

/// A setting and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting<T> {
    /// Its value.
    pub value: T,
    /// Its line, from 1.
    pub line: usize,
}

/// What a file sets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// Its version; none if it has none.
    pub version: Option<i64>,
    /// The line that disables the CRI.
    pub disabled: Option<usize>,
    /// Other names in `disabled_plugins` and `required_plugins`, or tables, that only version 1 has.
    pub short_names: Vec<String>,
    /// Files that it imports, as patterns.
    pub imports: Vec<String>,
    /// It has a table of the CRI.
    pub has_cri: bool,
    /// The default runtime.
    pub runtime: String,
    /// The type of that runtime, if it is set.
    pub runtime_type: Option<String>,
    /// Whether that runtime uses systemd's cgroups.
    pub systemd_cgroup: Option<Setting<bool>>,
    /// The image of the pause container.
    pub sandbox: Option<Setting<String>>,
    /// The directories of hosts.toml.
    pub registries: Option<Setting<String>>,
    /// The line of the mirrors or registry settings that cannot be combined with hosts.toml.
    pub old_registries: Option<usize>,
    /// The directory of the CNI plugins.
    pub bin_dir: Option<Setting<String>>,
    /// The socket, if it is set.
    pub socket: Option<String>,
}

impl Config {
    /// Reads a file. `major` decides for one without a version.
    ///
    /// Errors: the line that is not valid TOML.
    pub fn parse(text: &str, major: u32) -> std::result::Result<Config, usize> {
        let document =
            Document::parse(text).map_err(|error| line_at(text, error.span().map_or(0, |span| span.start)))?;
        let mut config = Config {
            version: item(&document, &["version"]).and_then(Item::as_integer),
            imports: strings(&document, "imports"),
            ..Config::default()
        };
        let form = config.form(major);
        let line = |item: &Item| line_at(text, item.span().map_or(0, |span| span.start));
        let disabled = strings(&document, "disabled_plugins");
        if disabled.iter().any(|name| CRI_PLUGINS.contains(&name.as_str())) {
            config.disabled = item(&document, &["disabled_plugins"]).map(line);
        }
        let plugins = item(&document, &["plugins"]).and_then(Item::as_table_like);
        let tables = plugins.into_iter().flat_map(TableLike::iter).map(|(name, _)| name.to_owned());
        let names =
            disabled.into_iter().chain(strings(&document, "required_plugins")).filter(|name| name != CRI_PLUGINS[0]);
        config.short_names = names.chain(tables).filter(|name| !name.starts_with(FULL_NAME)).collect();
        config.has_cri = plugins.is_some_and(|plugins| CRI_PLUGINS.iter().any(|name| plugins.contains_key(name)));
        let find = |keys: &Keys| item(&document, &keys.iter().map(String::as_str).collect::<Vec<_>>());
        let text_at = |keys: Keys| {
            let item = find(&keys)?;
            Some(Setting { value: item.as_str()?.to_owned(), line: line(item) })
        };
        config.runtime = text_at(form.default_runtime()).map_or_else(|| RUNC.to_owned(), |setting| setting.value);
        config.runtime_type = text_at(form.runtime(&config.runtime, &["runtime_type"])).map(|setting| setting.value);
        config.systemd_cgroup = find(&form.runtime(&config.runtime, &["options", "SystemdCgroup"]))
            .and_then(|item| Some(Setting { value: item.as_bool()?, line: line(item) }));
        config.sandbox = text_at(form.sandbox());
        config.registries = text_at(form.registry("config_path")).filter(|setting| !setting.value.is_empty());
        let old = ["mirrors", "configs"].map(|key| form.registry(key));
        let is_set = |item: &&Item| item.as_table_like().is_some_and(|table| !table.is_empty());
        config.old_registries = old.iter().find_map(|keys| find(keys).filter(is_set)).map(line);
        config.bin_dir = text_at(form.bin_dir());
        config.socket = item(&document, &["grpc", "address"]).and_then(Item::as_str).map(str::to_owned);
        Ok(config)
    }

    /// The form of the file.
    pub fn form(&self, major: u32) -> Form {
        match self.version {
            Some(3) => Form::V3,
            Some(_) => Form::V2,
            None => Form::of_major(major),
        }
    }

    /// The path of the socket.
    pub fn socket(&self) -> &str {
        let socket = self.socket.as_deref().filter(|socket| !socket.is_empty()).unwrap_or(SOCKET);
        socket.strip_prefix("unix://").unwrap_or(socket)
    }

    /// The cgroup driver.
    pub fn driver(&self) -> &'static str {
        if self.systemd_cgroup.as_ref().is_some_and(|setting| setting.value) { "systemd" } else { "cgroupfs" }
    }

    /// The first directory of hosts.toml.
    pub fn hosts_dir(&self) -> PathBuf {
        let first =
            self.registries.as_ref().and_then(|setting| setting.value.split(':').find(|dir| dir.starts_with('/')));
        PathBuf::from(first.unwrap_or(CERTS_D))
    }

    /// Why the file cannot be edited, and what to do.
    pub fn refuse(&self, path: &Path, major: u32) -> Result<()> {
        let refused =
            |cause: String, hint: &str| Err(Error::cannot("edit", path, cause).with_exit(Exit::Refused).hint(hint));
        let path = path.display();
        match self.version {
            Some(2 | 3) | None if !self.short_names.is_empty() => refused(
                format!("{:?} is a name of version 1 of the file", self.short_names[0]),
                &format!(
                    "containerd's defaults are enough for most nodes: mv {path} {path}.old; else write it in version 2"
                ),
            ),
            Some(3) if major < 2 => refused(
                format!("it has version 3, which containerd {major} does not read"),
                &format!("containerd's defaults are enough for most nodes: mv {path} {path}.old"),
            ),
            Some(2 | 3) | None => Ok(()),
            Some(version) => refused(
                format!("it has version {version}, expected 2 or 3"),
                &format!("containerd's defaults are enough for most nodes: mv {path} {path}.old"),
            ),
        }
    }
}

fn item<'d, S: AsRef<str>>(document: &'d Document<S>, path: &[&str]) -> Option<&'d Item> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(document.get(first)?, |item, key| item.as_table_like()?.get(key))
}

fn strings<S: AsRef<str>>(document: &Document<S>, key: &str) -> Vec<String> {
    let array = document.get(key).and_then(Item::as_array);
    array.into_iter().flatten().filter_map(|value| value.as_str().map(str::to_owned)).collect()
}

/// The line of a byte, from 1.
pub(crate) fn line_at(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}
