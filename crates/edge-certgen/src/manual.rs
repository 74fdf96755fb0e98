//! What the manual page says beyond `--help`.

use edge_host::manual::Manual;

/// Files, environment and related pages.
pub const MANUAL: Manual = Manual {
    section: 8,
    files: &[
        ("/etc/kubeedge/ca/", "streamCA.crt, rootCA.crt and rootCA.key"),
        ("/etc/kubeedge/certs/", "Certificates and keys of stream, server and edge"),
        ("/etc/kubeedge/config/cloudcore.yaml", "Read for the addresses of cloudcore"),
        ("NAME.old", "The private key before the one in use"),
    ],
    environment: &[
        ("CA_PATH", "The directory of --ca-dir, as for certgen.sh"),
        ("CERT_PATH", "The directory of --cert-dir, as for certgen.sh"),
        ("SUBJECT", "The subject of new certificates, as for certgen.sh"),
        ("KEY_TYPE, USE_PASSWORD", "Settings of certgen.sh that are refused where they ask for something else"),
    ],
    see_also: &["openssl(1)"],
};
