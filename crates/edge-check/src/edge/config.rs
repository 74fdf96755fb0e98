//! What edgecore.yaml says of the way to cloudcore, and of the ports of the node itself.

use std::path::PathBuf;

use edge_host::{Finding, Host, Result, ResultExt};
use edge_hub::Address;
use edge_kubeedge::address::Address as Written;
use edge_kubeedge::hub;
use edge_kubeedge::settings::Settings;
use edge_kubeedge::stream::{HTTPS_PORT, QUIC_PORT, TUNNEL_PORT};
use edge_kubeedge::unit::config_in_use;
use edge_kubeedge::value::ValueKind;
use edge_kubeedge::{Kind, Minor, version};

use super::join::join;
use super::pair::Files;

const HTTPS: &str = "modules.edgeHub.httpServer";
const TUNNEL: &str = "modules.edgeStream.server";
/// The port of edgecore's kubelet up to 1.11, which has no setting for it (kubeedge v1.4 `common/constants`).
const KUBELET_PORT: u16 = 10350;
/// Ports of a broker within edgecore, and of the device and service buses.
const BROKER_PORT: u16 = 1884;

/// The configuration, as far as it is about connections.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// Its path, for messages.
    pub(crate) shown: String,
    /// The version that reads it, if it is known.
    pub(crate) version: Option<Minor>,
    /// The hub; none if it uses QUIC, which is not TCP.
    pub(crate) hub: Option<Address>,
    /// The HTTPS port; none if it is not set.
    pub(crate) https: Option<Address>,
    /// The tunnel of kubectl logs; none if edgeStream is off.
    pub(crate) tunnel: Option<Address>,
    /// The files of the hub's key pair.
    pub(crate) files: Files,
    /// Those of the tunnel's.
    pub(crate) tunnel_files: Files,
    /// The ports on which edgecore listens, and what for.
    pub(crate) ports: Vec<(u16, &'static str)>,
    /// The port of its kubelet on 127.0.0.1.
    pub(crate) kubelet: u16,
    /// Directories that it fills.
    pub(crate) directories: Vec<PathBuf>,
}

impl Config {
    /// The command that joins this node again.
    pub(crate) fn join(&self) -> String {
        let host = self.hub.as_ref().or(self.https.as_ref()).map(Address::url_host);
        join(host.as_deref(), self.version)
    }
}

/// Reads the configuration in use. The findings are why there is nothing to connect to.
///
/// Errors: exit 1 if units or programs cannot be read.
pub(crate) fn read(host: &Host) -> Result<Result<Config, Vec<Finding>>> {
    let kind = Kind::EdgeCore;
    let file = config_in_use(&host.root, kind)?.path;
    let Some(bytes) = host.root.read(&file)? else {
        let finding = Finding::error(&file, "no configuration of edgecore: this host is not an edge node yet");
        return Ok(Err(vec![finding.hint(format!("join it: {}", join(None, None)))]));
    };
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text").on("read", &file)?;
    let document = match edge_yaml::read(&text) {
        Ok(document) => document,
        Err(error) => {
            let finding = Finding::error(&file, format!("edgecore cannot read it: {error}"));
            return Ok(Err(vec![finding.hint("edge-conf check")]));
        }
    };
    let version = version(&host.root, None, kind, &document, Some(&file))?.version();
    Ok(of(&Settings::new(kind, version, &document), version, &file.display().to_string()))
}

