//! Resets a host; the code is in the library.

/// A short run makes thousands of small allocations, and musl's own allocator calls the kernel for each.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> std::process::ExitCode {
    edge_host::main("edge-reset", |cli: &edge_reset::cli::Cli| &cli.common, edge_reset::run)
}
