//! Facts to findings; pure.

mod containerd;
mod daemon;
mod docker;
mod kubernetes;

pub use containerd::{LOOPBACK, Others, containerd};
pub use daemon::Daemon;
pub use docker::{DockerUsers, docker};
pub use kubernetes::{again, kubernetes};
