//! A host with a cluster's CA, an admin.conf and a user, made by openssl.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::PathBuf;

use edgeutils_tests::pki::{Pki, shell};
use edgeutils_tests::tool::{Ran, Tool};
use edgeutils_tests::tree::Tree;

pub(crate) const CONFIG: &str = "home/ubuntu/.kube/config";
pub(crate) const ADMIN: &str = "etc/kubernetes/admin.conf";
pub(crate) const SERVER: &str = "https://192.0.2.1:6443";

/// The host, its user, and what its cluster is made of.
pub(crate) struct Site {
    pub(crate) tree: Tree,
    pub(crate) pki: Pki,
    pub(crate) owner: (u32, u32),
}

impl Site {
    /// With an admin.conf that is valid for a year.
    pub(crate) fn new() -> Site {
        let (tree, owner) = tree(None);
        let site = Site { tree, pki: Pki::usual("ca"), owner };
        site.tree.write(ADMIN, site.admin("ca", "admin", 365));
        site
    }

    /// A kubeconfig as kubeadm makes it, with a new client certificate of the CA `ca` that is valid for `days`.
    pub(crate) fn admin(&self, ca: &str, name: &str, days: i32) -> String {
        let at = |file: &str| self.pki.at(file);
        let (key, csr, crt) = (at(&format!("{name}.key")), at(&format!("{name}.csr")), at(&format!("{name}.crt")));
        shell(&format!("openssl ecparam -name prime256v1 -genkey -noout -out {key}"));
        shell(&format!("openssl req -new -key {key} -out {csr} -subj /O=kubeadm:cluster-admins/CN=kubernetes-admin"));
        // `openssl x509` of Debian 12 makes no certificate that has expired.
        let (ca_crt, ca_key) = (at(&format!("{ca}.crt")), at(&format!("{ca}.key")));
        let dir = at("signing");
        fs::create_dir_all(&dir).unwrap();
        fs::write(format!("{dir}/index.txt"), "").unwrap();
        let end = shell(&format!("date -u -d '{days} days' +%y%m%d%H%M%SZ"));
        fs::write(
            format!("{dir}/ca.cnf"),
            format!("[ca]\ndefault_ca=d\n[d]\ndir={dir}\ndatabase=$dir/index.txt\nnew_certs_dir=$dir\nrand_serial=yes\ndefault_md=sha256\npolicy=p\nunique_subject=no\n[p]\norganizationName=optional\ncommonName=supplied\n"),
        )
        .unwrap();
        shell(&format!(
            "openssl ca -batch -notext -config {dir}/ca.cnf -cert {ca_crt} -keyfile {ca_key} -in {csr} -out {crt} -startdate 20200101000000Z -enddate {} 2>/dev/null",
            end.trim()
        ));
        let base64 = |file: &str| shell(&format!("base64 -w0 {file}"));
        format!(
            "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: {}\n    server: {SERVER}\n  name: kubernetes\ncontexts:\n- context:\n    cluster: kubernetes\n    user: kubernetes-admin\n  name: kubernetes-admin@kubernetes\ncurrent-context: kubernetes-admin@kubernetes\nkind: Config\nusers:\n- name: kubernetes-admin\n  user:\n    client-certificate-data: {}\n    client-key-data: {}\n",
            base64(&ca_crt),
            base64(&crt),
            base64(&key)
        )
    }

    pub(crate) fn run(&self, args: &str) -> Ran {
        Tool::new("edge-token").arg("--root").arg(self.tree.path()).args(args.split(' ')).run()
    }

    /// Gives the user a kubeconfig.
    pub(crate) fn own(&self, text: &str) {
        own(&self.tree, self.owner, text);
    }

    /// Owner, group and mode.
    pub(crate) fn rights(&self, path: &str) -> (u32, u32, u32) {
        let meta = fs::metadata(self.tree.at(path)).unwrap();
        (meta.uid(), meta.gid(), meta.permissions().mode() & 0o7777)
    }

    /// Every file below the journal.
    pub(crate) fn journal(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let dir = self.tree.at("var/lib/edgeutils/journal");
        let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
        files.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    }
}

/// A host with a user who is not the caller, if the caller may give files away; and that user's number and group.
pub(crate) fn tree(config: Option<&str>) -> (Tree, (u32, u32)) {
    let tree = Tree::new();
    let caller = fs::metadata(tree.path()).unwrap();
    let owner = if caller.uid() == 0 { (1234, 2345) } else { (caller.uid(), caller.gid()) };
    let user = format!("ubuntu:x:{}:{}::/home/ubuntu:/bin/sh", owner.0, owner.1);
    tree.write("etc/passwd", format!("root:x:0:0::/root:/bin/sh\n{user}\nlost:x:7:7::/lost:/bin/sh\n"));
    fs::create_dir_all(tree.at("home/ubuntu")).unwrap();
    // What is in it keeps the directory of the journal from being a difference.
    tree.write("var/lib/dpkg/status", "");
    chown(tree.at("home/ubuntu"), Some(owner.0), Some(owner.1)).unwrap();
    if let Some(config) = config {
        own(&tree, owner, config);
    }
    (tree, owner)
}

fn own(tree: &Tree, owner: (u32, u32), text: &str) {
    tree.write(CONFIG, text);
    for path in ["home/ubuntu/.kube", CONFIG] {
        chown(tree.at(path), Some(owner.0), Some(owner.1)).unwrap();
    }
}
