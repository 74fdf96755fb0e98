//! Builds, installs, configures and checks CNI plugins; the work is in the library.

fn main() -> std::process::ExitCode {
    edge_host::main("edge-cni", |cli: &edge_cni::cli::Cli| &cli.common, edge_cni::run)
}
