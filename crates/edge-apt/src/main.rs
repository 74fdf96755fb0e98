//! Waits for apt and mends what an interruption of dpkg left; the work is in the library.

fn main() -> std::process::ExitCode {
    edge_host::main("edge-apt", |cli: &edge_apt::cli::Cli| &cli.common, edge_apt::run)
}
