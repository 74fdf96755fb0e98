//! The parts of the manual page that `--help` does not have.

use edge_host::manual::Manual;

/// Files, environment and related pages.
pub const MANUAL: Manual = Manual {
    section: 8,
    files: &[
        ("/etc/kubeedge/ca/", "streamCA.crt, rootCA.crt and rootCA.key"),
        ("/etc/kubeedge/certs/", "Certificates and private keys of stream, server and edge"),
        ("/etc/kubeedge/config/cloudcore.yaml", "The addresses and names that cloudcore advertises"),
        ("/etc/kubeedge/config/edgecore.yaml", "The address and name of an edge node on this host"),
        ("/etc/kubernetes/manifests/kube-apiserver.yaml", "Whether the apiserver checks the certificates of nodes"),
        ("NAME.old", "The previous private key"),
    ],
    environment: &[
        ("CA_PATH", "The directory of --ca-dir, as for certgen.sh"),
        ("CERT_PATH", "The directory of --cert-dir, as for certgen.sh"),
        ("SUBJECT", "The subject of new certificates, as for certgen.sh"),
        ("KEY_TYPE, USE_PASSWORD", "As for certgen.sh; values other than ec and false are refused"),
    ],
    see_also: &["openssl(1)"],
};
