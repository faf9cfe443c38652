//! The `kaa` command of Kaa RPC: checks `.kidl` files, calls functions from a shell, makes secrets.
//!
//! It only translates: words of a command line into what `kaa-idl` and `kaa-rpc-runtime` take, and
//! what these give into text and an exit status. README.md describes it for users.

mod arguments;
mod call;
mod check;
mod describe;
mod details;
mod json;
mod keygen;
mod reach;
mod report;
mod signals;
mod streams;
mod time;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Checks .kidl files, calls functions of running programs, makes secrets.
#[derive(Debug, Parser)]
#[command(name = "kaa", version, propagate_version = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Check),
    Call(call::Call),
    Describe(describe::Describe),
    Ping(describe::Ping),
    Keygen(keygen::Keygen),
}

const EXAMPLES: &str = "\
Examples:
  kaa check schemas/player.kidl
  kaa keygen ~/.config/player.secret
  kaa call unix:player add 40 b=2 --secret-file ~/.config/player.secret

`kaa call --help` says more of arguments and results.";

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Check(check) => check.run(),
        Command::Call(call) => call.run(),
        Command::Describe(describe) => describe.run(),
        Command::Ping(ping) => ping.run(),
        Command::Keygen(keygen) => keygen.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
