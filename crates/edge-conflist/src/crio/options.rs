//! Reads the settings that crio.service gives CRI-O on its command line and in its environment.
//!
//! An option takes precedence over its variable, and both over CRI-O's files (urfave/cli of cri-o
//! `internal/criocli/criocli.go`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use edge_host::{Result, Root};
use edge_systemd::{Scope, Units, Variable, Word};

use super::{DIR, MAIN, Setting, UNIT};

/// How an option is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `--name VALUE` or `--name=VALUE`.
    Text,
    /// The same, repeated or separated by commas.
    List,
    /// `--name` or `--name=false`.
    Flag,
}

/// Key in the files (empty for the names of the files themselves), option, its short form, and variable.
const TABLE: [(&str, &str, &str, &str, Form); 32] = [
    (CONFIG, "config", "c", "CONTAINER_CONFIG", Form::Text),
    (CONFIG_DIR, "config-dir", "d", "CONTAINER_CONFIG_DIR", Form::Text),
    ("crio.root", "root", "r", "CONTAINER_ROOT", Form::Text),
    ("crio.runroot", "runroot", "", "CONTAINER_RUNROOT", Form::Text),
    ("crio.storage_driver", "storage-driver", "s", "CONTAINER_STORAGE_DRIVER", Form::Text),
    ("crio.storage_option", "storage-opt", "", "CONTAINER_STORAGE_OPT", Form::List),
    ("crio.log_dir", "log-dir", "", "CONTAINER_LOG_DIR", Form::Text),
    ("crio.version_file", "version-file", "", "CONTAINER_VERSION_FILE", Form::Text),
    ("crio.version_file_persist", "version-file-persist", "", "CONTAINER_VERSION_FILE_PERSIST", Form::Text),
    ("crio.internal_wipe", "internal-wipe", "", "CONTAINER_INTERNAL_WIPE", Form::Flag),
    ("crio.api.listen", "listen", "", "CONTAINER_LISTEN", Form::Text),
    ("crio.api.stream_idle_timeout", "stream-idle-timeout", "", "STREAM_IDLE_TIMEOUT", Form::Text),
    ("crio.api.tls_min_version", "tls-min-version", "", "CONTAINER_TLS_MIN_VERSION", Form::Text),
    ("crio.runtime.log_level", "log-level", "l", "CONTAINER_LOG_LEVEL", Form::Text),
    ("crio.runtime.log_size_max", "log-size-max", "", "CONTAINER_LOG_SIZE_MAX", Form::Text),
    ("crio.image.image_volumes", "image-volumes", "", "CONTAINER_IMAGE_VOLUMES", Form::Text),
    ("crio.image.short_name_mode", "short-name-mode", "", "CONTAINER_SHORT_NAME_MODE", Form::Text),
    ("crio.runtime.cgroup_manager", "cgroup-manager", "", "CONTAINER_CGROUP_MANAGER", Form::Text),
    ("crio.runtime.conmon", "conmon", "", "CONTAINER_CONMON", Form::Text),
    ("crio.runtime.conmon_cgroup", "conmon-cgroup", "", "CONTAINER_CONMON_CGROUP", Form::Text),
    ("crio.runtime.default_runtime", "default-runtime", "", "CONTAINER_DEFAULT_RUNTIME", Form::Text),
    ("crio.runtime.container_exits_dir", "container-exits-dir", "", "CONTAINER_EXITS_DIR", Form::Text),
    (
        "crio.runtime.container_attach_socket_dir",
        "container-attach-socket-dir",
        "",
        "CONTAINER_ATTACH_SOCKET_DIR",
        Form::Text,
    ),
    ("crio.runtime.namespaces_dir", "namespaces-dir", "", "CONTAINER_NAMESPACES_DIR", Form::Text),
    ("crio.runtime.pinns_path", "pinns-path", "", "CONTAINER_PINNS_PATH", Form::Text),
    ("crio.runtime.seccomp_profile", "seccomp-profile", "", "CONTAINER_SECCOMP_PROFILE", Form::Text),
    ("crio.runtime.hooks_dir", "hooks-dir", "", "CONTAINER_HOOKS_DIR", Form::List),
    ("crio.image.pause_image", "pause-image", "", "CONTAINER_PAUSE_IMAGE", Form::Text),
    ("crio.image.signature_policy", "signature-policy", "", "CONTAINER_SIGNATURE_POLICY", Form::Text),
    ("crio.network.cni_default_network", "cni-default-network", "", "CONTAINER_CNI_DEFAULT_NETWORK", Form::Text),
    ("crio.network.network_dir", "cni-config-dir", "", "CONTAINER_CNI_CONFIG_DIR", Form::Text),
    ("crio.network.plugin_dirs", "cni-plugin-dir", "", "CONTAINER_CNI_PLUGIN_DIR", Form::List),
];
const CONFIG: &str = "config";
const CONFIG_DIR: &str = "config_dir";
/// systemd's search path for services of the system.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The settings of the unit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    all: BTreeMap<&'static str, Setting<Vec<String>>>,
    path: Option<String>,
    /// The program that the unit starts.
    pub program: Option<Setting>,
    /// The file that containers-storage reads instead of storage.conf.
    pub storage_conf: Option<PathBuf>,
    /// Why there may be further options: `cannot read /etc/systemd/system/crio.service.d/x.conf`.
    pub problem: Option<String>,
}

