//! Edits and checks edgecore.yaml and cloudcore.yaml; the work is in the library.

fn main() -> std::process::ExitCode {
    edge_host::main("edge-conf", |cli: &edge_conf::cli::Cli| &cli.common, edge_conf::run)
}
