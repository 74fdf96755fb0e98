//! The edge-pkg program; the work is in the library.

/// A short run makes thousands of small allocations, and musl's own allocator calls the kernel for each.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> std::process::ExitCode {
    edge_host::main("edge-pkg", |cli: &edge_pkg::cli::Cli| &cli.common, edge_pkg::run)
}