impl Options {
    /// Reads the unit as systemd would start it now. Without a unit there are none; what cannot be read is
    /// [`Options::problem`].
    pub fn read(root: &Root) -> Options {
        Options::try_read(root)
            .unwrap_or_else(|error| Options { problem: Some(error.to_string()), ..Options::default() })
    }

    fn try_read(root: &Root) -> Result<Options> {
        let units = Units::read(root, Scope::Now)?;
        let settings = units.settings(&units.find(UNIT)?)?;
        let environment = settings.whole_environment(root)?;
        let mut options = Options::of(&environment, &settings.exec_start_words(&environment));
        options.problem = settings.unread().first().map(|path| format!("cannot read {}", root.display(path).display()));
        Ok(options)
    }

    /// The settings of one unit file, by its text.
    pub fn of_unit(path: &Path, text: &str) -> Options {
        let mut settings = edge_systemd::Settings::new(UNIT);
        settings.add(path, text.as_bytes());
        let environment = settings.environment();
        Options::of(&environment, &settings.exec_start_words(&environment))
    }

    fn of(environment: &[Variable], words: &[Word]) -> Options {
        let mut options = Options::default();
        for one in environment {
            match one.name.as_str() {
                "PATH" => options.path = Some(one.value.clone()),
                "CONTAINERS_STORAGE_CONF" if !one.value.is_empty() => {
                    options.storage_conf = Some(Path::new("/").join(&one.value));
                }
                _ => {}
            }
            let row = TABLE.iter().find(|row| row.3 == one.name && !one.value.is_empty());
            if let Some((key, .., form)) = row {
                options.set(key, *form, &one.value, &one.file, one.line);
            }
        }
        options.program =
            words.first().map(|word| Setting { value: word.text.clone(), file: word.file.clone(), line: word.line });
        let mut given = Options::default();
        for (index, word) in words.iter().enumerate() {
            let Some(name) = word.text.strip_prefix("--").or_else(|| word.text.strip_prefix('-')) else { continue };
            let (name, value) = name.split_once('=').map_or((name, None), |(name, value)| (name, Some(value)));
            let Some((key, .., form)) = TABLE.iter().find(|row| row.1 == name || (row.2 == name && !name.is_empty()))
            else {
                continue;
            };
            let value = match (value, form) {
                (Some(value), _) => Some(value),
                (None, Form::Flag) => Some("true"),
                (None, _) => words.get(index + 1).map(|next| next.text.as_str()),
            };
            if let Some(value) = value {
                given.set(key, *form, value, &word.file, word.line);
            }
        }
        options.all.extend(given.all);
        options
    }

