//! Edits and checks edgecore.yaml and cloudcore.yaml; the work is in the library.

/// A short run makes thousands of small allocations, and musl's own allocator calls the kernel for each.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> std::process::ExitCode {
    edge_host::main_with("edge-conf", |cli: &edge_conf::cli::Cli| &cli.common, edge_conf::uses_root, edge_conf::run)
}
