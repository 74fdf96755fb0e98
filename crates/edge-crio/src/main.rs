//! The edge-crio program; the work is in the library.

/// A short run makes thousands of small allocations, and musl's own allocator calls the kernel for each.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> std::process::ExitCode {
    edge_host::main_with("edge-crio", |cli: &edge_crio::cli::Cli| &cli.common, edge_crio::uses_root, edge_crio::run)
}
