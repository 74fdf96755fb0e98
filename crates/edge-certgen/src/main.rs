//! The program edge-certgen; see the library.

/// A short run makes thousands of small allocations, and musl's own allocator calls the kernel for each.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> std::process::ExitCode {
    edge_host::main_with(
        "edge-certgen",
        |cli: &edge_certgen::cli::Cli| &cli.common,
        edge_certgen::uses_root,
        edge_certgen::run,
    )
}
