//! Redirects kubectl logs and exec to cloudcore; the code is in the library.

/// A short run makes thousands of small allocations, and musl's own allocator calls the kernel for each.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> std::process::ExitCode {
    edge_host::main_with(
        "edge-redirect",
        |cli: &edge_redirect::cli::Cli| &cli.common,
        edge_redirect::uses_root,
        edge_redirect::run,
    )
}
