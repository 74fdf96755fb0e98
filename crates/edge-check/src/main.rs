//! The program edge-check; see the library.

/// A short run makes thousands of small allocations, and musl's own allocator calls the kernel for each.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> std::process::ExitCode {
    edge_host::main_with("edge-check", |cli: &edge_check::cli::Cli| &cli.common, edge_check::uses_root, edge_check::run)
}
