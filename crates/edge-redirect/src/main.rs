//! Leads kubectl logs and exec to cloudcore; the work is in the library.

fn main() -> std::process::ExitCode {
    edge_host::main("edge-redirect", |cli: &edge_redirect::cli::Cli| &cli.common, edge_redirect::run)
}
