//! The command line: which commands there are, and which one runs.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::base::clock::SystemClock;
use crate::base::fault::Result;
use crate::cli::generate::GenerateArgs;

/// A FHIR R4 server in one binary.
#[derive(Debug, Parser)]
#[command(name = "cresset", version, about, long_about = None)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write generated patients
    Generate(GenerateArgs),
}

/// Runs the command that the arguments of the process name.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    match execute(cli.command) {
        Ok(code) => code,
        Err(fault) => {
            eprintln!("cresset: {fault}");
            ExitCode::from(1)
        }
    }
}

fn execute(command: Command) -> Result<ExitCode> {
    match command {
        Command::Generate(args) => {
            let resources = args.run(&SystemClock)?;
            eprintln!("{resources} resources");
            Ok(ExitCode::SUCCESS)
        }
    }
}
