//! Another program that keeps rules on the same host, for the tests of edge-firewall: it goes
//! through the `iptables` package, as programs written in Rust do.
//!
//! `edge-iptables-writer nft|legacy ROUNDS`: each round appends a rule to its chain `theirs` and puts
//! a jump into OUTPUT; every second jump is taken out again. At the end it prints how many rules and
//! jumps the package lists, and exits 1 if any call failed.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

const TABLE: &str = "nat";
const CHAIN: &str = "theirs";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [backend, rounds] = args.as_slice() else {
        eprintln!("edge-iptables-writer nft|legacy ROUNDS");
        return ExitCode::from(2);
    };
    match written(backend, rounds.parse().unwrap_or(0)) {
        Ok((rules, jumps)) => {
            println!("{rules} rules, {jumps} jumps");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("edge-iptables-writer: {error}");
            ExitCode::FAILURE
        }
    }
}

fn written(backend: &str, rounds: u32) -> Result<(usize, usize), Box<dyn std::error::Error>> {
    let mut tables = iptables::new(false)?;
    tables.cmd = match backend {
        "nft" => "iptables-nft",
        "legacy" => "iptables-legacy",
        other => return Err(format!("no backend is called {other}").into()),
    };
    tables.new_chain(TABLE, CHAIN)?;
    for round in 1..=rounds {
        tables.append(TABLE, CHAIN, &format!("-s 198.51.100.{round}/32 -j RETURN"))?;
        let jump = format!("-p udp -m udp --dport {round} -j {CHAIN}");
        tables.insert(TABLE, "OUTPUT", &jump, 1)?;
        if round % 2 == 1 {
            tables.delete(TABLE, "OUTPUT", &jump)?;
        }
    }
    let count = |chain, what: &str| -> Result<usize, Box<dyn std::error::Error>> {
        Ok(tables.list(TABLE, chain)?.iter().filter(|rule| rule.contains(what)).count())
    };
    Ok((count(CHAIN, "-A theirs")?, count("OUTPUT", "-j theirs")?))
}
