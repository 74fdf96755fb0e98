//! The hub through which an edge node is connected to cloudcore: websocket or QUIC.
//!
//! edgecore starts only with exactly one of them (kubeedge v1.4 to v1.23 `ValidateModuleEdgeHub`).

use crate::address::Address;
use crate::settings::{Settings, plain};
use crate::stream::{QUIC_PORT, WEBSOCKET_PORT};
use crate::value::{BadValue, ValueKind};

const HUB: &str = "modules.edgeHub.enable";
const WEBSOCKET: &str = "modules.edgeHub.websocket";
const QUIC: &str = "modules.edgeHub.quic";

/// The hub in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hub {
    /// The path of its address.
    pub path: &'static str,
    /// The usual port of cloudcore for it.
    pub usual_port: u16,
    /// Its address in the file; none where it is not set. The default is the node's own address.
    pub server: Option<String>,
}

/// Why no hub is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoHub {
    /// `modules.edgeHub.enable: false`.
    #[error("modules.edgeHub.enable is false")]
    Off,
    /// Websocket and QUIC.
    #[error("modules.edgeHub.websocket and quic are both enabled")]
    Both,
    /// Neither websocket nor QUIC.
    #[error("modules.edgeHub.websocket and quic are both disabled")]
    Neither,
}

/// The hub that a configuration of edgecore uses.
///
/// # Errors
/// None or both are enabled.
pub fn in_use(settings: &Settings<'_>) -> Result<Hub, NoHub> {
    if !settings.is_on(HUB) {
        return Err(NoHub::Off);
    }
    let is_on = |section: &str| settings.is_on(&format!("{section}.enable"));
    let (path, usual_port) = match (is_on(WEBSOCKET), is_on(QUIC)) {
        (true, false) => ("modules.edgeHub.websocket.server", WEBSOCKET_PORT),
        (false, true) => ("modules.edgeHub.quic.server", QUIC_PORT),
        (true, true) => return Err(NoHub::Both),
        (false, false) => return Err(NoHub::Neither),
    };
    let server = settings.written(path).and_then(plain).filter(|server| !server.is_empty());
    Ok(Hub { path, usual_port, server })
}

impl Hub {
    /// Its address in the file, validated; none where it is not set.
    ///
    /// # Errors
    /// It is not a valid address of this hub.
    pub fn address(&self) -> Result<Option<Address<'_>>, BadValue> {
        let Some(server) = &self.server else { return Ok(None) };
        ValueKind::Dial(self.usual_port).check(server)?;
        Ok(Address::parse(server).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, Minor};

    fn hub(text: &str) -> Result<Hub, NoHub> {
        let document = edge_yaml::read(&format!("modules: {{edgeHub: {text}}}")).unwrap();
        in_use(&Settings::new(Kind::EdgeCore, Some(Minor::new(8)), &document))
    }

    #[test]
    fn hub_is_the_one_that_is_enabled() {
        let both = "websocket: {server: 'a:10000', enable: W}, quic: {server: 'b:10001', enable: Q}";
        let with = |w: &str, q: &str| hub(&format!("{{{}}}", both.replace('W', w).replace('Q', q)));
        assert_eq!(with("true", "false").unwrap().server.as_deref(), Some("a:10000"));
        let quic = with("no", "yes").unwrap();
        assert_eq!((quic.path, quic.usual_port), ("modules.edgeHub.quic.server", 10001));
        assert_eq!(quic.address().unwrap().map(|address| address.host), Some("b"));
        assert_eq!((with("true", "true"), with("false", "false")), (Err(NoHub::Both), Err(NoHub::Neither)));
        assert_eq!(hub("{enable: false}"), Err(NoHub::Off));
        // The default is an address of this host and not one of cloudcore.
        assert_eq!(hub("{}").unwrap().server, None);
    }

    #[test]
    fn address_of_the_hub_is_validated() {
        for bad in ["<CLOUD_IP>:10000", "wss://192.0.2.1:10000", "${IP}:10000", "2001:db8::1", "192.0.2.1:10002"] {
            assert!(hub(&format!("{{websocket: {{server: '{bad}'}}}}")).unwrap().address().is_err(), "{bad}");
        }
    }
}
