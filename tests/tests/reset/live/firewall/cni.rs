//! Podman uses the same chains as pods.
