//! Prepares a host for edgecore or kubeadm; the work is done in the library.

/// A short run makes thousands of small allocations, and musl's own allocator calls the kernel for each.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> std::process::ExitCode {
    edge_host::main("edge-prep", |cli: &edge_prep::cli::Cli| &cli.common, edge_prep::run)
}
