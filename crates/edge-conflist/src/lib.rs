//! CNI network configurations as libcni reads them, and what keeps them from working.
//!
//! Reads the files of a directory such as /etc/cni/net.d, CRI-O's settings for it, the headers and versions of the
//! plugins that the files name, what these need of a daemon, leases, routes and addresses, libcni's entries of containers,
//! the record of what edge-cni installed, and the libcni release that a host's runtimes are built with.
//! Runs plugins for their version, live only. Writes nothing.
//!
//! [`diagnose::facts`] reads all of it, [`diagnose::diagnose`] finds the problems and the network that is used:
//! edge-cni and edge-crio must not disagree about a host.

pub mod cache;
pub mod catalog;
pub mod conflist;
pub mod containerd;
pub mod crio;
pub mod diagnose;
pub mod leases;
pub mod needs;
pub mod networks;
pub mod plugin;
pub mod range;
pub mod record;
pub mod runtime;
pub mod version;
