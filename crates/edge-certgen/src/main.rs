//! Makes and checks the certificates of KubeEdge's cloud side; the work is in the library.

fn main() -> std::process::ExitCode {
    edge_host::main("edge-certgen", |cli: &edge_certgen::cli::Cli| &cli.common, edge_certgen::run)
}