/// The part of the settings that is about connections. Pure.
fn of(settings: &Settings<'_>, version: Option<Minor>, shown: &str) -> Result<Config, Vec<Finding>> {
    let mut findings = Vec::new();
    let mut wrong = |path: &str, why: String, hint: String| {
        findings.push(Finding::error(shown, why).at(path).hint(hint));
        None
    };
    let conf = |path: &str, port: u16| format!("edge-conf set {path}=HOST:{port}");
    let (mut hub_address, mut is_quic) = (None, false);
    match hub::in_use(settings) {
        Err(why) => drop(wrong("modules.edgeHub", format!("no hub is in use: {why}"), "edge-conf check".to_owned())),
        Ok(hub) => {
            is_quic = hub.usual_port == QUIC_PORT;
            hub_address = match (hub.address(), &hub.server) {
                (Ok(Some(written)), _) => address(hub.path, written),
                (Ok(None), _) => wrong(
                    hub.path,
                    "it is not set: edgecore connects to this host".to_owned(),
                    conf(hub.path, hub.usual_port),
                ),
                (Err(why), server) => {
                    let server = server.as_deref().unwrap_or_default();
                    wrong(
                        hub.path,
                        format!("{server:?} is not an address of cloudcore: {why}"),
                        conf(hub.path, hub.usual_port),
                    )
                }
            };
        }
    }
    // The other addresses are usually of the same host.
    let host = hub_address.as_ref().map_or_else(|| "HOST".to_owned(), Address::url_host);
    let conf = |path: &str, port: u16| format!("edge-conf set {path}={host}:{port}");
    let is_streaming = settings.is_on("modules.edgeStream.enable");
    let tunnel = is_streaming.then(|| settings.in_force(TUNNEL)).flatten().and_then(|server| {
        match ValueKind::Dial(TUNNEL_PORT).check(&server).map(|()| Written::parse(&server)) {
            Ok(Ok(written)) => address(TUNNEL, written),
            Ok(Err(why)) => wrong(TUNNEL, format!("{server:?} is not an address: {why}"), conf(TUNNEL, TUNNEL_PORT)),
            Err(why) => {
                wrong(TUNNEL, format!("{server:?} is not an address of cloudcore: {why}"), conf(TUNNEL, TUNNEL_PORT))
            }
        }
    });
    let https = settings.written(HTTPS).and_then(|value| value.as_str()).filter(|server| !server.is_empty());
    let https = https.and_then(|server| {
        https_address(server).or_else(|| {
            let why = ValueKind::Https(HTTPS_PORT).check(server).err().map(|why| format!(": {why}"));
            let hint = format!("edge-conf set {HTTPS}=https://{host}:{HTTPS_PORT}");
            wrong(HTTPS, format!("{server:?} is not an address of cloudcore{}", why.unwrap_or_default()), hint)
        })
    });
    let files = |section: &str, names: [&str; 3]| {
        let path = |name: &str| PathBuf::from(settings.in_force(&format!("{section}.{name}")).unwrap_or_default());
        let [ca, certificate, key] = names.map(path);
        Files { ca, certificate, key }
    };
    let kubelet = port(settings, "modules.edged.tailoredKubeletConfig.readOnlyPort").unwrap_or(KUBELET_PORT);
    let directory = |path: &str| settings.in_force(path).map(PathBuf::from).filter(|path| path.is_absolute());
    let database = directory("database.dataSource").and_then(|file| Some(file.parent()?.to_path_buf()));
    let config = Config {
        shown: shown.to_owned(),
        version,
        hub: hub_address.filter(|_| !is_quic),
        https,
        tunnel,
        files: files("modules.edgeHub", ["tlsCaFile", "tlsCertFile", "tlsPrivateKeyFile"]),
        tunnel_files: files("modules.edgeStream", ["tlsTunnelCAFile", "tlsTunnelCertFile", "tlsTunnelPrivateKeyFile"]),
        ports: ports(settings, kubelet),
        kubelet,
        directories: directory("modules.edged.rootDirectory").into_iter().chain(database).collect(),
    };
    if findings.is_empty() { Ok(config) } else { Err(findings) }
}

fn address(path: &str, written: Written<'_>) -> Option<Address> {
    Address::parse(path, written.host, written.port).ok()
}

/// `https://HOST[:PORT]`.
fn https_address(server: &str) -> Option<Address> {
    ValueKind::Https(HTTPS_PORT).check(server).ok()?;
    let rest = server.split_once("://")?.1;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    match Written::parse(rest) {
        Ok(written) => address(HTTPS, written),
        Err(_) => Address::parse(HTTPS, rest, HTTPS_PORT).ok(),
    }
}

fn port(settings: &Settings<'_>, path: &str) -> Option<u16> {
    settings.in_force(path)?.parse().ok().filter(|port| *port != 0)
}

