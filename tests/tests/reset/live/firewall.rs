//! The phase firewall.
