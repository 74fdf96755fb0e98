//! Docker's packages from a signed repository, and the distribution's from the host's own sources, with the real apt and
//! dpkg. systemd does not run here; docker.rs has a real daemon.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use edgeutils_tests::apt::AptHost;

use super::on_both;

/// Packages with the names, versions and dependencies of Debian's and Docker's; `dist` makes a repository like Docker's.
const PACKAGES: &str = "
unit() { mkdir -p /debs/$1.files/usr/bin /debs/$1.files/usr/lib/systemd/system; printf '#!/bin/sh\\n' > /debs/$1.files/usr/bin/dockerd
    chmod 755 /debs/$1.files/usr/bin/dockerd
    printf '[Service]\\nExecStart=/usr/bin/dockerd -H fd://\\n[Install]\\nWantedBy=multi-user.target\\n' > /debs/$1.files/usr/lib/systemd/system/docker.service; }
suite=$(. /etc/os-release; echo $VERSION_CODENAME) arch=$(dpkg --print-architecture)
docker() { deb docker-ce 5:$1-1~debian.12~$suite 'Depends: containerd.io (>= 1.6), docker-ce-cli' 'Conflicts: docker.io'; deb docker-ce-cli 5:$1-1~debian.12~$suite 'Conflicts: docker.io'; }
dist() {
    list=stable/binary-$arch; rm -rf $1; mkdir -p $1/pool $1/dists/$suite/$list; mv /debs/*.deb $1/pool
    (cd $1; for deb in pool/*.deb; do dpkg-deb --field $deb
        printf 'Filename: %s\\nSize: %s\\nSHA256: %s\\n\\n' $deb $(stat -c %s $deb) $(sha256sum < $deb | cut -d' ' -f1); done > dists/$suite/$list/Packages
    cd dists/$suite; printf 'Origin: Docker\\nSuite: %s\\nCodename: %s\\nArchitectures: %s\\nComponents: stable\\nDate: %s\\nSHA256:\\n %s %s %s/Packages\\n' \\
        $suite $suite $arch \"$(date -Ru | sed 's/+0000/UTC/')\" $(sha256sum < $list/Packages | cut -d' ' -f1) $(wc -c < $list/Packages) $list > Release)
    sign $1/dists/$suite $2
}
pkg() { edge-pkg --force-namespace \"$@\"; }
mirror() { pkg install docker --apt-mirror file:/docker --key /keys/docker.asc --fingerprint $(cat /keys/docker.fpr) \"$@\"; }
states() { for name in docker-ce docker-ce-cli containerd.io docker-buildx-plugin docker-compose-plugin; do echo $name $(state $name); done; }
";
const REPOSITORY: &str = "
unit docker-ce; key docker
for version in 27.5.1 28.1.0 28.3.2; do docker $version; done
deb containerd.io 1.7.27-1; deb docker-buildx-plugin 0.25.0-1; deb docker-compose-plugin 2.38.2-1; dist /docker docker
";

fn version_of_dockers_repository_is_pinned_held_and_kept(host: &AptHost) {
    let sh = |script: &str| host.sh(&format!("{PACKAGES}{script}"));
    sh(REPOSITORY).expect(0);
    sh("echo 'deb [arch=amd64] https://download.docker.com/linux/debian bookworm stable' > /etc/apt/sources.list.d/docker.list").expect(0);
    let tree = "find /etc/apt /etc/systemd/system /etc/docker -type f -o -type l 2> /dev/null | xargs sha256sum | sort; states";
    let before = sh(tree).stdout;
    let call = "mirror --version 28 --cgroup-driver systemd";
    sh(&format!("{call} -n")).expect(3);
    assert_eq!(sh(tree).stdout, before, "a dry run");
    let ran = sh(call).expect(0);
    assert!(ran.stderr.contains("systemd is not running: Docker is configured, but was not started"), "{}", ran.stderr);
    let states = sh("states").stdout;
    assert_eq!(states.matches(" hi 5:28.3.2-1~debian.12~").count(), 2, "{states}");
    assert_eq!(states.matches(" hi ").count(), 5, "{states}");
    let files = sh("cat /etc/apt/sources.list.d/docker.* /etc/apt/preferences.d/docker").stdout;
    for line in [
        "URIs: file:/docker\nSuites: ",
        "\nComponents: stable\n",
        "\nPin: version 5:28.*\n",
        "# deb [arch=amd64] https://download.docker.com/",
    ] {
        assert!(files.contains(line), "{line}: {files}");
    }
    assert!(sh("cat /etc/docker/daemon.json").stdout.contains("native.cgroupdriver=systemd"));
    assert!(sh(call).expect(0).stdout.ends_with("already up to date\n"));
    // A hold that was lost is found and set again.
    sh("apt-mark unhold docker-ce").expect(0);
    let found = sh("pkg check docker").expect(3).stdout;
    assert!(
        found.contains("docker-ce is not held") && found.contains("edge-pkg install docker --version 28.3.2"),
        "{found}"
    );
    sh(call).expect(0);
    assert_eq!(sh("states").stdout, states);
    for version in ["27", "28.1.0"] {
        let refused = sh(&format!("mirror --version {version}")).expect(4);
        assert!(
            refused.stderr.contains("Docker does not support downgrades\nhint: to downgrade anyway, remove it first"),
            "{}",
            refused.stderr
        );
    }
    let none = sh("mirror --version 29").expect(1);
    assert!(none.stderr.contains("cannot find docker-ce 29"), "{}", none.stderr);
    let installed = sh(tree).stdout;
    sh("pkg remove docker").expect(0);
    let left = sh("states; ls /etc/apt/sources.list.d /etc/apt/preferences.d; cat /etc/docker/daemon.json").stdout;
    assert!(
        left.contains("docker-ce none") || left.contains("docker-ce rc") || left.contains("docker-ce rh"),
        "{left}"
    );
    assert!(
        left.contains("containerd.io hi 1.7.27-1") && left.contains("cgroupdriver") && !left.contains("docker.sources"),
        "{left}"
    );
    sh("pkg undo").expect(0);
    assert_eq!(sh(tree).stdout, installed);
}

fn package_of_the_distribution_is_installed_and_kept(host: &AptHost) {
    let sh = |script: &str| host.sh(&format!("{PACKAGES}{script}"));
    sh("unit docker.io; deb docker.io 26.1.5+dfsg1-9; repo /repo -; rm /debs/*.deb; echo 'deb [trusted=yes] file:/repo/ /' > /etc/apt/sources.list; apt-get update > /dev/null").expect(0);
    sh(REPOSITORY).expect(0);
    let planned = sh("pkg install docker -n").expect(3);
    assert!(planned.stderr.contains("further changes depend on the package: daemon.json"), "{}", planned.stderr);
    sh("pkg install docker --registry-mirror https://m.example --hold").expect(0);
    assert_eq!(sh("state docker.io").stdout, "hi 26.1.5+dfsg1-9\n");
    // Docker's packages do not replace it on their own.
    let refused = sh("mirror --version 28").expect(4);
    assert!(refused.stderr.contains("docker.io 26.1.5+dfsg1-9 is installed, and cannot be installed beside docker-ce\nhint: omit --version to keep it; to replace it, remove it first (images and containers in /var/lib/docker are kept): edge-pkg remove docker\n"), "{}", refused.stderr);
    assert!(
        sh("pkg install docker --registry-mirror https://m.example --hold")
            .expect(0)
            .stdout
            .ends_with("already up to date\n")
    );
    sh("pkg remove docker; mirror --version 28.1.0").expect(0);
    let states = sh("state docker.io; states").stdout;
    assert_eq!(states.matches(" hi 5:28.1.0-1~").count(), 2, "{states}");
    // apt itself: the pin matches this version alone.
    let policy = sh("apt-cache policy docker-ce").stdout;
    assert!(policy.contains(" 5:28.1.0-1~") && policy.matches(" 990\n").count() == 1, "{policy}");
    // From a directory, without a repository.
    sh("pkg remove docker; mv /docker /away; (cd /away/pool && sha256sum *.deb > SHA256SUMS); pkg install docker --version 28.3.2 --offline /away/pool").expect(0);
    let states = sh("states; ls /etc/apt/sources.list.d").stdout;
    assert!(states.matches(" hi 5:28.3.2-1~").count() == 2 && !states.contains("docker.sources"), "{states}");
    // Versions and systems that no repository has.
    sh("pkg remove docker").expect(0);
    for (script, code, said) in [
        (
            "pkg install docker --version 1.13",
            1,
            "no repository has it since apt.dockerproject.org was shut down, only 17 and newer\nhint: if you have the packages, install them from a directory: --offline DIR",
        ),
        (
            "sed -i 's/^ID=.*/ID=alpine/' /etc/os-release; pkg install docker --version 28",
            1,
            "Docker has no repository for \"alpine\", only for debian, ubuntu, raspbian\nhint: omit --version",
        ),
        (
            "sed -i 's/^ID=.*/ID=raspbian/' /etc/os-release; pkg install docker --version 28",
            1,
            "its repository for raspbian has no packages for \"amd64\", only for armhf\nhint: omit --version",
        ),
    ] {
        let ran = sh(script).expect(code);
        assert!(ran.stderr.contains(said), "{script}: {}", ran.stderr);
    }
}

on_both!(version_of_dockers_repository_is_pinned_held_and_kept, package_of_the_distribution_is_installed_and_kept,);
