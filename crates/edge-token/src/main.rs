//! The program edge-token; see the library.

/// A short run makes thousands of small allocations, and musl's own allocator calls the kernel for each.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> std::process::ExitCode {
    edge_host::main_with("edge-token", |cli: &edge_token::cli::Cli| &cli.common, edge_token::uses_root, edge_token::run)
}
