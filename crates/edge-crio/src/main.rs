//! Installs CRI-O and checks that it really works; the work is in the library.

fn main() -> std::process::ExitCode {
    edge_host::main("edge-crio", |cli: &edge_crio::cli::Cli| &cli.common, edge_crio::run)
}