/// What edgecore listens on with these settings, by its version.
fn ports(settings: &Settings<'_>, kubelet: u16) -> Vec<(u16, &'static str)> {
    let of_address = |path: &str| Written::parse(&settings.in_force(path)?).ok().map(|address| address.port);
    let mut ports = Vec::new();
    if !settings.is_turned_off("modules.edged.enable") {
        ports.push((kubelet, "edgecore's kubelet"));
    }
    if settings.is_on("modules.metaManager.metaServer.enable") {
        ports.extend(of_address("modules.metaManager.metaServer.server").map(|port| (port, "edgecore's metaServer")));
    }
    if settings.is_on("modules.serviceBus.enable") {
        ports.extend(port(settings, "modules.serviceBus.port").map(|port| (port, "edgecore's serviceBus")));
    }
    // 2 is a broker outside of edgecore.
    let is_own_broker = matches!(settings.in_force("modules.eventBus.mqttMode").as_deref(), Some("0" | "1"));
    if is_own_broker && settings.is_on("modules.eventBus.enable") {
        ports.push((BROKER_PORT, "edgecore's MQTT broker"));
    }
    ports
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(minor: u16, text: &str) -> Result<Config, Vec<String>> {
        let document = edge_yaml::read(text).unwrap();
        let version = Some(Minor::new(minor));
        of(&Settings::new(Kind::EdgeCore, version, &document), version, "edgecore.yaml")
            .map_err(|all| all.into_iter().map(|one| format!("{}: {}", one.path, one.text)).collect())
    }

    const HUB: &str = "edgeHub: {httpServer: 'https://cloud.example:10002', websocket: {enable: true, server: 'cloud.example:10000'}, quic: {enable: false}}";

    #[test]
    fn addresses_are_those_that_edgecore_uses() {
        let found = config(23, &format!("modules: {{{HUB}, edgeStream: {{enable: true, server: '192.0.2.1:10004'}}}}"))
            .unwrap();
        let shown = |address: &Option<Address>| address.as_ref().map(Address::to_string).unwrap_or_default();
        assert_eq!(
            [shown(&found.hub), shown(&found.https), shown(&found.tunnel)],
            ["cloud.example:10000", "cloud.example:10002", "192.0.2.1:10004"]
        );
        assert_eq!(found.files.certificate, PathBuf::from("/etc/kubeedge/certs/server.crt"));
        assert_eq!(found.join(), "edge-join apply --cloudcore cloud.example --version 1.23.PATCH --token -");
        let of_ip = config(23, &format!("modules: {{{}}}", HUB.replace("cloud.example:", "[fd00::1]:"))).unwrap();
        assert_eq!(of_ip.join(), "edge-join apply --cloudcore [fd00::1] --version 1.23.PATCH --token -");
        assert_eq!(found.ports, [(10350, "edgecore's kubelet")]);
        // edgeStream is off by default.
        assert!(config(23, &format!("modules: {{{HUB}}}")).unwrap().tunnel.is_none());
        let quic = "modules: {edgeHub: {websocket: {enable: false}, quic: {enable: true, server: '192.0.2.1:10001'}}}";
        assert!(config(23, quic).unwrap().hub.is_none());
        for (server, want) in
            [("https://192.0.2.1", "192.0.2.1:10002"), ("https://[fd00::1]:30002/", "[fd00::1]:30002")]
        {
            assert_eq!(https_address(server).map(|address| address.to_string()).as_deref(), Some(want), "{server}");
        }
    }

    #[test]
    fn address_that_is_not_one_of_cloudcore_is_the_first_cause() {
        let of = |text: &str| config(23, text).unwrap_err();
        assert_eq!(
            of("modules: {edgeHub: {websocket: {enable: true}}}"),
            ["modules.edgeHub.websocket.server: it is not set: edgecore connects to this host"]
        );
        assert!(of("modules: {edgeHub: {enable: false}}")[0].starts_with("modules.edgeHub: no hub is in use"));
        let placeholder = of("modules: {edgeHub: {websocket: {enable: true, server: 'CLOUD_IP:10000'}}}");
        assert!(placeholder[0].contains("\"CLOUD_IP:10000\" is not an address of cloudcore"), "{placeholder:?}");
        let https = of(&format!("modules: {{{}}}", HUB.replace("https://cloud.example", "https://CLOUD_IP")));
        assert!(
            https[0]
                .starts_with("modules.edgeHub.httpServer: \"https://CLOUD_IP:10002\" is not an address of cloudcore: "),
            "{https:?}"
        );
        let tunnel = of(&format!("modules: {{{HUB}, edgeStream: {{enable: true, server: 'x'}}}}"));
        assert!(tunnel[0].starts_with("modules.edgeStream.server: \"x\" is not an address"), "{tunnel:?}");
    }

    #[test]
    fn hint_has_the_host_of_the_hub() {
        let hint = |text: &str| {
            let document = edge_yaml::read(text).unwrap();
            let found = of(&Settings::new(Kind::EdgeCore, None, &document), None, "").unwrap_err();
            found.into_iter().filter_map(|one| one.hint).collect::<Vec<_>>()
        };
        let https = hint(&format!("modules: {{{}}}", HUB.replace("https://cloud.example", "https://CLOUD_IP")));
        assert_eq!(https, ["edge-conf set modules.edgeHub.httpServer=https://cloud.example:10002"]);
        let tunnel = hint(&format!("modules: {{{HUB}, edgeStream: {{enable: true, server: x}}}}"));
        assert_eq!(tunnel, ["edge-conf set modules.edgeStream.server=cloud.example:10004"]);
        let unset = hint("modules: {edgeHub: {websocket: {enable: true}}}");
        assert_eq!(unset, ["edge-conf set modules.edgeHub.websocket.server=HOST:10000"]);
    }

    #[test]
    fn ports_follow_from_the_modules_and_the_version() {
        let of = |minor, modules: &str| config(minor, &format!("modules: {{{HUB}, {modules}}}")).unwrap().ports;
        let meta = "metaManager: {metaServer: {enable: true}}";
        assert_eq!(of(23, meta), [(10350, "edgecore's kubelet"), (10550, "edgecore's metaServer")]);
        assert_eq!(of(23, "edged: {tailoredKubeletConfig: {readOnlyPort: 10255}}"), [(10255, "edgecore's kubelet")]);
        assert_eq!(of(8, "edged: {enable: false}"), []);
        assert_eq!(of(8, "eventBus: {enable: true, mqttMode: 0}").last(), Some(&(1884, "edgecore's MQTT broker")));
    }
}