    fn set(&mut self, key: &'static str, form: Form, value: &str, file: &Path, line: usize) {
        let earlier = self.all.remove(key).map(|setting| setting.value).unwrap_or_default();
        let value = match form {
            Form::List => earlier.into_iter().chain(value.split(',').map(|part| part.trim().to_owned())).collect(),
            Form::Text | Form::Flag => vec![value.to_owned()],
        };
        self.all.insert(key, Setting { value, file: file.to_path_buf(), line });
    }

    /// All of them that are keys of CRI-O's files, as lists.
    pub fn keys(&self) -> impl Iterator<Item = (&'static str, &Setting<Vec<String>>)> {
        self.all.iter().map(|(key, setting)| (*key, setting)).filter(|(key, _)| key.starts_with("crio."))
    }

    /// The value of a key that is not a list.
    pub fn text(&self, key: &str) -> Option<Setting> {
        let Setting { value, file, line } = self.all.get(key)?;
        Some(Setting { value: value.first()?.clone(), file: file.clone(), line: *line })
    }

    /// The value of a key with a list.
    pub fn list(&self, key: &str) -> Option<&Setting<Vec<String>>> {
        self.all.get(key)
    }

    /// The option that names the main file, if there is one: CRI-O does not start without that file.
    pub fn main_option(&self) -> Option<Setting> {
        self.text(CONFIG)
    }

    /// The option that names the directory of drop-ins, if there is one.
    pub fn dir_option(&self) -> Option<Setting> {
        self.text(CONFIG_DIR)
    }

    /// The main file; none if the option is empty.
    pub fn main_file(&self) -> Option<PathBuf> {
        named(self.main_option(), MAIN)
    }

    /// The directory of drop-ins; none if the option is empty.
    pub fn dropin_dir(&self) -> Option<PathBuf> {
        named(self.dir_option(), DIR)
    }

    /// The directories that CRI-O looks for programs in.
    pub fn program_dirs(&self) -> impl Iterator<Item = &Path> {
        self.path.as_deref().unwrap_or(PATH).split(':').filter(|dir| dir.starts_with('/')).map(Path::new)
    }
}

/// A relative path is below the directory that systemd starts CRI-O in.
fn named(option: Option<Setting>, default: &str) -> Option<PathBuf> {
    match option {
        None => Some(PathBuf::from(default)),
        Some(Setting { value, .. }) => (!value.is_empty()).then(|| Path::new("/").join(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_take_precedence_over_variables() {
        let unit = "[Service]\nEnvironment=CONTAINER_LISTEN=/e O='--listen=/o -c /x'\nEnvironment=CONTAINER_CONMON=/c\n\
                    ExecStart=/usr/bin/crio --log-level debug $O --hooks-dir /a,/b -hooks-dir=/c --internal-wipe=false\n";
        let of = Options::of_unit(Path::new("/u"), unit);
        let shown: Vec<String> =
            of.all.iter().map(|(key, one)| format!("{key}={}:{}", one.value.join(","), one.line)).collect();
        assert_eq!(
            shown,
            [
                "config=/x:2",
                "crio.api.listen=/o:2",
                "crio.internal_wipe=false:4",
                "crio.runtime.conmon=/c:3",
                "crio.runtime.hooks_dir=/a,/b,/c:4",
                "crio.runtime.log_level=debug:4"
            ]
        );
        assert_eq!((of.main_file(), of.dropin_dir()), (Some("/x".into()), Some(DIR.into())));
    }

    #[test]
    fn options_without_a_value_are_ignored() {
        let of = Options::of_unit(
            Path::new("/u"),
            "[Service]\nEnvironment=CONTAINER_LISTEN= PATH=/opt/bin:x\nExecStart=/usr/bin/crio --listen\n",
        );
        assert!(of.all.is_empty(), "{of:?}");
        assert_eq!(of.program_dirs().collect::<Vec<_>>(), [Path::new("/opt/bin")]);
        let of =
            Options::of_unit(Path::new("/u"), "[Service]\nExecStart=/usr/bin/crio --config= --internal-wipe -d d\n");
        assert_eq!((of.main_file(), of.dropin_dir()), (None, Some("/d".into())));
        assert_eq!(of.text("crio.internal_wipe").unwrap().value, "true");
    }
}
