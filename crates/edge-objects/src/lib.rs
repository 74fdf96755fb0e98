//! Streams of Kubernetes objects: manifests, and what `kubectl get -o yaml` and `-o json` print.
//!
//! [`source`] reads a stream within a limit, [`stream`] cuts it into documents and large Lists into their items, and
//! [`end`] finds a stream that was cut off, which YAML does not show.

pub mod end;
pub mod object;
pub mod source;
pub mod stream;
