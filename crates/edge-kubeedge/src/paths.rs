//! Default paths of KubeEdge's files, in every version unless noted.
//!
//! From the defaults of its configuration (`pkg/apis/componentconfig`), keadm (`common/constants`) and certgen.sh.

/// KubeEdge's directory.
pub const ETC: &str = "/etc/kubeedge";
/// edgecore.yaml and cloudcore.yaml.
pub const CONFIG_DIR: &str = "/etc/kubeedge/config";
/// edgecore.yaml, where keadm writes it.
pub const EDGECORE_YAML: &str = "/etc/kubeedge/config/edgecore.yaml";
/// cloudcore.yaml, where keadm writes it.
pub const CLOUDCORE_YAML: &str = "/etc/kubeedge/config/cloudcore.yaml";
/// The certificates of rootCA and streamCA.
pub const CA_DIR: &str = "/etc/kubeedge/ca";
/// The certificates signed by them, with their keys.
pub const CERT_DIR: &str = "/etc/kubeedge/certs";
/// Where edgecore and cloudcore are installed, newest convention first; keadm 1.4 used /etc/kubeedge.
pub const PROGRAM_DIRS: [&str; 3] = ["/usr/local/bin", "/usr/bin", ETC];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Table;
    use crate::{Kind, Minor};

    #[test]
    fn paths_are_those_that_the_key_table_has_as_defaults() {
        assert_eq!(Kind::EdgeCore.config_path().to_str(), Some(EDGECORE_YAML));
        assert_eq!(Kind::CloudCore.config_path().to_str(), Some(CLOUDCORE_YAML));
        let table = Table::of(Kind::CloudCore);
        for minor in Table::OLDEST.number()..=table.newest().number() {
            let default = |key: &str| {
                let key = table.key(&format!("modules.cloudStream.{key}"), Minor::new(minor)).unwrap();
                key.default_in(Minor::new(minor)).unwrap().yaml
            };
            assert_eq!(default("tlsStreamCAFile"), format!("{CA_DIR}/streamCA.crt"));
            assert_eq!(default("tlsStreamCertFile"), format!("{CERT_DIR}/stream.crt"));
        }
    }
}
