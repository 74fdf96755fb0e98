//! Edits and checks Kubernetes manifests for clusters with edge nodes; the work is in the library.

/// A short run makes thousands of small allocations, and musl's own allocator calls the kernel for each.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> std::process::ExitCode {
    edge_host::main_with("edge-manifest", |cli: &edge_manifest::cli::Cli| &cli.common, |_| false, edge_manifest::run)
}
