//! Facts to findings; pure.

mod containerd;
mod docker;
mod kubernetes;

pub use containerd::{LOOPBACK, Others, containerd};
pub use docker::{DockerUsers, docker};
pub use kubernetes::{again, kubernetes};
