//! Makes a host ready for edgecore or kubeadm; the work is in the library.

fn main() -> std::process::ExitCode {
    edge_host::main("edge-prep", |cli: &edge_prep::cli::Cli| &cli.common, edge_prep::run)
}
